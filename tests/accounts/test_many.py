"""Very many accounts: taken in slices, served meanwhile, and in the right order in the end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.accounts import account
from twisted.internet.task import Clock

from antigravity_proxy.accounts import ranking, stats
from antigravity_proxy.accounts.policy import Moment
from antigravity_proxy.accounts.pool import AT_ONCE, Pool
from antigravity_proxy.accounts.ranking import Ranking
from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.accounts.slices import Slices
from antigravity_proxy.accounts.state import AccountState


def test_work_goes_on_from_turn_to_turn_and_the_newest_replaces_the_rest() -> None:
    clock, done, fired = Clock(), [], []

    def work(name: str) -> Iterator[None]:
        for number in range(2):
            done.append(f"{name}{number}")
            yield

    slices = Slices(clock)
    slices.run(work("a")).addCallback(lambda _: fired.append("a"))
    assert done == ["a0"]
    slices.run(work("b")).addCallback(lambda _: fired.append("b"))
    clock.advance(0)
    assert (done, fired) == (["a0", "b0", "b1"], ["b"])
    slices.run(iter(())).addCallback(lambda _: fired.append("c"))
    assert fired == ["b", "c"]
    assert not clock.getDelayedCalls()


def test_work_that_fails_says_so() -> None:
    def work() -> Iterator[None]:
        yield
        raise ValueError("broken")

    clock, failed = Clock(), []
    slices = Slices(clock)
    slices.run(work()).addErrback(failed.append)
    assert slices.busy
    clock.advance(0)
    assert [str(failure.value) for failure in failed] == ["broken"]
    assert not slices.busy


def test_very_many_are_counted_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "COUNTED_AT_ONCE", 10)
    clock = Clock()
    made = Pool(clock, lambda: 1_000_000.0 + clock.seconds(), lambda: 0.0)
    made.update([account(str(number)) for number in range(25)])
    clock.advance(0)
    assert made.usable() == 25
    clock.advance(0)
    for state in list(made.states)[:3]:
        state.barred = "gone"
    assert made.usable() == 25  # the last count; this question began a new one
    assert made.usable() == 25  # which is under way
    clock.advance(0)
    assert made.usable() == 22
    clock.advance(0)
    made.update([account("0"), account("5")])
    assert made.usable() == 1
    assert not clock.getDelayedCalls()


def test_a_pool_serves_while_it_takes_thousands() -> None:
    clock = Clock()
    made = Pool(clock, lambda: 1_000_000.0 + clock.seconds(), lambda: 0.0)
    accounts = [account(str(number)) for number in range(3 * AT_ONCE)]
    fired: list[int] = []
    made.update(accounts).addCallback(lambda _: fired.append(len(made.states)))
    assert len(made.states) == AT_ONCE
    assert made.lease("m") is not None
    clock.advance(0)
    assert fired == [3 * AT_ONCE]
    made.update(accounts[:1]).addCallback(lambda _: fired.append(len(made.states)))
    assert fired == [3 * AT_ONCE]
    clock.advance(0)
    assert fired == [3 * AT_ONCE, 1]
    assert not clock.getDelayedCalls()


def test_an_order_takes_in_some_at_each_choice_and_all_where_it_must() -> None:
    now = Moment(0.0, 0.0)
    states = [AccountState(account(str(number)), number) for number in range(3 * ranking.TAKE_IN_AT_ONCE)]
    for state in states:
        state.virtual_time = float(state.serial)
    made = Ranking("m", states, Rules(), now)
    assert made.first(now) is not states[0]  # those that are taken in last come first in the row
    for state in states[1:]:
        state.barred = "gone"
        made.touch(state, now)
    assert made.first(now) is states[0]
    made.leave(states[0])
    assert made.first(now) is None


def test_an_account_that_left_before_it_was_taken_in_stays_away() -> None:
    now = Moment(0.0, 0.0)
    states = [AccountState(account(str(number)), number) for number in range(ranking.TAKE_IN_AT_ONCE + 1)]
    made = Ranking("m", states, Rules(), now)
    made.leave(states[0])
    assert made.first(now, states[1:]) is None
    assert made.first_free(now) is None
