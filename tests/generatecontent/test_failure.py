"""Error bodies in all their shapes become facts, and facts become the row of the decision table."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.judging import judge
from support.models import MODELS

from antigravity_proxy import errors
from antigravity_proxy.canonical.verdict import Cause, Scope, Step, Verdict
from antigravity_proxy.generatecontent import durations, failure, request
from antigravity_proxy.relay.exhausted import for_client

EXAMPLES: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data/golden/errors.json").read_text())
SCOPES = {"account": Scope.ACCOUNT, "account+model": Scope.ACCOUNT_MODEL, None: Scope.NONE}


def judged(http_status: int, *, now: float = 0.0, retry_after: str | None = None, **error: Any) -> Verdict:
    body = json.dumps({"error": {"code": http_status, **error}}).encode()
    return judge(failure.read(body, now, http_status=http_status, retry_after=retry_after))


def info(reason: str, **metadata: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "metadata": metadata}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: e["name"])
def test_every_example_finds_its_row(example: dict[str, Any]) -> None:
    said = failure.read(
        json.dumps(example["body"]).encode(),
        0.0,
        http_status=example["http_status"],
        date=example["headers"].get("date"),
    )
    found = judge(said)
    expect = example["expect"]
    assert found.cause.value == expect["cause"]
    assert found.scope is SCOPES[expect["scope"]]
    if expect["delay_s"] is not None:
        assert (found.delay or found.ladder[0]) == pytest.approx(expect["delay_s"], abs=1e-3)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("479.417207ms", 0.479417207),
        ("13h19m1.2s", 47941.2),
        ("2m0.5s", 120.5),
        ("51820.6s", 51820.6),
        ("1us", 1e-6),
        ("5ns", 5e-9),
        ("", None),
        ("5", None),
        ("5 s", None),
        ("-5s", None),
        ("5s later", None),
        (5, None),
        (None, None),
    ],
)
def test_durations_are_read_by_the_grammar(text: Any, seconds: float | None) -> None:
    assert durations.duration(text) == (None if seconds is None else pytest.approx(seconds))


def test_a_duration_may_be_an_object() -> None:
    assert durations.duration({"seconds": 3, "nanos": 500_000_000}) == 3.5
    assert durations.duration({"seconds": "12"}) == 12
    assert durations.duration({"seconds": []}) is None


@pytest.mark.parametrize(
    ("sentence", "seconds"),
    [
        ("Your quota will reset after 1h2m3s.", 3723),
        ("Please retry in 12.3s", 12.3),
        ("retry after 5 s", 5),
        ("limits reset in 2m", 120),
        ("Individual quota reached. Resets in 108h48m29s.", 391_709),
        ("Reset after 3h22m56s.", 12_176),
        ("Retry in 42.5s.", 42.5),
        ("RETRY AFTER 42 seconds", 42),
        ("Try again in 5 minutes.", 300),
        ("it resets in 1 hour, 5 minutes and 3 seconds", 3903),
        ("Please wait about 2 days", 172_800),
        ("available again in 479.417207ms", 0.479417207),
        ("retry in 20 milliseconds", 0.02),
        ("quota resets at 1970-01-01T00:01:00Z.", 60),
        ("wait 5 monkeys", None),
        ("resets at 9999-99-99T00:00:00Z", None),
        ("nothing of the kind", None),
    ],
)
def test_a_wait_is_found_in_a_sentence(sentence: str, seconds: float | None) -> None:
    assert durations.in_message(sentence) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize("text", ["nonsense", "", None, 5, "2026-13-40T00:00:00Z"])
def test_a_time_that_is_none_is_absent(text: Any) -> None:
    assert durations.timestamp(text) is None


def test_times_are_read_with_and_without_a_zone() -> None:
    assert durations.timestamp("1970-01-01T00:01:00Z") == 60
    assert durations.timestamp("1970-01-01T00:01:00") == 60


def test_retry_after_is_a_number_or_a_date() -> None:
    assert durations.retry_after("120", 0) == 120
    assert durations.retry_after("Thu, 01 Jan 1970 00:02:00 GMT", 60) == 60
    assert durations.retry_after("soon", 0) is None
    assert durations.retry_after(None, 0) is None


HOSTILE = [
    10**400, -(10**400), 1e308, float("inf"), float("nan"), True, [], {}, None, "²", "٣", "9" * 400, "9" * 5000, "nan",
    "inf", "-inf", "1e999", "0x10", "1_000", " 5 ", "", "+5s", "9" * 400 + "s", "1s" * 1000,
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999999-23:59", "1970-01-01T00:00:00+99:99", "Thu, 01 Jan 1 00:00:00 GMT", "Thu, 99 Xxx 1970",
    "\ud800", "\x00",
]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:20])
def test_a_number_of_any_kind_never_raises(value: Any) -> None:
    """Whoever can say how long to wait can say nonsense."""
    text = value if isinstance(value, str) else None
    found = [
        durations.duration(value),
        durations.duration({"seconds": value, "nanos": value}),
        durations.duration({"seconds": 1, "nanos": value}),
        durations.timestamp(value),
        durations.retry_after(text, 0.0),
        durations.http_date(text),
        durations.in_message(f"resets in {value}s, retry in {value}, again at {value}", 0.0),
    ]
    assert all(1e-9 <= durations.clamp(seconds) <= durations.MAX_SECONDS for seconds in found if seconds is not None)
    details = [{"@type": "RetryInfo", "retryDelay": value}, info("R", quotaResetDelay=value, quotaResetTimeStamp=value)]
    body = {"error": {"code": value, "message": value, "status": value, "details": details}}
    try:
        said = failure.read(json.dumps(body).encode("utf-8", "replace"), 0.0, retry_after=text)
    except ValueError:  # of json.dumps, for more digits than Python writes
        return
    assert said.delay is None or 0 < said.delay <= durations.MAX_SECONDS


def test_what_upstream_says_is_cut_before_anybody_looks_at_it() -> None:
    long = "permission " * 90_000
    details = [
        {"@type": "ErrorInfo", "reason": long, "metadata": {"model": long, "appeal_url": long}},
        *([{"@type": "QuotaFailure", "violations": [{"quotaId": "q"}] * 10_000}] * 2),
    ]
    inner = json.dumps({"error": {"message": long, "status": long, "details": details}})
    said = failure.read(json.dumps({"error": {"message": inner}}).encode(), 0.0, http_status=400)
    assert {len(text) for text in (said.message, said.status, said.reason, said.model, said.link)} == {failure.MAX_TEXT}
    assert len(said.quota_ids) <= 64


def words_of_errors() -> dict[str, Any]:
    """How what is looked for in upstream's words begins: whatever a pattern may go on from."""
    return {
        "permission": "permission ", "project": "permission a on resource ", "projects": "projects/",
        "reset": "resets in ",
        "digits": "resets in 1", "parts": "retry in 1s", "sentence": "try again in 1 hour, ", "time": "resets at 2026-",
        "letters": "a", "dots": "a.",
        "address": "a@a-", "domain": "@a-a.", "json": '{"', "list": "[", "spaces": " ",
        "resource": "Resource projects/", "terms": "terms of ", "signature": "thought_", "must": "must be ",
        "max": "exceeds the maximum number of ", "token": "ya29.", "key": "sk-", "login": "://a:",
    }  # fmt: skip


@pytest.mark.parametrize("begins", words_of_errors().values(), ids=words_of_errors().keys())
def test_upstreams_words_cost_their_size(begins: str) -> None:
    def seconds(n: int) -> float:
        text = begins * (n // len(begins))
        bodies = [json.dumps({"error": {"message": each}}).encode() for each in (text, json.dumps({"error": text}))]
        begin = time.process_time()
        for body in (*bodies, text.encode()):
            for status in (400, 403, 404, 429, 503):
                said = failure.read(body, 0.0, http_status=status)
                judge(said)
                request.quirk_for(MODELS["gemini-3-flash"], said.message)
            for_client(said.message)
        return time.process_time() - begin

    assert seconds(1_000_000) < 1.0  # 15 readings of a megabyte


def test_stated_waits_are_clamped_to_eight_days_and_at_least_a_second() -> None:
    assert durations.clamp(0) == durations.clamp(-5) == 1.0
    assert durations.clamp(1e9) == 8 * 86400
    assert durations.clamp(0.4) == 0.4


def test_the_reset_time_counts_from_the_answers_own_date() -> None:
    body = json.dumps(
        {"error": {"details": [info("QUOTA_EXHAUSTED", quotaResetTimeStamp="1970-01-01T01:00:00Z")]}}
    ).encode()
    said = failure.read(body, 999.0, http_status=429, date="Thu, 01 Jan 1970 00:30:00 GMT")
    assert (said.delay, said.delay_source) == (1800.0, "quotaResetTimeStamp")
    assert failure.read(body, 600.0, http_status=429).delay == 3000.0


@pytest.mark.parametrize(
    ("details", "retry_after", "message", "source"),
    [
        (
            [info("X", quotaResetDelay="5s"), {"@type": "…RetryInfo", "retryDelay": "7s"}],
            "9",
            "retry in 3s",
            "retryDelay",
        ),
        ([info("X", quotaResetDelay="5s")], "9", "retry in 3s", "quotaResetDelay"),
        ([], "9", "retry in 3s", "Retry-After"),
        ([], None, "retry in 3s", "message"),
        ([], None, "", ""),
    ],
)
def test_the_first_source_that_states_a_wait_is_taken(
    details: list[Any], retry_after: str | None, message: str, source: str
) -> None:
    body = json.dumps({"error": {"message": message, "details": details}}).encode()
    assert failure.read(body, 0.0, http_status=429, retry_after=retry_after).delay_source == source


@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b"\xff", b"[]", b"3", b'{"error":[]}', b"[" * 100_000])
def test_a_body_without_an_error_leaves_the_status(body: bytes) -> None:
    said = failure.read(body, 0.0, http_status=502)
    assert (said.http_status, said.message) == (502, "")


def test_an_error_may_be_a_plain_string() -> None:
    assert failure.read(b'{"error":"no such thing"}', 0.0, http_status=404).message == "no such thing"


def test_an_inner_error_without_details_keeps_the_outers() -> None:
    inner = json.dumps({"error": {"message": "inner", "status": "RESOURCE_EXHAUSTED"}})
    body = json.dumps({"error": {"message": inner, "details": [info("QUOTA_EXHAUSTED")]}}).encode()
    said = failure.read(body, 0.0, http_status=429)
    assert (said.message, said.reason) == ("inner", "QUOTA_EXHAUSTED")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"code": 503}, 503),
        ({"status": "RESOURCE_EXHAUSTED"}, 429),
        ({"code": 200}, 500),
        ({"code": "x"}, 500),
        ({}, 500),
    ],
)
def test_inside_a_stream_the_object_gives_the_status(error: dict[str, Any], status: int) -> None:
    assert failure.read(json.dumps({"error": error}).encode(), 0.0).http_status == status


def test_errors_within_errors_are_opened_three_deep() -> None:
    text = "the innermost"
    for _ in range(5):
        text = json.dumps({"error": {"message": text, "status": "RESOURCE_EXHAUSTED"}})
    said = failure.read(text.encode(), 0.0, http_status=429)
    assert json.loads(json.loads(said.message)["error"]["message"])["error"]["message"] == "the innermost"


def test_the_verification_link_is_the_accounts_own() -> None:
    help_detail = {
        "@type": "type.googleapis.com/google.rpc.Help",
        "links": [{"url": "https://support.google.com/x"}, {"url": "https://accounts.example/verify"}, "junk"],
    }
    body = json.dumps({"error": {"details": [info("VALIDATION_REQUIRED"), help_detail]}}).encode()
    assert failure.read(body, 0.0, http_status=403).link == "https://accounts.example/verify"


def test_an_appeal_link_bars_the_account() -> None:
    found = judged(403, details=[info("X", appeal_url="https://example/appeal")])
    assert (found.cause, found.scope) == (Cause.BARRED, Scope.UNTIL_CHANGED)


@given(
    st.recursive(
        st.none() | st.text(max_size=4) | st.integers(),
        lambda v: (
            st.lists(v)
            | st.dictionaries(
                st.sampled_from(
                    ["error", "code", "message", "status", "details", "@type", "metadata", "violations", "links"]
                ),
                v,
            )
        ),
    )
)
def test_reading_and_judging_never_raise(value: Any) -> None:
    for status in (200, 400, 403, 429, 503):
        judge(failure.read(json.dumps(value).encode(), 0.0, http_status=status))


TABLE = [
    (429, {"details": [info("QUOTA_EXHAUSTED")]}, Cause.QUOTA, errors.RateLimited),
    (
        429,
        {"details": [{"@type": "QuotaFailure", "violations": [{"quotaId": "RequestsPerDay"}, 3]}]},
        Cause.QUOTA,
        errors.RateLimited,
    ),
    (429, {"details": [info("RATE_LIMIT_EXCEEDED", quotaResetDelay="301s")]}, Cause.QUOTA, errors.RateLimited),
    (429, {"details": [info("RATE_LIMIT_EXCEEDED", quotaResetDelay="300s")]}, Cause.RATE_LIMIT, errors.RateLimited),
    (429, {"details": [info("MODEL_CAPACITY_EXHAUSTED")]}, Cause.NO_CAPACITY, errors.UpstreamOverloaded),
    (429, {"details": [info("INSUFFICIENT_G1_CREDITS_BALANCE")]}, Cause.NO_CREDITS, errors.RateLimited),
    (429, {}, Cause.EXHAUSTED, errors.RateLimited),
    (503, {"message": "No capacity available for model x"}, Cause.NO_CAPACITY, errors.UpstreamOverloaded),
    (500, {}, Cause.UPSTREAM_ERROR, errors.UpstreamFailed),
    (501, {}, Cause.UPSTREAM_ERROR, errors.UpstreamBroken),
    (502, {}, Cause.UPSTREAM_ERROR, errors.UpstreamBroken),
    (503, {}, Cause.UPSTREAM_ERROR, errors.UpstreamOverloaded),
    (504, {}, Cause.UPSTREAM_ERROR, errors.UpstreamTimeout),
    (529, {}, Cause.UPSTREAM_ERROR, errors.UpstreamOverloaded),
    (408, {}, Cause.INTERRUPTED, errors.UpstreamOverloaded),
    (499, {}, Cause.INTERRUPTED, errors.UpstreamOverloaded),
    (302, {}, Cause.BROKEN, errors.UpstreamBroken),
    (401, {}, Cause.UNAUTHENTICATED, errors.Unavailable),
    (403, {"details": [info("VALIDATION_REQUIRED")]}, Cause.NEEDS_VALIDATION, errors.Unavailable),
    (
        403,
        {"message": "This account has been disabled for a violation of the Terms of Service"},
        Cause.BARRED,
        errors.Unavailable,
    ),
    (403, {"message": "Gemini Code Assist license missing (#3501)"}, Cause.WRONG_PROJECT, errors.Unavailable),
    (403, {"details": [info("CONSUMER_INVALID")]}, Cause.WRONG_PROJECT, errors.Unavailable),
    (403, {"message": "Permission denied on resource project x"}, Cause.WRONG_PROJECT, errors.Unavailable),
    (400, {"message": "Invalid project resource name projects/x"}, Cause.WRONG_PROJECT, errors.Unavailable),
    (404, {"message": "Resource projects/x could not be found"}, Cause.WRONG_PROJECT, errors.Unavailable),
    (403, {"message": "no"}, Cause.FORBIDDEN, errors.Forbidden),
    (404, {"message": "Requested entity was not found."}, Cause.NO_SUCH_MODEL, errors.ModelNotFound),
    (400, {"message": "Expected `thinking`: must be 'thinking'"}, Cause.BAD_SIGNATURE, errors.BadRequest),
    (
        400,
        {"status": "FAILED_PRECONDITION", "message": "User location is not supported"},
        Cause.BAD_LOCATION,
        errors.BadRequest,
    ),
    (400, {"message": "The input token count (2000001) exceeds"}, Cause.CONTEXT_OVERFLOW, errors.ContextOverflow),
    (400, {"message": "Unknown name"}, Cause.BAD_REQUEST, errors.BadRequest),
    (409, {"status": "ABORTED"}, Cause.BAD_REQUEST, errors.BadRequest),
    (409, {}, Cause.BROKEN, errors.UpstreamBroken),
    (413, {}, Cause.TOO_LARGE, errors.BodyTooLarge),
]


@pytest.mark.parametrize(("status", "error", "cause", "told"), TABLE)
def test_each_row_of_the_table(status: int, error: dict[str, Any], cause: Cause, told: type[Exception]) -> None:
    found = judged(status, **error)
    assert (found.cause, found.error) == (cause, told)


def test_only_quota_and_capacity_rows_take_a_stated_time() -> None:
    assert judged(403, retry_after="5").delay is None
    assert judged(503, retry_after="5", message="No capacity available").delay == 5
    assert judged(429, retry_after="5").delay == 5


def test_a_word_in_the_message_never_decides_where_the_reason_does() -> None:
    found = judged(429, message="No capacity available; terms of service", details=[info("QUOTA_EXHAUSTED", model="m")])
    assert (found.cause, found.model, found.step) == (Cause.QUOTA, "m", Step.NEXT_ACCOUNT)
