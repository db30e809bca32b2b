"""The whole decision table of upstream.md 6.3: what each error means, how long it lasts, what is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.codeassist import verdict
from antigravity_proxy.codeassist.verdict import Scope, Step
from antigravity_proxy.generatecontent import failure
from antigravity_proxy.generatecontent.failure import Failure
from antigravity_proxy.simulator import faults
from antigravity_proxy.simulator.faults import Fault

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


def said(status: int, name: str, message: str = "x", **headers: str) -> Fault:
    return Fault(status, faults.error(status, name, message), tuple(headers.items()))


def limited(message: str, *details: dict[str, Any], **headers: str) -> Fault:
    return Fault(429, faults.error(429, "RESOURCE_EXHAUSTED", message, *details), tuple(headers.items()))


BURST = faults.info("RATE_LIMIT_EXCEEDED")
TABLE: list[tuple[int, Fault, Step, Scope, list[float], int]] = [
    # row, shape, next step, scope, seconds by consecutive failures, client's status
    (1, faults.quota_exhausted(7200), NEXT, AM, [7200] * 4, 429),
    (1, faults.quota_exhausted_for("13h19m1.2s"), NEXT, AM, [47942] * 4, 429),
    (1, limited("x", faults.info("QUOTA_EXHAUSTED")), NEXT, AM, LADDER_1, 429),
    (1, limited("reset after 1h2m3s.", faults.info("QUOTA_EXHAUSTED")), NEXT, AM, [3723] * 4, 429),
    (1, limited("x", faults.info("QUOTA_EXHAUSTED", quotaResetDelay="400h")), NEXT, AM, [8 * DAY] * 4, 429),
    (1, limited("x", faults.info("QUOTA_EXHAUSTED", quotaResetDelay="soon")), NEXT, AM, LADDER_1, 429),
    (1, faults.limited_per("Day"), NEXT, AM, LADDER_1, 429),
    (1, limited("x", faults.quota_failure("DailyRequests")), NEXT, AM, LADDER_1, 429),
    (1, faults.rate_limited(301), NEXT, AM, [301] * 4, 429),
    (2, faults.rate_limited(300), NEXT, AM, [300] * 4, 429),
    (2, faults.rate_limited(0.479417207), NEXT, AM, [1] * 4, 429),
    (2, faults.rate_limited(0), NEXT, AM, [1] * 4, 429),
    (2, limited("x", BURST), NEXT, AM, [10] * 4, 429),
    (2, limited("x", BURST, **{"retry-after": "7"}), NEXT, AM, [7] * 4, 429),
    (2, limited("x", BURST, **{"retry-after": "Thu, 01 Jan 1970 00:02:00 GMT"}), NEXT, AM, [120] * 4, 429),
    (2, limited("Please retry in 12.3s", BURST), NEXT, AM, [13] * 4, 429),
    (2, faults.limited_per("Minute"), NEXT, AM, [60] * 4, 429),
    (3, faults.no_capacity(429), BASE, AM, LADDER_3, 503),
    (4, faults.no_credits(), NEXT, AM, [HOUR] * 4, 429),
    (5, faults.bare_limit(), NEXT, AM, LADDER_5, 429),
    (5, Fault(429, b"<html>no</html>"), NEXT, AM, LADDER_5, 429),
    (5, Fault(429, b""), NEXT, AM, LADDER_5, 429),
    (5, Fault(429, b'{"error":"slow down"}', (("retry-after", "3"),)), NEXT, AM, [3] * 4, 429),
    (6, faults.no_capacity(503), BASE, AM, LADDER_3, 503),
    (6, said(503, "UNAVAILABLE", "No capacity available for model x"), BASE, AM, LADDER_3, 503),
    (7, faults.failing(500), BASE, LAST, [0] * 4, 500),
    (7, faults.failing(502), BASE, LAST, [0] * 4, 502),
    (7, faults.failing(503), BASE, LAST, [0] * 4, 503),
    (7, said(503, "UNAVAILABLE", **{"retry-after": "60"}), BASE, LAST, [0] * 4, 503),
    (7, faults.failing(504), BASE, LAST, [0] * 4, 504),
    (7, said(529, "OVERLOADED"), BASE, LAST, [0] * 4, 503),
    (7, said(501, "UNIMPLEMENTED"), BASE, LAST, [0] * 4, 502),
    (8, said(408, "X"), BASE, LAST, [0] * 4, 503),
    (8, said(499, "CANCELLED"), BASE, LAST, [0] * 4, 503),
    (9, Fault(302, b"", (("location", "http://elsewhere/"),)), BASE, LAST, [0] * 4, 502),
    (10, faults.unauthenticated(), REFRESH, A, [300] * 4, 503),
    (11, faults.verification_needed(), NEXT, A, [600] * 4, 503),
    (12, faults.barred(), NEXT, BARRED, [0] * 4, 503),
    (12, said(403, "PERMISSION_DENIED", "This violates the Terms of Service"), NEXT, BARRED, [0] * 4, 503),
    (13, faults.project_disabled("p"), PROJECT, A, [600] * 4, 503),
    (13, said(403, "PERMISSION_DENIED", "You need a Code Assist license"), PROJECT, A, [600] * 4, 503),
    (13, said(403, "PERMISSION_DENIED", "… (#3501)"), PROJECT, A, [600] * 4, 503),
    (13, said(403, "PERMISSION_DENIED", "Permission 'x' denied on resource project p"), PROJECT, A, [600] * 4, 503),
    (14, said(400, "INVALID_ARGUMENT", "Invalid project resource name projects/p"), PROJECT, A, [600] * 4, 503),
    (14, said(404, "NOT_FOUND", "Resource projects/p could not be found"), PROJECT, A, [600] * 4, 503),
    (15, faults.forbidden(), NEXT, A, [600] * 4, 403),
    (16, faults.not_found(), BASE, AM, [600] * 4, 404),
    (17, faults.refused("Corrupted thought_signature."), REPAIR, NOTHING, [0] * 4, 400),
    (18, faults.refused("User location is not supported", "FAILED_PRECONDITION"), EGRESS, A, [600] * 4, 400),
    (19, faults.refused("The input token count (9) exceeds the maximum number of tokens"), STOP, NOTHING, [0] * 4, 400),
    (20, faults.refused('Unknown name "x"'), REPAIR, NOTHING, [0] * 4, 400),
    (20, said(409, "ABORTED"), STOP, NOTHING, [0] * 4, 400),
    (21, said(413, "X"), STOP, NOTHING, [0] * 4, 413),
]


def judged(fault: Fault, http_status: int | None = None) -> verdict.Verdict:
    retry_after = dict(fault.headers).get("retry-after")
    status = fault.status if http_status is None else http_status
    return verdict.judge(failure.read(fault.body, 0.0, http_status=status, retry_after=retry_after))


def what(found: verdict.Verdict) -> tuple[int, Step, Scope, list[float], int]:
    lengths = [policy.cooldown_length(found, strikes, 0.0, Rules()) for strikes in range(4)]
    return found.row, found.step, found.scope, lengths, found.error.status


@pytest.mark.parametrize(("row", "fault", "step", "scope", "lengths", "status"), TABLE)
def test_each_shape_has_its_row(
    row: int, fault: Fault, step: Step, scope: Scope, lengths: list[float], status: int
) -> None:
    assert what(judged(fault)) == (row, step, scope, lengths, status)


@pytest.mark.parametrize(
    ("row", "fault", "step", "scope", "lengths", "status"),
    [line for line in TABLE if line[1].status >= 400 and b'"status"' in line[1].body and not line[1].headers],
)
def test_inside_a_stream_wrapped_in_an_array_or_in_a_message_it_is_the_same(
    row: int, fault: Fault, step: Step, scope: Scope, lengths: list[float], status: int
) -> None:
    expected = (row, step, scope, lengths, status)
    wrapped = json.dumps({"error": {"code": fault.status, "message": fault.body.decode(), "status": "UNKNOWN"}})
    assert what(judged(fault, http_status=200)) == expected  # row 22
    assert what(judged(Fault(fault.status, b"[" + fault.body + b"]"))) == expected
    assert what(judged(Fault(fault.status, wrapped.encode()))) == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (verdict.UNREACHABLE, (9, BASE, NOTHING, 502)),
        (verdict.BROKEN, (9, BASE, LAST, 502)),
        (verdict.SILENT, (9, BASE, LAST, 504)),
        (verdict.TOKEN_REFUSED, (10, REFRESH, NOTHING, 503)),
        (verdict.NO_TOKEN, (10, NEXT, NOTHING, 503)),
        (verdict.EMPTY, (23, BASE, LAST, 502)),
        (verdict.CUT_OFF, (24, BASE, NOTHING, 502)),
        (verdict.MODEL_FAILED, (7, BASE, NOTHING, 502)),
    ],
)
def test_what_is_no_error_body_has_a_row_too(found: verdict.Verdict, expected: tuple[int, Step, Scope, int]) -> None:
    assert (found.row, found.step, found.scope, found.error.status) == expected


def test_a_model_that_upstream_names_is_cooled_besides_the_one_sent() -> None:
    found = judged(faults.quota_exhausted(60, model="named"))
    assert policy.cooldown_keys(found, "sent") == ("sent", "named")
    assert found.source == "quotaResetTimeStamp"


def test_a_refusal_that_names_the_model_is_about_the_model() -> None:
    found = judged(faults.forbidden())
    for message, scope in (("no access to m-1", AM), ("no access", A)):
        assert verdict.for_request(found, Failure(403, message=message), "m-1", own_egress=False).scope is scope
    assert verdict.for_request(found, None, "m-1", own_egress=False) is found


def test_a_location_is_the_accounts_matter_only_with_a_way_out_of_its_own() -> None:
    found = judged(faults.refused("User location is not supported", "FAILED_PRECONDITION"))
    assert verdict.for_request(found, None, "m", own_egress=True).scope is A
    assert verdict.for_request(found, None, "m", own_egress=False).scope is NOTHING
