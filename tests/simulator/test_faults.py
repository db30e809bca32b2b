"""The error bodies are those that upstream.md 6.1 describes: each is recognised as its row of the decision table."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from support.judging import judge

from antigravity_proxy.canonical.verdict import Cause
from antigravity_proxy.codeassist import oauth
from antigravity_proxy.generatecontent import failure
from antigravity_proxy.simulator import faults
from antigravity_proxy.simulator.faults import Fault

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("fault", "cause", "delay"),
    [
        (faults.quota_exhausted(NOW + 7200), Cause.QUOTA, 7200),
        (faults.quota_exhausted_for("13h19m1.2s"), Cause.QUOTA, 47941.2),
        (faults.limited_per("Day"), Cause.QUOTA, None),
        (faults.rate_limited(30), Cause.RATE_LIMIT, 30),
        (faults.rate_limited(0.5), Cause.RATE_LIMIT, 0.5),
        (faults.limited_per("Minute"), Cause.RATE_LIMIT, None),
        (faults.no_capacity(429), Cause.NO_CAPACITY, None),
        (faults.no_credits(), Cause.NO_CREDITS, None),
        (faults.bare_limit(), Cause.EXHAUSTED, None),
        (faults.no_capacity(), Cause.NO_CAPACITY, None),
        (faults.failing(), Cause.UPSTREAM_ERROR, None),
        (faults.failing(503), Cause.UPSTREAM_ERROR, None),
        (faults.unauthenticated(), Cause.UNAUTHENTICATED, None),
        (faults.verification_needed(), Cause.NEEDS_VALIDATION, None),
        (faults.barred(), Cause.BARRED, None),
        (faults.project_disabled("p"), Cause.WRONG_PROJECT, None),
        (faults.forbidden(), Cause.FORBIDDEN, None),
        (faults.not_found(), Cause.NO_SUCH_MODEL, None),
        (
            faults.refused("Function call is missing a thought_signature in functionCall parts."),
            Cause.BAD_SIGNATURE,
            None,
        ),
        (
            faults.refused("User location is not supported for the API use.", "FAILED_PRECONDITION"),
            Cause.BAD_LOCATION,
            None,
        ),
        (
            faults.refused("The input token count (2) exceeds the maximum number of tokens allowed (1)."),
            Cause.CONTEXT_OVERFLOW,
            None,
        ),
        (faults.refused('Unknown name "x"', field="request"), Cause.BAD_REQUEST, None),
    ],
)
def test_each_fault_is_recognised(fault: Fault, cause: Cause, delay: float | None) -> None:
    date = formatdate(NOW, usegmt=True)
    found = judge(failure.read(fault.body, NOW, http_status=fault.status, date=date))
    assert found.cause is cause
    assert found.delay == (None if delay is None else pytest.approx(delay))


def test_an_error_in_a_stream_is_recognised_by_its_own_code() -> None:
    fault = faults.error_in_stream(after=3, code=429, status="RESOURCE_EXHAUSTED")
    assert (fault.status, fault.after) == (0, 3)
    assert judge(failure.read(fault.error, NOW)).cause is Cause.EXHAUSTED


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (faults.invalid_grant(), "dead"),
        (faults.unauthorized_client(), "misconfigured"),
        (faults.invalid_client(), "misconfigured"),
        (faults.failing(503), "temporary"),
    ],
)
def test_the_token_endpoints_faults_are_recognised(fault: Fault, kind: str) -> None:
    with pytest.raises(oauth.RefreshRejected) as rejected:
        oauth.read_answer(fault.status, fault.body, NOW)
    assert rejected.value.kind == kind
