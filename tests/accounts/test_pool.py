"""Leases on a clock: taken, given back, set aside."""

from __future__ import annotations

from typing import Any

import pytest
from support.accounts import account
from support.judging import judge
from twisted.internet.task import Clock

from antigravity_proxy.accounts.lease import Lease
from antigravity_proxy.accounts.pool import MAX_RANKINGS, Pool
from antigravity_proxy.accounts.replication import session_key
from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.accounts.state import AccountState, OutOfUse, Shortage
from antigravity_proxy.accounts.watcher import PoolWatcher
from antigravity_proxy.canonical.grant import IssuedToken
from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.canonical.verdict import Cause, Failure, Verdict
from antigravity_proxy.secret import Secret


def pool(*names: str, rules: Rules | None = None, **fields: Any) -> tuple[Pool, Clock]:
    clock = Clock()
    made = Pool(clock, lambda: 1_000_000.0 + clock.seconds(), lambda: 0.0, rules)
    made.update([account(name, **fields) for name in names])
    return made, clock


def limited(seconds: float) -> Verdict:
    return judge(Failure(429, reason="RATE_LIMIT_EXCEEDED", delay=seconds))


def test_leases_go_round() -> None:
    made, clock = pool("a", "b", "c")
    leased = []
    for _ in range(6):
        clock.advance(1)
        lease = made.lease("m")
        assert lease is not None
        leased.append(lease.state.credential.id)
        lease.release()
    assert leased == ["a", "b", "c"] * 2


def test_the_least_busy_is_leased_and_a_release_counts_once() -> None:
    made, _ = pool("a", "b")
    first, second = made.lease("m"), made.lease("m")
    assert first is not None
    assert second is not None
    assert {first.state.credential.id, second.state.credential.id} == {"a", "b"}
    first.release()
    first.release()
    assert [s.in_flight for s in made.states] == [0, 1]


def test_a_penalty_lasts_as_long_as_upstream_said() -> None:
    made, clock = pool("a")
    lease = made.lease("m")
    assert lease is not None
    made.penalise(lease.state, "m", limited(30))
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
    bare = judge(Failure(429))
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


def test_the_shortage_names_the_first_that_is_free() -> None:
    made, clock = pool("a", "b")
    a, b = made.states
    made.penalise(a, "m", limited(3700.2))
    made.penalise(b, "m", limited(7200))
    assert made.shortage("m") == Shortage(is_busy=False, free_in=pytest.approx(3701), accounts=2)
    clock.advance(3700.5)
    assert made.shortage("m").free_in == pytest.approx(0.5)


def test_without_accounts_or_with_only_flagged_ones_no_time_helps() -> None:
    made, _ = pool()
    assert made.shortage("m") == Shortage(is_busy=False, free_in=None, accounts=0)
    made, _ = pool("a")
    made.penalise(next(iter(made.states)), "m", judge(Failure(403, reason="VALIDATION_REQUIRED")))
    assert made.shortage("m") == Shortage(False, None, 1, unable={OutOfUse.UNVERIFIED: 1}, in_all=1)


def test_a_barred_account_leaves_the_usable() -> None:
    made, _ = pool("a", "b")
    made.penalise(next(iter(made.states)), "m", judge(Failure(403, appeal=True)))
    assert made.usable() == 1


def test_trouble_puts_last_for_a_moment_only() -> None:
    made, clock = pool("a", "b")
    a, b = made.states
    made.penalise(a, "m", judge(Failure(500)))
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
    assert [s.credential.id for s in made.states] == ["b", "c"]
    lease.release()
    made.update([account("b", refresh_token="1//x"), account("c")])
    assert [s.credential.id for s in made.states] == ["b", "c"]


def used(made: Pool, model: str = "m", **kwargs: Any) -> str:
    """The account that a request is served by, from lease to release; empty if there is none."""
    lease = made.lease(model, **kwargs)
    if lease is None:
        return ""
    lease.release()
    return lease.state.credential.id


def by_name(made: Pool) -> dict[str, AccountState]:
    return {state.credential.id: state for state in made.states}


S, T = session_key("s", "m"), session_key("t", "m")


def test_a_session_stays_and_unrelated_ones_are_spread() -> None:
    made, _ = pool("a", "b", "c")
    assert [used(made, session=S) for _ in range(4)] == ["a"] * 4
    assert [used(made) for _ in range(3)] == ["b", "c", "a"]
    assert [used(made, session=T), used(made, session=S)] == ["b", "a"]


def test_a_session_has_an_account_for_each_model() -> None:
    assert session_key("s", "m") != session_key("s", "n")


def test_a_session_moves_when_its_account_cannot_serve_and_stays_there() -> None:
    made, clock = pool("a", "b")
    assert used(made, session=S) == "a"
    made.penalise(by_name(made)["a"], "m", limited(30))
    assert used(made, session=S) == "b"
    clock.advance(31)
    assert [used(made, session=S) for _ in range(3)] == ["b"] * 3


def test_a_session_does_not_move_for_a_moments_trouble_nor_for_upstreams_capacity() -> None:
    made, clock = pool("a", "b")
    assert used(made, session=S) == "a"
    a = by_name(made)["a"]
    made.penalise(a, "m", judge(Failure(500)))
    assert used(made, session=S, tried={a}) == "b"
    assert used(made, session=S) == "b"
    clock.advance(9)
    assert used(made, session=S) == "a"
    made.penalise(a, "m", judge(Failure(503, reason="MODEL_CAPACITY_EXHAUSTED")))
    assert used(made, session=S, tried={a}, keep=True) == "b"
    clock.advance(6)
    assert used(made, session=S) == "a"


def test_a_session_takes_what_is_there_when_all_are_in_trouble() -> None:
    made, _ = pool("a", "b")
    assert used(made, session=S) == "a"
    a, b = made.states
    for each in (a, b):
        made.penalise(each, "m", judge(Failure(500)))
    assert used(made, session=S) == "a"
    assert used(made, session=S, tried={b}) == "a"


def test_a_session_does_not_wait_for_a_token_while_another_account_has_one() -> None:
    made, _clock = pool("a", "b")
    assert used(made, session=S) == "a"
    a = by_name(made)["a"]
    a.expires_at = 0.0
    assert used(made, session=S) == "b"
    a.renewed(IssuedToken(Secret("new"), 2_000_000.0))
    assert used(made, session=S) == "a"


def test_a_session_whose_account_is_busy_is_served_by_another_and_comes_back() -> None:
    made, _ = pool("a", "b", rules=Rules(max_leases=1))
    first = made.lease("m", session=S)
    assert first is not None
    assert used(made, session=S) == "b"
    first.release()
    assert used(made, session=S) == "a"


def test_a_session_whose_account_has_left_moves() -> None:
    made, _ = pool("a", "b")
    assert used(made, session=S) == "a"
    made.update([account("b")])
    assert used(made, session=S) == "b"


def test_cache_first_keeps_everybody_on_one_account() -> None:
    made, clock = pool("a", "b", "c", rules=Rules(mode="cache-first"))
    assert [used(made, session=S), used(made), used(made, session=T)] == ["a", "a", "a"]
    made.penalise(by_name(made)["a"], "m", limited(30))
    assert [used(made), used(made, session=T)] == ["b", "b"]
    clock.advance(31)
    assert [used(made, session=S), used(made, session=T), used(made)] == ["a", "b", "b"]


def test_performance_first_takes_the_most_quota() -> None:
    made, _ = pool("a", "b", "c", rules=Rules(mode="performance-first"))
    made.update([account(n, quota={"m": ModelQuota(q)}) for n, q in (("a", 0.3), ("b", 0.8), ("c", 0.5))])
    assert [used(made) for _ in range(3)] == ["b", "b", "b"]
    made.update([account(n, quota={"m": ModelQuota(q)}) for n, q in (("a", 0.9), ("b", 0.8), ("c", 0.5))])
    assert used(made) == "a"


def test_balance_gives_an_account_with_less_quota_fewer_requests() -> None:
    made, _ = pool("a", "b")
    made.update([account("a"), account("b", quota={"m": ModelQuota(0.25)})])
    served = [used(made) for _ in range(100)]
    assert served.count("b") == 20


def test_what_upstream_says_of_a_quota_is_in_effect_at_once() -> None:
    made, clock = pool("a", "b", rules=Rules(mode="performance-first", reserve=0.1))
    now = 1_000_000.0
    assert used(made) == "a"
    made.observed_quota("a", {"m": ModelQuota(0.4, now + 600)})
    made.observed_quota("b", {"m": ModelQuota(0.6, now + 60)})
    made.observed_quota("gone", {"m": ModelQuota(0.6)})
    assert used(made) == "b"
    made.observed_quota("b", {"m": ModelQuota(0.0, now + 60)})
    assert used(made) == "a"
    made.observed_quota("a", {"m": ModelQuota(0.1, now + 600)})  # down to what is left to its owner
    assert made.lease("m") is None
    assert made.free_in("m") == 60
    assert made.lease("other") is not None
    clock.advance(61)
    assert used(made) == "b"


def test_who_is_not_offered_a_model_serves_it_only_if_nobody_else_can() -> None:
    made, _ = pool("a", "b")
    by_name(made)["a"].offers(frozenset({"other"}))
    assert [used(made) for _ in range(3)] == ["b"] * 3
    assert [used(made, session=S) for _ in range(2)] == ["b"] * 2
    made.penalise(by_name(made)["b"], "m", limited(30))
    assert used(made) == "a"
    by_name(made)["a"].offers(frozenset({"m"}))
    assert used(made, session=S) == "a"


def test_a_quota_that_is_used_up_is_told() -> None:
    made, _ = pool("a")
    told: list[AccountState] = []

    class Watcher(PoolWatcher):
        def exhausted(self, state: AccountState) -> None:
            told.append(state)

    made.watch(Watcher())
    state = by_name(made)["a"]
    made.penalise(state, "m", limited(30))
    assert told == []
    made.penalise(state, "m", judge(Failure(429, reason="QUOTA_EXHAUSTED", delay=3600.0)))
    assert told == [state]


def test_new_rules_are_in_effect_at_once() -> None:
    made, _ = pool("a", "b")
    assert used(made) == "a"
    made.rules = Rules(preferred="a")
    assert [used(made) for _ in range(3)] == ["a"] * 3
    made.rules = Rules(preferred="a")
    assert made.rules.preferred == "a"


def test_one_burst_of_failures_is_one_strike() -> None:
    made, clock = pool("a")
    bare = judge(Failure(429))
    a = by_name(made)["a"]
    for _ in range(10):
        made.penalise(a, "m", bare)
    clock.advance(5.1)
    assert used(made) == "a"
    made.penalise(a, "m", bare)
    clock.advance(59)
    assert not used(made)


def test_upstreams_capacity_does_not_climb_the_quotas_ladder() -> None:
    made, clock = pool("a")
    a = by_name(made)["a"]
    for seconds in (5, 10, 15, 15):
        made.penalise(a, "m", judge(Failure(503, reason="MODEL_CAPACITY_EXHAUSTED")))
        clock.advance(seconds - 0.1)
        assert not used(made)
        clock.advance(0.2)
    made.penalise(a, "m", judge(Failure(429)))
    clock.advance(5.1)
    assert used(made) == "a"


def test_a_success_with_one_model_forgets_nothing_of_another() -> None:
    made, _clock = pool("a")
    a = by_name(made)["a"]
    made.penalise(a, "other", judge(Failure(429)))
    lease = made.lease("m")
    assert lease is not None
    lease.succeeded()
    assert a.strikes == {("other", Cause.EXHAUSTED): 1}


def test_a_lease_again_only_while_the_account_can_serve() -> None:
    made, _ = pool("a")
    a = by_name(made)["a"]
    assert made.again(a, "m") is not None
    made.penalise(a, "m", limited(30))
    assert made.again(a, "m") is None
    assert made.again(a, "other") is not None
    made.update([])
    assert made.again(a, "other") is None


def test_how_long_until_one_is_free() -> None:
    made, clock = pool("a", "b")
    assert made.free_in("m") == 0.0
    a, b = made.states
    made.penalise(a, "m", limited(30))
    made.penalise(b, "m", limited(20))
    assert made.free_in("m") == 20.0
    clock.advance(5)
    made.penalise(b, "m", judge(Failure(403, appeal=True)))
    assert made.free_in("m") == 25.0
    made.penalise(a, "m", judge(Failure(403, appeal=True)))
    assert made.free_in("m") is None


def test_busy_accounts_are_waited_for_in_a_line() -> None:
    made, clock = pool("a", rules=Rules(max_leases=1))
    first = made.lease("m")
    assert first is not None
    assert made.lease("m") is None
    assert made.shortage("m").is_busy
    got: list[Lease | None] = []
    for _ in range(2):
        made.queue("m", (), b"").addCallback(got.append)
    first.release()
    assert [lease.state.credential.id for lease in got if lease is not None] == ["a"]
    clock.advance(2.1)
    assert got[1] is None
    assert by_name(made)["a"].in_flight == 1


def test_orders_of_models_are_bounded() -> None:
    made, _ = pool("a")
    for number in range(3 * MAX_RANKINGS):
        assert used(made, f"m{number}") == "a"
    assert len(made._rankings) == MAX_RANKINGS


def test_a_lease_on_an_account_that_came_back_as_another_ends_quietly() -> None:
    made, _ = pool("a")
    lease = made.lease("m")
    assert lease is not None
    made.update([])
    made.update([account("a")])
    lease.release()
    lease.state.renewed(IssuedToken(Secret("x"), 1.0))
    assert [state.in_flight for state in made.states] == [0]
    assert used(made) == "a"


def test_an_account_that_is_forgiven_serves_at_once_whatever_set_it_aside() -> None:
    made, _ = pool("a")
    (state,) = made.states
    for each in (limited(600), judge(Failure(403, appeal=True)), judge(Failure(500))):
        made.penalise(state, "m", each)
    assert made.lease("m") is None
    assert state.last_failure is not None
    assert made.forgive("a")
    assert (made.usable(), state.last_failure, state.strikes) == (1, None, {})
    assert made.lease("m") is not None


def test_a_paused_account_serves_nobody_until_it_is_resumed() -> None:
    made, _ = pool("a", "b")
    session = session_key("s", "m")
    lease = made.lease("m", session=session)
    assert lease is not None
    paused = lease.state.credential.id
    made.update([account(name, paused=name == paused) for name in "ab"])
    others = [made.lease("m", session=session) for _ in range(3)]
    assert {each and each.state.credential.id for each in others} == {"ab".replace(paused, "")}
    assert made.usable() == 1
    lease.release()  # what it had begun went on to its end
    made.update([account(name, paused=True) for name in "ab"])
    assert made.lease("m") is None
    assert made.shortage("m") == Shortage(False, None, 2, unable={OutOfUse.PAUSED: 2}, in_all=2)
    made.update([account(name) for name in "ab"])
    assert made.usable() == 2


def test_the_text_of_a_pool_says_how_much_it_does() -> None:
    made, _ = pool("a", "b")
    assert made.lease("m") is not None
    assert repr(made) == "<Pool: 2 accounts, 1 leases, 0 waiting>"


def test_of_many_accounts_the_reasons_are_counted_once_a_second() -> None:
    made, clock = pool()
    made.update([account(str(number), paused=True) for number in range(101)])
    assert made.shortage("m").unable == {OutOfUse.PAUSED: 101}
    next(iter(made.states)).barred = "revoked"
    made.update([account(str(number)) for number in range(101)])
    for state in made.states:
        state.barred = "revoked"
    assert made.shortage("m").unable == {OutOfUse.PAUSED: 101}
    clock.advance(1.0)
    assert made.shortage("m").unable == {OutOfUse.BARRED: 101}
