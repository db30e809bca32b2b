"""The error bodies are those that upstream.md 6.1 describes: each is recognised as its row of the decision table."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from antigravity_proxy.codeassist import oauth, verdict
from antigravity_proxy.generatecontent import failure
from antigravity_proxy.simulator import faults
from antigravity_proxy.simulator.faults import Fault

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("fault", "row", "delay"),
    [
        (faults.quota_exhausted(NOW + 7200), 1, 7200),
        (faults.quota_exhausted_for("13h19m1.2s"), 1, 47941.2),
        (faults.limited_per("Day"), 1, None),
        (faults.rate_limited(30), 2, 30),
        (faults.rate_limited(0.5), 2, 0.5),
        (faults.limited_per("Minute"), 2, None),
        (faults.no_capacity(429), 3, None),
        (faults.no_credits(), 4, None),
        (faults.bare_limit(), 5, None),
        (faults.no_capacity(), 6, None),
        (faults.failing(), 7, None),
        (faults.failing(503), 7, None),
        (faults.unauthenticated(), 10, None),
        (faults.verification_needed(), 11, None),
        (faults.barred(), 12, None),
        (faults.project_disabled("p"), 13, None),
        (faults.forbidden(), 15, None),
        (faults.not_found(), 16, None),
        (faults.refused("Function call is missing a thought_signature in functionCall parts."), 17, None),
        (faults.refused("User location is not supported for the API use.", "FAILED_PRECONDITION"), 18, None),
        (faults.refused("The input token count (2) exceeds the maximum number of tokens allowed (1)."), 19, None),
        (faults.refused('Unknown name "x"', field="request"), 20, None),
    ],
)
def test_each_fault_is_recognised(fault: Fault, row: int, delay: float | None) -> None:
    date = formatdate(NOW, usegmt=True)
    found = verdict.judge(failure.read(fault.body, NOW, http_status=fault.status, date=date))
    assert found.row == row
    assert found.delay == (None if delay is None else pytest.approx(delay))


def test_an_error_in_a_stream_is_recognised_by_its_own_code() -> None:
    fault = faults.error_in_stream(after=3, code=429, status="RESOURCE_EXHAUSTED")
    assert (fault.status, fault.after) == (0, 3)
    assert verdict.judge(failure.read(fault.error, NOW)).row == 5


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
