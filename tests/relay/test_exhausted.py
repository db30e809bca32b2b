"""What the client is told when nothing is left, from the facts alone; which facts arise is in test_failover_steps."""

from __future__ import annotations

import pytest
from support.judging import judge

from antigravity_proxy import errors
from antigravity_proxy.accounts.state import Shortage
from antigravity_proxy.canonical.verdict import Cause, Failure, Verdict
from antigravity_proxy.codeassist.decision_table import WITHOUT_BODY
from antigravity_proxy.relay.exhausted import for_client, no_account, nothing_left

NOW = 1_000_000.0
COOLING, NONE, FREE = (Shortage(is_busy=False, free_in=each, accounts=2) for each in (3700.2, None, 0.0))
QUOTA, FORBIDDEN, SIGN_IN = judge(Failure(429)), judge(Failure(403)), judge(Failure(401))
CAPACITY = judge(Failure(503, reason="MODEL_CAPACITY_EXHAUSTED"))


def left(last: Verdict, *before: Verdict, lack: Shortage = NONE, said: Failure | None = None) -> errors.ProxyError:
    return nothing_left(last, said, [*before, last], "m", lack, NOW)


def test_the_first_that_is_free_again_is_named() -> None:
    found = no_account("m", COOLING, NOW)
    assert isinstance(found, errors.RateLimited)
    assert found.retry_after == 3701
    assert "at 1970-01-12T14:48:21Z (in 1 h 1 m)" in found.message


@pytest.mark.parametrize(("seconds", "words"), [(0.5, "(in 1 s)"), (59, "(in 59 s)"), (61, "(in 1 m 1 s)")])
def test_how_long_in_words(seconds: float, words: str) -> None:
    assert words in no_account("m", Shortage(is_busy=False, free_in=seconds, accounts=1), NOW).message


@pytest.mark.parametrize(
    ("lack", "retry_after", "words"),
    [
        (Shortage(is_busy=True, free_in=9.0, accounts=1), 1, "All accounts are busy with m."),
        (NONE, None, "No account is usable for m"),
        (Shortage(is_busy=False, free_in=None, accounts=0), None, "No account can be read"),
    ],
)
def test_where_no_time_is_known(lack: Shortage, retry_after: int | None, words: str) -> None:
    found = no_account("m", lack, NOW)
    assert (type(found), found.retry_after) == (errors.Unavailable, retry_after)
    assert found.message.startswith(words)


def test_the_callers_fault_is_told_in_upstreams_words() -> None:
    said = Failure(400, status="INVALID_ARGUMENT", message="bad a@example.com")
    found = left(judge(said), said=said)
    assert (type(found), found.message, found.upstream_status) == (
        errors.BadRequest,
        "bad [removed]",
        "INVALID_ARGUMENT",
    )
    silent = left(judge(Failure(400)), said=Failure(400))
    assert (silent.message, silent.upstream_status) == ("Upstream refused the request.", None)
    assert left(judge(Failure(400))).message == "Upstream refused the request."


def test_a_limit_says_when_to_come_again() -> None:
    assert left(QUOTA, lack=COOLING).retry_after == 3701
    assert left(QUOTA, lack=FREE).retry_after == 1
    assert isinstance(left(QUOTA, lack=NONE), errors.Unavailable)


def test_no_capacity_is_no_limit_but_says_when_too() -> None:
    found = left(CAPACITY, lack=COOLING)
    assert (type(found), found.retry_after) == (errors.UpstreamOverloaded, 3701)


def test_an_accounts_own_trouble_after_a_limit_is_a_limit() -> None:
    assert isinstance(left(SIGN_IN, QUOTA, lack=COOLING), errors.RateLimited)
    assert isinstance(left(SIGN_IN, QUOTA, lack=NONE), errors.Unavailable)
    assert isinstance(left(SIGN_IN, lack=COOLING), errors.Unavailable)


def test_forbidden_is_told_only_where_every_account_says_so() -> None:
    assert isinstance(left(FORBIDDEN, FORBIDDEN), errors.Forbidden)
    assert isinstance(left(FORBIDDEN, SIGN_IN), errors.Unavailable)


def test_any_other_failure_is_told_as_its_row_says() -> None:
    found = left(WITHOUT_BODY[Cause.SILENT])
    assert (type(found), found.message) == (errors.UpstreamTimeout, "The upstream service did not answer.")


def test_what_identifies_people_is_removed_for_clients() -> None:
    text = for_client("user a.b+c@example.com in projects/secret-1 with ya29.abc-def and 1//0gxyz")
    assert text == "user [removed] in [removed] with [removed] and [removed]"
    text = for_client("at https://x/?key=abc&y=1 with AIzaSyA-1_2 as Bearer abc.def")
    assert text == "at https://x/?key=[removed]&y=1 with [removed] as Bearer [removed]"
    assert for_client("") == ""
