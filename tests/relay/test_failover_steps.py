"""What follows which failure, on a clock: waits, mended accounts, other ways out, and what the client is told."""

from __future__ import annotations

from typing import Any

import pytest
from support.accounts import account
from support.judging import judge
from support.relayed import REFRESH_SECONDS, Request, Surroundings

from antigravity_proxy import errors
from antigravity_proxy.accounts.replication import session_key
from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.accounts.waiting import QUEUE_SECONDS
from antigravity_proxy.canonical.credential import Credential
from antigravity_proxy.canonical.verdict import Cause, Failure, Verdict
from antigravity_proxy.codeassist.decision_table import WITHOUT_BODY
from antigravity_proxy.relay.context import ClientGone
from antigravity_proxy.secret import Secret

BURST = Failure(429, reason="RATE_LIMIT_EXCEEDED", delay=1.2)
LONG = Failure(429, reason="RATE_LIMIT_EXCEEDED", delay=30.0)
QUOTA = Failure(429, reason="QUOTA_EXHAUSTED", delay=3600.0)
CAPACITY = Failure(503, reason="MODEL_CAPACITY_EXHAUSTED")
PROJECT = Failure(403, reason="SERVICE_DISABLED")
ELSEWHERE = Failure(400, status="FAILED_PRECONDITION", message="User location is not supported")
REFUSED = Failure(401)
BROKEN, SILENT, UNREACHABLE = (WITHOUT_BODY[cause] for cause in (Cause.BROKEN, Cause.SILENT, Cause.UNREACHABLE))


def told(request: Request) -> tuple[type[Any], int | None]:
    """What the client is told: the kind of error, and when to come again."""
    assert len(request.done) == 1
    error = request.done[0]
    return type(error), error.retry_after


def test_a_quota_is_looked_for_on_every_account_each_once() -> None:
    around = Surroundings("a", "b", "c")
    request = Request(around)
    for _ in range(3):
        request.end(QUOTA)
    assert request.accounts == ["a", "b", "c"]
    assert told(request) == (errors.RateLimited, 3600)
    assert told(Request(around)) == (errors.RateLimited, 3600)


def test_a_burst_is_waited_for_once_and_not_before_it_is_over() -> None:
    around = Surroundings("a")
    request = Request(around).end(BURST)
    around.clock.advance(1.9)
    assert request.accounts == ["a"]
    around.clock.advance(0.2)
    assert request.accounts == ["a", "a"]
    request.end(BURST)
    assert told(request) == (errors.RateLimited, 2)


def test_who_comes_while_all_cool_for_a_moment_waits_too() -> None:
    around = Surroundings("a")
    Request(around).end(BURST).cancel()
    second = Request(around)
    assert second.accounts == []
    around.clock.advance(2.01)
    assert second.accounts == ["a"]
    second.end()
    assert second.done == ["answered"]


def test_an_untried_account_that_is_free_first_is_waited_for() -> None:
    around = Surroundings("a", "b")
    Request(around).end(BURST).end(BURST).cancel()
    around.clock.advance(3)
    request = Request(around).end(Failure(429, reason="RATE_LIMIT_EXCEEDED", delay=2))
    other = Request(around, model="other")
    request.end(BURST)
    around.clock.advance(2.01)
    assert len(request.accounts) == 3
    for each in (request, other):
        each.end()


def test_only_cache_first_waits_for_long() -> None:
    patient = Surroundings("a", rules=Rules(mode="cache-first", max_wait=40.0))
    request = Request(patient).end(LONG)
    patient.clock.advance(30.01)
    assert request.accounts == ["a", "a"]
    assert told(Request(Surroundings("a")).end(LONG)) == (errors.RateLimited, 30)
    hurried = Surroundings("a", rules=Rules(mode="cache-first", max_wait=20.0))
    assert told(Request(hurried).end(LONG)) == (errors.RateLimited, 30)


def test_no_wait_goes_past_the_minute_in_which_attempts_may_start() -> None:
    around = Surroundings("a", rules=Rules(mode="cache-first", max_wait=300.0))
    request = Request(around)
    around.clock.advance(40)
    request.end(LONG)
    assert told(request) == (errors.RateLimited, 30)


def test_no_attempt_starts_after_a_minute_whoever_is_free() -> None:
    around = Surroundings("a", "b")
    request = Request(around)
    around.clock.advance(61)
    request.end(LONG)
    assert request.accounts == ["a"]
    assert told(request) == (errors.RateLimited, 1)
    assert "m; another is free in 1 s" in request.done[0].message


def test_busy_accounts_are_waited_for_and_then_503_says_a_second() -> None:
    around = Surroundings("a", rules=Rules(max_leases=1))
    first, second, third = Request(around), Request(around), Request(around)
    first.end()
    assert second.accounts == ["a"]
    around.clock.advance(QUEUE_SECONDS)
    assert told(third) == (errors.Unavailable, 1)
    second.end()
    assert around.state("a").in_flight == 0


def test_a_client_that_leaves_the_line_or_a_wait_takes_nothing_along() -> None:
    around = Surroundings("a", rules=Rules(max_leases=1))
    first, second, third = Request(around), Request(around), Request(around)
    second.cancel()
    first.end()
    assert third.accounts == ["a"]
    third.end(BURST).cancel()
    around.clock.advance(10)
    assert len(third.accounts) == 1
    assert around.state("a").in_flight == 0


def test_a_client_that_left_in_a_pause_is_not_served() -> None:
    around = Surroundings("a")
    request = Request(around).end(Failure(500))
    request.client.gone = True
    around.clock.advance(1)
    assert isinstance(request.done[0], ClientGone)
    assert request.accounts == ["a"]


def test_trouble_goes_to_the_next_base_and_the_next_account_and_back_only_then() -> None:
    around = Surroundings("a", "b")
    request = Request(around)
    for seconds in (0.6, 0.6):
        request.end(Failure(500))
        around.clock.advance(seconds)
    assert request.accounts == ["a", "b", "a"]
    assert request.bases == [b"http://one", b"http://two", b"http://one"]
    request.end(Failure(500))
    assert told(request) == (errors.UpstreamFailed, None)


def test_a_host_that_can_not_be_reached_is_passed_over_by_the_same_account() -> None:
    around = Surroundings("a", "b")
    request = Request(around).end(UNREACHABLE)
    assert (request.accounts, request.bases) == (["a", "a"], [b"http://one", b"http://two"])
    assert Request(around).bases == [b"http://two"]
    around.clock.advance(60)
    assert Request(around).bases == [b"http://one"]


@pytest.mark.parametrize("trouble", [BROKEN, SILENT])
def test_a_host_that_breaks_off_or_is_silent_comes_last_for_a_while(trouble: Verdict) -> None:
    around = Surroundings("a", "b")
    request = Request(around).end(trouble)
    around.clock.advance(1)
    assert request.end().bases == [b"http://one", b"http://two"]
    assert Request(around).bases == [b"http://two"]


def test_a_client_that_leaves_is_no_failure_of_the_host() -> None:
    around = Surroundings("a", "b")
    request = Request(around)
    request.client.gone = True
    request.end(BROKEN)
    assert isinstance(request.done[0], ClientGone)
    assert Request(around).bases == [b"http://one"]


def test_no_host_at_all_is_tried_three_times_by_turns() -> None:
    request = Request(Surroundings("a"))
    for _ in range(3):
        request.end(UNREACHABLE)
    assert request.bases == [b"http://one", b"http://two", b"http://one"]
    assert told(request) == (errors.UpstreamBroken, None)


def through(name: str, url: str) -> Credential:
    """An account with an egress proxy of its own."""
    return account(name, egress=Secret(url))


def test_an_accounts_own_dead_proxy_is_neither_the_hosts_fault_nor_that_of_the_others() -> None:
    around = Surroundings(through("a", "http://dead"), through("b", "http://dead"), through("c", "socks5://dead"), "d")
    request = Request(around)
    request.end(UNREACHABLE)
    request.end(UNREACHABLE).end()
    assert request.accounts == ["a", "c", "d"]
    assert set(request.bases) == {b"http://one"}
    under_way = Request(around)  # kept: one that nobody holds is given up at any moment
    assert under_way.accounts == ["b"]
    around.clock.advance(59)
    assert Request(around).accounts == ["d"]
    assert around.state("a").last_until > around.clock.seconds()


def test_with_no_other_way_out_a_dead_proxy_is_tried_again() -> None:
    around = Surroundings(through("a", "http://dead"), through("b", "http://dead"))
    request = Request(around)
    for _ in range(3):
        request.end(UNREACHABLE)
    assert request.accounts == ["a", "a", "a"]
    assert told(request) == (errors.UpstreamBroken, None)


def test_capacity_is_no_reason_to_try_every_account() -> None:
    around = Surroundings("a", "b", "c", "d")
    request = Request(around, session=session_key("s", "m"))
    for _ in range(3):
        request.end(CAPACITY)
        around.clock.advance(0.6)
    assert len(request.accounts) == 3
    assert told(request)[0] is errors.UpstreamOverloaded
    around.clock.advance(6)
    assert Request(around, session=session_key("s", "m")).accounts == ["a"]


def test_capacity_with_one_account_tells_when_to_come_again() -> None:
    request = Request(Surroundings("a")).end(CAPACITY)
    assert told(request) == (errors.UpstreamOverloaded, 5)


def test_a_refused_token_is_renewed_and_costs_the_account_nothing() -> None:
    around = Surroundings("a", "b")
    request = Request(around).end(REFUSED)
    assert request.accounts == ["a", "b"]
    request.end()
    around.clock.advance(REFRESH_SECONDS)
    assert around.refreshed == ["a"]
    assert (around.state("a").cooldowns, Request(around).accounts) == ({}, ["a"])


def test_a_second_refusal_of_a_new_token_sets_the_account_aside() -> None:
    around = Surroundings("a")
    request = Request(around).end(REFUSED)
    around.clock.advance(REFRESH_SECONDS)
    assert request.accounts == ["a", "a"]
    request.end(REFUSED)
    assert told(request)[0] is errors.Unavailable
    assert around.refreshed == ["a"]
    assert around.pool.free_in("m") == 300.0


def test_a_refresh_that_fails_ends_the_request_if_there_is_no_other_account() -> None:
    around = Surroundings("a")
    around.refusing = True
    request = Request(around).end(REFUSED)
    around.clock.advance(REFRESH_SECONDS)
    assert told(request) == (errors.Unavailable, None)


def test_a_wrong_project_is_asked_for_anew_in_the_background() -> None:
    around = Surroundings("a", "b")
    request = Request(around).end(PROJECT)
    assert request.accounts == ["a", "b"]
    assert around.projects_asked == ["a"]
    assert around.state("a").project == "another"
    assert around.pool.again(around.state("a"), "m") is None


def test_with_one_account_another_project_is_tried_then_none() -> None:
    around = Surroundings("a")
    request = Request(around).end(PROJECT)
    assert around.state("a").project == "another"
    request.end(PROJECT)
    assert around.state("a").project == ""
    assert request.accounts == ["a"] * 3
    request.end(PROJECT)
    assert told(request)[0] is errors.Unavailable


def test_a_location_is_tried_by_one_other_way_out() -> None:
    elsewhere = [account(n, egress=Secret(f"http://{n}")) for n in ("c", "d")]
    around = Surroundings("a", "b", *elsewhere)
    request = Request(around).end(ELSEWHERE)
    assert request.accounts == ["a", "c"]
    assert around.state("a").cooldowns == {}
    request.end(ELSEWHERE)
    assert told(request)[0] is errors.BadRequest
    assert around.state("c").cooldowns
    assert told(Request(Surroundings("a", "b")).end(ELSEWHERE))[0] is errors.BadRequest


def test_a_refusal_that_names_the_model_leaves_the_others_free() -> None:
    around = Surroundings("a")
    request = Request(around, model="claude-x").end(Failure(403, message="no access to claude-x"))
    assert told(request)[0] is errors.Forbidden
    assert around.pool.free_in("claude-x") == 600.0
    assert around.pool.free_in("m") == 0.0


def test_a_repaired_request_goes_to_another_account_if_its_own_was_set_aside() -> None:
    around = Surroundings("a", "b")
    mended = Request(around, repair=True)
    around.pool.penalise(around.state("a"), "m", judge(LONG))
    mended.end(Failure(400))
    assert mended.accounts == ["a", "b"]


def test_a_session_is_not_moved_by_a_request_that_goes_astray() -> None:
    around, key = Surroundings("a", "b"), session_key("s", "m")
    request = Request(around, session=key).end(Failure(500))
    around.clock.advance(0.6)
    request.end()
    assert request.accounts == ["a", "b"]
    around.clock.advance(9)
    assert Request(around, session=key).accounts == ["a"]


def test_a_session_moves_with_the_request_that_found_its_quota_used_up() -> None:
    around, key = Surroundings("a", "b", "c"), session_key("s", "m")
    Request(around, session=key).end(QUOTA).end()
    assert [Request(around, session=key).end().accounts for _ in range(2)] == [["b"], ["b"]]


@pytest.mark.parametrize("failure", [Failure(403, appeal=True), Failure(403, reason="VALIDATION_REQUIRED")])
def test_with_only_flagged_accounts_there_is_no_time_to_tell(failure: Failure) -> None:
    around = Surroundings("a")
    Request(around).end(failure)
    assert told(Request(around)) == (errors.Unavailable, None)


def test_who_stands_in_the_line_takes_an_account_that_has_ceased_to_cool() -> None:
    around = Surroundings("a", "b", rules=Rules(max_leases=1))
    first = Request(around)
    around.pool.penalise(around.state("b"), "m", judge(BURST))
    second = Request(around)
    around.clock.advance(QUEUE_SECONDS)
    assert (first.accounts, second.accounts) == (["a"], ["b"])
