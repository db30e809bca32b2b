"""Looks at accounts on a clock: when, at which, how many at a time; and what is told of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from support.accounts import account
from support.judging import judge
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from antigravity_proxy.accounts import quota_poll
from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.quota_poll import AT_ONCE, EVERY, IDLE_EVERY, PAUSE, SOON, TOKENLESS, QuotaPoll
from antigravity_proxy.accounts.replication import LocalState
from antigravity_proxy.canonical.offers import Available, ModelQuota, Offer, Offers
from antigravity_proxy.canonical.verdict import Failure

EPOCH = 1_000_000.0
HALF = {"m": ModelQuota(0.5)}
USED_UP = judge(Failure(429, reason="QUOTA_EXHAUSTED", delay=3600.0))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look doesn't wait."""
    monkeypatch.setattr(quota_poll, "FIRST", 0.0)


def offering(*names: str) -> Offers:
    return Offers(tuple(map(Offer, names)))


class Surveyed:
    """A pool on a clock, with upstream's answers by account: an exception, or what is available."""

    def __init__(
        self, *names: str, jitter: Callable[[], float] = lambda: 0.5, shared: Any = None, **fields: Any
    ) -> None:
        self.clock = Clock()
        self.pool = Pool(self.clock, lambda: EPOCH + self.clock.seconds(), lambda: 0.0)
        self.asked: list[tuple[str, float]] = []
        self.told: list[Offers] = []
        self.answers: dict[str, Any] = {}
        self.survey = QuotaPoll(self.clock, self.pool, self.ask, self.told.append, jitter, shared)
        self.has(*names, **fields)
        self.survey.start()

    def has(self, *names: str, **fields: Any) -> None:
        """The volume has these accounts."""
        self.pool.update([account(name, **fields) for name in names])

    async def ask(self, state: Any) -> Available:
        self.asked.append((state.credential.id, round(self.clock.seconds(), 3)))
        answer = self.answers.get(state.credential.id, Available(offering("m"), HALF))
        if isinstance(answer, Deferred):
            answer = await answer
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]

    def after(self, seconds: float, serving: bool = True) -> list[tuple[str, float]]:
        """Who was asked in this time, and when; ``serving``: a request comes each minute."""
        self.asked.clear()
        self.clock.advance(0)
        end = self.clock.seconds() + seconds
        while self.clock.seconds() < end:
            if serving and (lease := self.pool.lease("free")) is not None:
                lease.release()
            for _ in range(int(min(SOON, end - self.clock.seconds()) / PAUSE) or 1):
                self.clock.advance(PAUSE)
        return list(self.asked)


def test_every_account_is_asked_one_after_the_other_and_again_every_five_minutes() -> None:
    here = Surveyed("a", "b", "c")
    assert here.after(EVERY - 1) == [("a", 0.0), ("b", PAUSE), ("c", 2 * PAUSE)]
    assert [name for name, _ in here.after(EVERY)] == ["a", "b", "c"]
    assert [state.quota for state in here.pool.states] == [HALF] * 3
    assert [state.offered for state in here.pool.states] == [{"m"}] * 3


def test_the_start_has_other_things_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota_poll, "FIRST", 5.0)
    here = Surveyed("a", "b")
    assert here.after(10) == [("a", 5.0), ("b", 5.0 + PAUSE)]


def test_while_nobody_asks_for_anything_it_is_asked_each_hour() -> None:
    here = Surveyed("a")
    assert [when for _, when in here.after(2 * IDLE_EVERY - EVERY, serving=False)] == [
        0.0,
        pytest.approx(IDLE_EVERY, abs=3),
    ]
    here.clock.advance(60)
    assert len(here.after(EVERY)) == 1


def test_a_thousand_accounts_are_no_stampede() -> None:
    here = Surveyed(*(f"{n}" for n in range(1000)))
    for name in range(1000):
        here.answers[str(name)] = Deferred()
    assert len(here.after(10)) == AT_ONCE
    for name in range(1000):
        here.answers[str(name)].callback(Available(offering("m"), HALF))
    asked = here.after(1000 * PAUSE + 10)
    assert max(Counter(int(when) for _, when in asked).values()) <= 1 / PAUSE + 1
    assert len({name for name, _ in asked}) == 1000 - AT_ONCE


def test_accounts_do_not_stay_in_step() -> None:
    numbers = iter([0.0, 0.5, 1.0] * 100)
    here = Surveyed("a", "b", "c", jitter=lambda: next(numbers))
    here.after(EVERY * 0.85)
    times = [when for _, when in here.after(EVERY * 0.3)]
    assert max(times) - min(times) > 20


def test_a_used_up_quota_is_looked_into_at_once_but_once_a_minute() -> None:
    here = Surveyed("a", "b")
    here.after(1)
    a, _ = here.pool.states
    here.clock.advance(SOON)
    here.pool.penalise(a, "m", USED_UP)
    assert here.after(1, serving=False) == [("a", pytest.approx(61, abs=1))]
    for model in "nop":
        here.pool.penalise(a, model, USED_UP)
    assert here.after(2 * SOON, serving=False) == [("a", pytest.approx(121, abs=1))]
    here.pool.penalise(a, "q", USED_UP)
    here.has("b")
    here.pool.penalise(a, "r", USED_UP)
    assert here.after(SOON, serving=False) == []


def test_a_quota_that_is_used_up_during_a_look_is_not_forgotten() -> None:
    here = Surveyed("a")
    waiting = here.answers["a"] = Deferred()
    here.clock.advance(0)
    (a,) = here.pool.states
    here.pool.penalise(a, "m", USED_UP)
    del here.answers["a"]
    waiting.callback(Available(offering("m"), HALF))
    assert here.after(SOON + 1) == [("a", pytest.approx(SOON, abs=1))]


def test_what_fails_is_asked_later_and_later_and_changes_nothing() -> None:
    here = Surveyed("a")
    here.after(1)
    here.answers["a"] = ValueError("no")
    times = [when for _, when in here.after(4 * IDLE_EVERY)]
    pauses = [round(later - earlier) for earlier, later in pairwise(times)]
    assert pauses[:4] == [600, 1200, 2400, 3600]
    assert set(pauses[3:]) == {3600}
    assert here.told == [offering("m")]
    assert here.pool.lease("m") is not None
    del here.answers["a"]
    here.after(IDLE_EVERY)
    assert len(here.after(EVERY)) == 1


def test_only_who_can_serve_is_asked() -> None:
    here = Surveyed("a", "b", "c", disabled="another provider")
    assert here.after(EVERY) == []
    here.has("d", expires_at=EPOCH - 1)
    assert here.after(EVERY) == []
    here.has("d")
    (a,) = here.pool.states
    assert [name for name, _ in here.after(SOON + 1)] == ["d"]
    a.barred = "why"
    assert here.after(EVERY + SOON) == []
    assert here.told == [offering("m"), Offers()]


def test_very_many_that_can_not_be_asked_are_passed_over_a_few_at_a_time() -> None:
    names = [str(n) for n in range(500)]
    here = Surveyed(*names, expires_at=EPOCH - 1)
    here.clock.advance(0)
    assert here.after(TOKENLESS) == []
    here.has(*names)
    assert len(here.after(3 * TOKENLESS)) > 100


def test_what_all_are_offered_together_is_told_when_it_changes() -> None:
    here = Surveyed("a", "b", "c")
    here.answers = {"b": Available(offering("n"), {}), "c": Available(offering("m"), {})}
    here.after(EVERY)
    assert here.told == [offering("m"), offering("m", "n")]
    here.has("b", "c")
    assert here.told[2:] == []
    here.has("c")
    assert here.told[2:] == [offering("m")]
    here.has()
    assert here.told[3:] == [Offers()]
    here.has("d")
    here.after(1)
    assert here.told[4:] == [offering("m")]
    (d,) = here.pool.states
    for _ in range(2):
        here.survey.left(d)
    assert here.told[5:] == [Offers()]


def test_an_account_that_leaves_during_a_look_leaves_nothing_behind() -> None:
    here = Surveyed("a")
    waiting = here.answers["a"] = Deferred()
    here.clock.advance(0)
    here.has()
    waiting.callback(Available(offering("m"), HALF))
    assert here.told == []
    assert here.after(EVERY) == []
    assert here.clock.getDelayedCalls() == []


def test_its_end_is_the_end() -> None:
    here = Surveyed("a", "b")
    cancelled: list[object] = []
    here.answers["a"] = Deferred(cancelled.append)
    here.clock.advance(0)
    assert here.clock.getDelayedCalls()
    for _ in range(2):
        here.survey.stop()
    assert len(cancelled) == 1
    assert here.clock.getDelayedCalls() == []
    here.has("a", "b", "c")
    assert here.clock.getDelayedCalls() == []


class Other(LocalState):
    """Another replica does all the work."""

    def __init__(self) -> None:
        super().__init__()
        self.claimed: list[tuple[str, str, float]] = []

    async def claim(self, work: str, account: str, seconds: float) -> bool:
        self.claimed.append((work, account, seconds))
        return False


def test_what_another_replica_looks_into_is_left_to_it_but_for_the_first_time_and_each_hour() -> None:
    other = Other()
    here = Surveyed("a", shared=other)
    assert here.after(3 * EVERY) == [("a", 0.0)]
    assert here.after(IDLE_EVERY) == [("a", pytest.approx(IDLE_EVERY, abs=EVERY))]
    assert set(other.claimed) == {("survey", "a", 0.8 * EVERY)}
    here.pool.penalise(next(iter(here.pool.states)), "m", USED_UP)
    assert here.after(SOON) == []
    assert other.claimed[-1] == ("survey", "a", 0.8 * SOON)
