"""The whole decision table of upstream.md 6.3: what each error means, how long it lasts, what is told."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from support.judging import judge

from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.canonical import verdict
from antigravity_proxy.canonical.verdict import Cause, Failure, Row, Scope, Step, Verdict
from antigravity_proxy.codeassist.decision_table import TABLE, WITHOUT_BODY
from antigravity_proxy.generatecontent import failure
from antigravity_proxy.simulator import faults
from antigravity_proxy.simulator.faults import Fault

CAUSES = Path(__file__).parents[2] / "docs/reference/causes.md"
A, AM, NOTHING, LAST, BARRED = (
    Scope.ACCOUNT,
    Scope.ACCOUNT_MODEL,
    Scope.NONE,
    Scope.LAST_IN_ORDER,
    Scope.UNTIL_CHANGED,
)
NEXT, BASE, REFRESH, PROJECT, REPAIR, STOP, EGRESS = (
    Step.NEXT_ACCOUNT,
    Step.NEXT_BASE,
    Step.REFRESH,
    Step.PROJECT,
    Step.REPAIR,
    Step.STOP,
    Step.OTHER_EGRESS,
)
HOUR, DAY = 3600.0, 86400.0
LADDER_1, LADDER_3, LADDER_5 = [HOUR, 2 * HOUR, 4 * HOUR, 4 * HOUR], [5, 10, 15, 15], [5, 60, 300, 300]


#: the causes that only the tables of the official upstreams know
OF_OFFICIAL_UPSTREAMS = {
    Cause.NO_ACCESS,
    Cause.SPENT,
    Cause.BAD_KEY,
    Cause.KEY_RESTRICTED,
    Cause.API_DISABLED,
    Cause.NO_BILLING,
    Cause.FOREIGN_FILE,
    Cause.OUR_FAULT,
}


def said(status: int, name: str, message: str = "x", **headers: str) -> Fault:
    return Fault(status, faults.error(status, name, message), tuple(headers.items()))


def limited(message: str, *details: dict[str, Any], **headers: str) -> Fault:
    return Fault(429, faults.error(429, "RESOURCE_EXHAUSTED", message, *details), tuple(headers.items()))


BURST = faults.info("RATE_LIMIT_EXCEEDED")
SHAPES: list[tuple[Cause, Fault, Step, Scope, list[float], int]] = [
    # cause, shape, next step, scope, seconds by consecutive failures, client's status
    (Cause.QUOTA, faults.quota_exhausted(7200), NEXT, AM, [7200] * 4, 429),
    (Cause.QUOTA, faults.quota_exhausted_for("13h19m1.2s"), NEXT, AM, [47942] * 4, 429),
    (Cause.QUOTA, limited("x", faults.info("QUOTA_EXHAUSTED")), NEXT, AM, LADDER_1, 429),
    (Cause.QUOTA, limited("reset after 1h2m3s.", faults.info("QUOTA_EXHAUSTED")), NEXT, AM, [3723] * 4, 429),
    (Cause.QUOTA, limited("x", faults.info("QUOTA_EXHAUSTED", quotaResetDelay="400h")), NEXT, AM, [8 * DAY] * 4, 429),
    (Cause.QUOTA, limited("x", faults.info("QUOTA_EXHAUSTED", quotaResetDelay="soon")), NEXT, AM, LADDER_1, 429),
    (Cause.QUOTA, faults.limited_per("Day"), NEXT, AM, LADDER_1, 429),
    (Cause.QUOTA, limited("x", faults.quota_failure("DailyRequests")), NEXT, AM, LADDER_1, 429),
    (Cause.QUOTA, faults.rate_limited(301), NEXT, AM, [301] * 4, 429),
    (Cause.RATE_LIMIT, faults.rate_limited(300), NEXT, AM, [300] * 4, 429),
    (Cause.RATE_LIMIT, faults.rate_limited(0.479417207), NEXT, AM, [1] * 4, 429),
    (Cause.RATE_LIMIT, faults.rate_limited(0), NEXT, AM, [1] * 4, 429),
    (Cause.RATE_LIMIT, limited("x", BURST), NEXT, AM, [10] * 4, 429),
    (Cause.RATE_LIMIT, limited("x", BURST, **{"retry-after": "7"}), NEXT, AM, [7] * 4, 429),
    (
        Cause.RATE_LIMIT,
        limited("x", BURST, **{"retry-after": "Thu, 01 Jan 1970 00:02:00 GMT"}),
        NEXT,
        AM,
        [120] * 4,
        429,
    ),
    (Cause.RATE_LIMIT, limited("Please retry in 12.3s", BURST), NEXT, AM, [13] * 4, 429),
    (Cause.RATE_LIMIT, faults.limited_per("Minute"), NEXT, AM, [60] * 4, 429),
    (Cause.NO_CAPACITY, faults.no_capacity(429), BASE, AM, LADDER_3, 503),
    (Cause.NO_CREDITS, faults.no_credits(), NEXT, AM, [HOUR] * 4, 429),
    (Cause.EXHAUSTED, faults.bare_limit(), NEXT, AM, LADDER_5, 429),
    (Cause.EXHAUSTED, Fault(429, b"<html>no</html>"), NEXT, AM, LADDER_5, 429),
    (Cause.EXHAUSTED, Fault(429, b""), NEXT, AM, LADDER_5, 429),
    (Cause.EXHAUSTED, Fault(429, b'{"error":"slow down"}', (("retry-after", "3"),)), NEXT, AM, [3] * 4, 429),
    (Cause.NO_CAPACITY, faults.no_capacity(503), BASE, AM, LADDER_3, 503),
    (Cause.NO_CAPACITY, said(503, "UNAVAILABLE", "No capacity available for model x"), BASE, AM, LADDER_3, 503),
    (Cause.UPSTREAM_ERROR, faults.failing(500), BASE, LAST, [0] * 4, 500),
    (Cause.UPSTREAM_ERROR, faults.failing(502), BASE, LAST, [0] * 4, 502),
    (Cause.UPSTREAM_ERROR, faults.failing(503), BASE, LAST, [0] * 4, 503),
    (Cause.UPSTREAM_ERROR, said(503, "UNAVAILABLE", **{"retry-after": "60"}), BASE, LAST, [0] * 4, 503),
    (Cause.UPSTREAM_ERROR, faults.failing(504), BASE, LAST, [0] * 4, 504),
    (Cause.UPSTREAM_ERROR, said(529, "OVERLOADED"), BASE, LAST, [0] * 4, 503),
    (Cause.UPSTREAM_ERROR, said(501, "UNIMPLEMENTED"), BASE, LAST, [0] * 4, 502),
    (Cause.INTERRUPTED, said(408, "X"), BASE, LAST, [0] * 4, 503),
    (Cause.INTERRUPTED, said(499, "CANCELLED"), BASE, LAST, [0] * 4, 503),
    (Cause.BROKEN, Fault(302, b"", (("location", "http://elsewhere/"),)), BASE, LAST, [0] * 4, 502),
    (Cause.UNAUTHENTICATED, faults.unauthenticated(), REFRESH, A, [300] * 4, 503),
    (Cause.NEEDS_VALIDATION, faults.verification_needed(), NEXT, A, [600] * 4, 503),
    (Cause.BARRED, faults.barred(), NEXT, BARRED, [0] * 4, 503),
    (Cause.BARRED, said(403, "PERMISSION_DENIED", "This violates the Terms of Service"), NEXT, BARRED, [0] * 4, 503),
    (Cause.SCOPE_MISSING, faults.scope_missing(), NEXT, BARRED, [0] * 4, 503),
    (Cause.WRONG_PROJECT, faults.project_disabled("p"), PROJECT, A, [600] * 4, 503),
    (Cause.WRONG_PROJECT, said(403, "PERMISSION_DENIED", "You need a Code Assist license"), PROJECT, A, [600] * 4, 503),
    (Cause.WRONG_PROJECT, said(403, "PERMISSION_DENIED", "… (#3501)"), PROJECT, A, [600] * 4, 503),
    (
        Cause.WRONG_PROJECT,
        said(403, "PERMISSION_DENIED", "Permission 'x' denied on resource project p"),
        PROJECT,
        A,
        [600] * 4,
        503,
    ),
    (
        Cause.WRONG_PROJECT,
        said(400, "INVALID_ARGUMENT", "Invalid project resource name projects/p"),
        PROJECT,
        A,
        [600] * 4,
        503,
    ),
    (Cause.WRONG_PROJECT, said(404, "NOT_FOUND", "Resource projects/p could not be found"), PROJECT, A, [600] * 4, 503),
    (Cause.FORBIDDEN, faults.forbidden(), NEXT, A, [600] * 4, 403),
    (Cause.NO_SUCH_MODEL, faults.not_found(), BASE, AM, [600] * 4, 404),
    (Cause.BAD_SIGNATURE, faults.refused("Corrupted thought_signature."), REPAIR, NOTHING, [0] * 4, 400),
    (
        Cause.BAD_LOCATION,
        faults.refused("User location is not supported", "FAILED_PRECONDITION"),
        EGRESS,
        NOTHING,
        [600] * 4,
        400,
    ),
    (
        Cause.CONTEXT_OVERFLOW,
        faults.refused("The input token count (9) exceeds the maximum number of tokens"),
        STOP,
        NOTHING,
        [0] * 4,
        400,
    ),
    (Cause.BAD_REQUEST, faults.refused('Unknown name "x"'), REPAIR, NOTHING, [0] * 4, 400),
    (Cause.BAD_REQUEST, said(409, "ABORTED"), STOP, NOTHING, [0] * 4, 400),
    (Cause.BAD_REQUEST, said(418, "UNKNOWN"), STOP, NOTHING, [0] * 4, 400),
    (Cause.BROKEN, Fault(402, b"<html>pay</html>"), BASE, LAST, [0] * 4, 502),
    (Cause.BROKEN, Fault(407, b""), BASE, LAST, [0] * 4, 502),
    (Cause.BROKEN, Fault(451, b'{"error":"blocked by the filter"}'), BASE, LAST, [0] * 4, 502),
    (Cause.TOO_LARGE, said(413, "X"), STOP, NOTHING, [0] * 4, 413),
]


def judged(fault: Fault, http_status: int | None = None) -> Verdict:
    retry_after = dict(fault.headers).get("retry-after")
    status = fault.status if http_status is None else http_status
    return judge(failure.read(fault.body, 0.0, http_status=status, retry_after=retry_after))


def what(found: Verdict) -> tuple[Cause, Step, Scope, list[float], int]:
    lengths = [policy.cooldown_length(found, strikes, 0.0, Rules()) for strikes in range(4)]
    return found.cause, found.step, found.scope, lengths, found.error.status


@pytest.mark.parametrize(("cause", "fault", "step", "scope", "lengths", "status"), SHAPES)
def test_each_shape_has_its_cause(
    cause: Cause, fault: Fault, step: Step, scope: Scope, lengths: list[float], status: int
) -> None:
    assert what(judged(fault)) == (cause, step, scope, lengths, status)


@pytest.mark.parametrize(
    ("cause", "fault", "step", "scope", "lengths", "status"),
    [line for line in SHAPES if line[1].status >= 400 and b'"status"' in line[1].body and not line[1].headers],
)
def test_inside_a_stream_wrapped_in_an_array_or_in_a_message_it_is_the_same(
    cause: Cause, fault: Fault, step: Step, scope: Scope, lengths: list[float], status: int
) -> None:
    expected = (cause, step, scope, lengths, status)
    wrapped = json.dumps({"error": {"code": fault.status, "message": fault.body.decode(), "status": "UNKNOWN"}})
    assert what(judged(fault, http_status=200)) == expected
    assert what(judged(Fault(fault.status, b"[" + fault.body + b"]"))) == expected
    assert what(judged(Fault(fault.status, wrapped.encode()))) == expected


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (Cause.UNREACHABLE, (BASE, NOTHING, 502)),
        (Cause.NO_WAY_OUT, (EGRESS, LAST, 502)),
        (Cause.BROKEN, (BASE, LAST, 502)),
        (Cause.SILENT, (BASE, LAST, 504)),
        (Cause.TOKEN_REFUSED, (REFRESH, NOTHING, 503)),
        (Cause.NO_TOKEN, (NEXT, NOTHING, 503)),
        (Cause.EMPTY, (BASE, LAST, 502)),
        (Cause.CUT_OFF, (BASE, NOTHING, 502)),
        (Cause.MODEL_FAILED, (BASE, NOTHING, 502)),
        (Cause.REFUSED_REQUEST, (Step.OTHER_ACCOUNT, NOTHING, 400)),
        (Cause.REFUSED_CLIENT, (Step.OTHER_ACCOUNT, NOTHING, 503)),
    ],
)
def test_what_has_no_error_body_has_a_verdict_too(cause: Cause, expected: tuple[Step, Scope, int]) -> None:
    found = WITHOUT_BODY[cause]
    assert (found.cause, found.step, found.scope, found.error.status) == (cause, *expected)


EVERY = (*(row.verdict for row in TABLE), *WITHOUT_BODY.values())
TEMPORARY = {
    Cause.QUOTA,
    Cause.RATE_LIMIT,
    Cause.NO_CREDITS,
    Cause.EXHAUSTED,
    Cause.NO_CAPACITY,
    Cause.UPSTREAM_ERROR,
    Cause.MODEL_FAILED,
    Cause.INTERRUPTED,
    Cause.UNREACHABLE,
    Cause.NO_WAY_OUT,
    Cause.BROKEN,
    Cause.SILENT,
}
LIMITS = {Cause.QUOTA, Cause.RATE_LIMIT, Cause.NO_CREDITS, Cause.EXHAUSTED, Cause.NO_CAPACITY}
SIGN_IN = {Cause.UNAUTHENTICATED, Cause.TOKEN_REFUSED, Cause.NO_TOKEN}


@pytest.mark.parametrize(
    ("field", "causes"),
    [
        ("is_temporary", TEMPORARY),
        ("takes_stated_delay", LIMITS),
        ("takes_app_backoff", {Cause.QUOTA, Cause.EXHAUSTED}),
        ("uses_quota", {Cause.QUOTA}),
        ("about_capacity", {Cause.NO_CAPACITY}),
        ("about_host", {Cause.UNREACHABLE, Cause.BROKEN, Cause.SILENT}),
        ("about_egress", {Cause.NO_WAY_OUT}),
        ("never_sent", {Cause.UNREACHABLE}),
        (
            "blames_account",
            {*SIGN_IN, Cause.NEEDS_VALIDATION, Cause.BARRED, Cause.SCOPE_MISSING, Cause.WRONG_PROJECT, Cause.FORBIDDEN},
        ),
        ("needs_owner", {Cause.NEEDS_VALIDATION, Cause.BARRED, Cause.SCOPE_MISSING}),
        (
            "callers_fault",
            {Cause.BAD_SIGNATURE, Cause.BAD_LOCATION, Cause.CONTEXT_OVERFLOW, Cause.BAD_REQUEST},
        ),
        ("about_signature", {Cause.BAD_SIGNATURE}),
        ("model_missing", {Cause.NO_SUCH_MODEL}),
        ("narrows_to_model", {Cause.FORBIDDEN}),
    ],
)
def test_which_causes_have_a_field(field: str, causes: set[Cause]) -> None:
    assert {found.cause for found in EVERY if getattr(found, field)} == causes
    assert {found.cause for found in EVERY if not getattr(found, field)} == {each.cause for each in EVERY} - causes


def test_each_cause_has_a_row_and_words() -> None:
    assert {found.cause for found in EVERY} == set(Cause) - OF_OFFICIAL_UPSTREAMS
    for found in EVERY:
        assert found.operator_words
        assert found.client_words.endswith(".")
        assert found.cause.value == found.cause.name.lower()


def test_each_cause_is_documented() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", CAUSES.read_text(), re.M)
    assert rows == [cause.value for cause in Cause]


@pytest.mark.parametrize("status", [100, 302, 399, 418, 599, 600, 999])
def test_the_table_takes_every_status(status: int) -> None:
    assert judge(Failure(status)).cause in {Cause.BROKEN, Cause.BAD_REQUEST, Cause.UPSTREAM_ERROR}


def test_a_table_without_a_row_for_a_failure_is_incomplete() -> None:
    row = Row({429}, lambda f: False, WITHOUT_BODY[Cause.EMPTY])
    for status in (429, 500):
        with pytest.raises(LookupError):
            verdict.judge((row,), Failure(status))


def test_a_model_that_upstream_names_is_cooled_besides_the_one_sent() -> None:
    found = judged(faults.quota_exhausted(60, model="named"))
    assert policy.cooldown_keys(found, "sent") == ("sent", "named")
    assert found.source == "quotaResetTimeStamp"


def test_a_refusal_that_names_the_model_is_about_the_model() -> None:
    found = judged(faults.forbidden())
    for message, scope in (("no access to m-1", AM), ("no access", A)):
        assert found.applied(Failure(403, message=message), "m-1", own_egress=False).scope is scope
    assert found.applied(None, "m-1", own_egress=False) is found


def test_a_location_is_the_accounts_matter_only_with_a_way_out_of_its_own() -> None:
    found = judged(faults.refused("User location is not supported", "FAILED_PRECONDITION"))
    own = found.applied(None, "m", own_egress=True)
    assert (own.cause, own.scope, own.ladder) == (Cause.BAD_LOCATION, A, (600.0,))
    assert found.applied(None, "m", own_egress=False).scope is NOTHING


def test_a_host_that_only_the_accounts_own_proxy_cannot_reach_is_not_at_fault() -> None:
    found = WITHOUT_BODY[Cause.UNREACHABLE]
    assert found.applied(None, "m", own_egress=True) is WITHOUT_BODY[Cause.NO_WAY_OUT]
    assert found.applied(None, "m", own_egress=False) is found


#: what boxes on the way answer, and Google with its own form only
ON_THE_WAY = sorted({*range(402, 500)} - {403, 404, 408, 413, 429, 499})


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"error":"x"}', b'{"error":{"message":"x"}}', b"[]", b"\xff"])
def test_who_answers_in_googles_place_is_no_fault_of_the_request(body: bytes) -> None:
    for status in ON_THE_WAY:
        found = judged(Fault(status, body))
        assert (found.cause, found.step, found.error.status, found.callers_fault) == (Cause.BROKEN, BASE, 502, False)
        assert judged(said(status, "ABORTED")).callers_fault


@pytest.mark.parametrize(
    ("fault", "is_one"),
    [
        (faults.bare_limit(), True),
        (limited("Anything at all"), True),
        (limited("Please retry in 12.3s"), False),
        (limited("x", **{"retry-after": "3"}), False),
        (limited("x", BURST), False),
        (limited("x", faults.quota_failure("PerMinute")), False),
        (Fault(429, b"<html>no</html>"), False),
        (Fault(429, b'{"error":"slow down"}'), False),
        (faults.no_capacity(429), False),
    ],
)
def test_only_a_bare_limit_may_be_a_refusal_of_the_request(fault: Fault, is_one: bool) -> None:
    found = judged(fault).with_quota_left
    assert (found is WITHOUT_BODY[Cause.REFUSED_REQUEST]) is is_one


@pytest.mark.parametrize(
    ("fault", "is_one"),
    [
        (faults.forbidden(), True),
        (said(403, "PERMISSION_DENIED", "No access to that model"), False),
        (faults.verification_needed(), False),
        (faults.barred(), False),
        (faults.project_disabled("p"), False),
        (Fault(403, b"<html>blocked</html>"), False),
    ],
)
def test_only_a_bare_403_may_be_a_refusal_of_this_program(fault: Fault, is_one: bool) -> None:
    assert (judged(fault).from_all is WITHOUT_BODY[Cause.REFUSED_CLIENT]) is is_one
