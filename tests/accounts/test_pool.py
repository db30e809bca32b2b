"""Leases on a clock: taken, given back, set aside."""

from __future__ import annotations

from typing import Any

from support.accounts import account
from twisted.internet.task import Clock

from antigravity_proxy import errors
from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.codeassist import verdict
from antigravity_proxy.codeassist.failure import Failure
from antigravity_proxy.secret import Secret


def pool(*names: str, **fields: Any) -> tuple[Pool, Clock]:
    clock = Clock()
    made = Pool(clock, lambda: 1_000_000.0 + clock.seconds(), lambda: 0.0)
    made.update([account(name, **fields) for name in names])
    return made, clock


def limited(seconds: float) -> verdict.Verdict:
    return verdict.judge(Failure(429, reason="RATE_LIMIT_EXCEEDED", delay=seconds))


def test_leases_go_round() -> None:
    made, clock = pool("a", "b", "c")
    leased = []
    for _ in range(6):
        clock.advance(1)
        lease = made.lease("m")
        assert lease is not None
        leased.append(lease.state.account.id)
        lease.release()
    assert leased == ["a", "b", "c"] * 2


def test_the_least_busy_is_leased_and_a_release_counts_once() -> None:
    made, _ = pool("a", "b")
    first, second = made.lease("m"), made.lease("m")
    assert first is not None
    assert second is not None
    assert {first.state.account.id, second.state.account.id} == {"a", "b"}
    first.release()
    first.release()
    assert [s.in_flight for s in made.states] == [0, 1]


def test_a_penalty_lasts_as_long_as_upstream_said() -> None:
    made, clock = pool("a")
    lease = made.lease("m")
    assert lease is not None
    lease.penalise(limited(30))
    lease.release()
    clock.advance(29.9)
    assert made.lease("m") is None
    assert made.lease("other") is not None
    clock.advance(0.2)
    assert made.lease("m") is not None


def test_a_longer_cooldown_is_not_cut_short_by_a_shorter_one() -> None:
    made, clock = pool("a")
    state = next(iter(made.states))
    made.penalise(state, "m", limited(60))
    made.penalise(state, "m", limited(1))
    clock.advance(30)
    assert made.lease("m") is None


def test_strikes_climb_and_a_success_forgets_them() -> None:
    made, clock = pool("a")
    bare = verdict.judge(Failure(429))
    state = next(iter(made.states))
    for seconds in (5, 60, 300):
        made.penalise(state, "m", bare)
        clock.advance(seconds - 0.1)
        assert made.lease("m") is None
        clock.advance(0.2)
    lease = made.lease("m")
    assert lease is not None
    lease.succeeded()
    made.penalise(state, "m", bare)
    clock.advance(5.1)
    assert made.lease("m") is not None


def test_the_refusal_names_the_first_that_is_free() -> None:
    made, clock = pool("a", "b")
    a, b = made.states
    made.penalise(a, "m", limited(3700.2))
    made.penalise(b, "m", limited(7200))
    refusal = made.refusal("m")
    assert isinstance(refusal, errors.RateLimited)
    assert refusal.retry_after == 3701
    assert "at 1970-01-12T14:48:21Z (in 1 h 1 m)" in refusal.message
    clock.advance(3699.5)
    assert made.refusal("m").retry_after == 1


def test_without_accounts_or_with_only_flagged_ones_there_is_no_retry_after() -> None:
    made, _ = pool()
    assert isinstance(made.refusal("m"), errors.Unavailable)
    made, _ = pool("a")
    made.penalise(next(iter(made.states)), "m", verdict.judge(Failure(403, reason="VALIDATION_REQUIRED")))
    refusal = made.refusal("m")
    assert isinstance(refusal, errors.Unavailable)
    assert refusal.retry_after is None


def test_a_barred_account_leaves_the_usable() -> None:
    made, _ = pool("a", "b")
    made.penalise(next(iter(made.states)), "m", verdict.judge(Failure(403, appeal=True)))
    assert made.usable() == 1


def test_trouble_puts_last_for_a_moment_only() -> None:
    made, clock = pool("a", "b")
    a, b = made.states
    made.penalise(a, "m", verdict.judge(Failure(500)))
    b.in_flight = 5
    for expected in (b, b):
        lease = made.lease("m")
        assert lease is not None
        assert lease.state is expected
    clock.advance(9)
    lease = made.lease("m")
    assert lease is not None
    assert lease.state is a


def test_known_accounts_keep_their_state_and_gone_ones_their_leases() -> None:
    made, _ = pool("a", "b")
    lease = made.lease("m")
    assert lease is not None
    made.penalise(lease.state, "m", limited(60))
    made.update([account("b"), account("c")])
    assert [s.account.id for s in made.states] == ["b", "c"]
    lease.release()
    made.update([account("b", refresh_token=Secret("1//x")), account("c")])
    assert [s.account.id for s in made.states] == ["b", "c"]
