"""What is told to the operator, once for each thing; by a clock of the test's."""

from __future__ import annotations

from typing import Any

import pytest
from support.accounts import account
from support.judging import judge
from support.threaded_clock import Reactor

from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.canonical.verdict import Failure
from antigravity_proxy.daemon.notices import AGAIN_AFTER, EXHAUSTED_AFTER, Notice, Notices
from antigravity_proxy.state.store import StateStore


class Watched:
    """A pool of two accounts, and the notices on it."""

    def __init__(self) -> None:
        self.wall = 1_000_000.0
        self.clock = Reactor()
        self.store = StateStore(self.clock, lambda: self.wall, None)
        self.notices = Notices(self.store, lambda: self.wall)
        self.pool = Pool(self.clock, lambda: self.wall, lambda: 0.0)
        self.pool.update([account("a"), account("b")])
        self.free: float | None = 0.0

    def wait(self, seconds: float) -> None:
        self.wall += seconds
        self.clock.advance(seconds)

    def accounts(self) -> list[tuple[str, str]]:
        return self._told(self.notices.of_accounts(self.pool.states, self.pool.now()))

    def models(self) -> list[tuple[str, str]]:
        return self._told(self.notices.of_models(lambda model: self.free))

    def volume(self, error: str) -> list[tuple[str, str]]:
        return self._told(self.notices.of_volume(error))

    def _told(self, found: list[Notice]) -> list[tuple[str, str]]:
        return [(each.event, each.thing) for each in found]


@pytest.fixture
def watched() -> Watched:
    return Watched()


def test_what_happens_to_an_account_is_told_once(watched: Watched) -> None:
    assert watched.accounts() == []
    a, b = watched.pool.find("a"), watched.pool.find("b")
    assert a is not None
    assert b is not None
    a.bar("Google has barred it")
    watched.pool.penalise(b, "m", judge(Failure(403, reason="VALIDATION_REQUIRED")))
    assert watched.accounts() == [("account_barred", "a"), ("account_needs_owner", "b")]
    watched.wait(2 * AGAIN_AFTER)
    assert watched.accounts() == []


def test_a_dead_sign_in_is_told_as_that(watched: Watched) -> None:
    a = watched.pool.find("a")
    assert a is not None
    a.bar("its sign-in has expired or was revoked: sign in again")
    assert watched.accounts() == [("sign_in_dead", "a")]


def test_one_that_comes_and_goes_is_told_once_in_ten_minutes(watched: Watched) -> None:
    a, told = watched.pool.find("a"), []
    assert a is not None
    for _ in range(30):
        a.bar("barred")
        told += watched.accounts()
        a.forgive()
        told += watched.accounts()
        watched.wait(10)
    assert told == [("account_barred", "a")]
    watched.wait(AGAIN_AFTER)
    a.bar("barred")
    assert watched.accounts() == [("account_barred", "a")]


def test_a_restart_tells_nothing_again(watched: Watched) -> None:
    a = watched.pool.find("a")
    assert a is not None
    a.bar("barred")
    assert watched.accounts()
    watched.notices = Notices(watched.store, lambda: watched.wall)
    assert watched.accounts() == []


def test_a_model_that_nobody_can_serve_is_told_after_a_minute_and_back_once(watched: Watched) -> None:
    watched.free = None
    assert watched.models() == []  # nobody asked
    watched.notices.asked("m")
    assert watched.models() == []
    watched.wait(EXHAUSTED_AFTER - 1)
    assert watched.models() == []
    watched.wait(1)
    assert watched.models() == [("pool_exhausted", "m")]
    watched.wait(1)
    assert watched.models() == []
    watched.free = 0.0
    assert watched.models() == [("pool_back", "m")]
    assert watched.models() == []


def test_a_short_shortage_is_told_to_nobody(watched: Watched) -> None:
    watched.notices.asked("m")
    for free in (5.0, 0.0) * 20:
        watched.free = free
        assert watched.models() == []
        watched.wait(20)


def test_a_model_that_another_upstream_serves_is_not_told(watched: Watched) -> None:
    watched.free = 5.0
    watched.notices.asked("m", "a-name")
    for _ in range(20):
        watched.notices.served("a-name")
        assert watched.models() == []
        watched.wait(20)
    told: list[tuple[str, str]] = []
    for _ in range(10):
        told += watched.models()
        watched.wait(20)
    assert told == [("pool_exhausted", "m")]


def test_a_clock_that_was_set_back_tells_nothing_too_early(watched: Watched) -> None:
    watched.free = 5.0
    watched.notices.asked("m")
    watched.models()
    watched.wall -= 86_400
    assert watched.models() == []
    watched.wait(EXHAUSTED_AFTER - 1)
    assert watched.models() == []


def test_models_that_are_watched_are_bounded(watched: Watched) -> None:
    for number in range(1000):
        watched.notices.asked(f"m{number}")
    assert len(watched.notices._asked) <= 64


def test_the_volume_is_told_and_back_once(watched: Watched) -> None:
    told: list[Any] = []
    for error in ("", "it hangs", "it hangs", "", "", "it hangs", ""):
        told += watched.volume(error)
    assert told == [("volume_unreadable", ""), ("volume_back", "")]
