"""Renewals ahead of the end, on a clock: in time, spread, few at once, and none for nothing."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from support.accounts import account
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from antigravity_proxy.accounts import renewals
from antigravity_proxy.accounts.policy import Moment
from antigravity_proxy.accounts.renewals import AT_ONCE, FIRST, PACE, PAUSE, SPREAD, Renewals, due_at
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.accounts.tokens import REFRESH_AHEAD, TokenKeeper
from antigravity_proxy.canonical.credential import Credential
from antigravity_proxy.canonical.grant import IssuedToken, RefreshRejected
from antigravity_proxy.secret import Secret

EPOCH = 1_000_000.0
LIFE = 3599.0


class Around:
    """Accounts, a keeper, and an endpoint that answers after ``takes`` seconds; ``refusal`` is what it answers with."""

    def __init__(self, accounts: Iterable[Credential], takes: float = 0.1) -> None:
        self.clock = Clock()
        self.states = [AccountState(each, number) for number, each in enumerate(accounts)]
        self.asked: list[tuple[float, str]] = []
        self.under_way = 0
        self.most = 0
        self.takes = takes
        self.refusal: Exception | None = None
        self.tokens = TokenKeeper(self.clock, self.epoch, self._refresh)
        now = lambda: Moment(self.clock.seconds(), self.epoch())  # noqa: E731
        self.renewals = Renewals(self.clock, now, lambda: self.states, self.tokens)
        self.renewals.start()

    def epoch(self) -> float:
        return EPOCH + self.clock.seconds()

    async def _refresh(self, state: AccountState) -> IssuedToken:
        self.asked.append((self.clock.seconds(), state.credential.id))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        answered: Deferred[None] = Deferred()
        self.clock.callLater(self.takes, answered.callback, None)
        await answered
        self.under_way -= 1
        if self.refusal is not None:
            raise self.refusal
        return IssuedToken(Secret(f"ya29.{len(self.asked)}"), self.epoch() + LIFE)

    def go(self, seconds: float, step: float = 0.1) -> None:
        for _ in range(round(seconds / step)):
            self.clock.advance(step)

    @property
    def names(self) -> list[str]:
        return [name for _, name in self.asked]


def ending(name: str, seconds: float, **fields: Any) -> Credential:
    return account(name, expires_at=EPOCH + seconds, **fields)


def test_tokens_are_renewed_before_they_end_and_never_long_before() -> None:
    around = Around([ending("a", 1000.0)])
    seen = set()
    for _ in range(3 * 3600):
        around.clock.advance(1.0)
        seen.add(round(around.states[0].expires_at - around.epoch()))
    assert len(around.asked) == 4
    assert min(seen) >= REFRESH_AHEAD - PAUSE - 2
    assert all(b - a > LIFE - REFRESH_AHEAD - SPREAD for (a, _), (b, _) in pairwise(around.asked))


def test_the_moment_is_spread_and_does_not_change_from_look_to_look() -> None:
    states = [AccountState(ending(str(number), 0.0)) for number in range(1000)]
    ahead = [EPOCH - due_at(state) for state in states]
    assert ahead == [EPOCH - due_at(state) for state in states]
    assert REFRESH_AHEAD <= min(ahead) < REFRESH_AHEAD + 5
    assert REFRESH_AHEAD + SPREAD - 5 < max(ahead) <= REFRESH_AHEAD + SPREAD
    tenths = [
        sum(REFRESH_AHEAD + SPREAD / 10 * n <= each < REFRESH_AHEAD + SPREAD / 10 * (n + 1) for each in ahead)
        for n in range(10)
    ]
    assert min(tenths) > 60


def test_a_thousand_accounts_whose_tokens_have_ended_are_no_stampede() -> None:
    around = Around([ending(str(number), -60.0) for number in range(1000)], takes=1.0)
    around.go(FIRST + 0.1)
    assert len(around.asked) <= 1
    around.go(10)
    assert around.most <= AT_ONCE
    assert len(around.asked) <= 10 / PACE + 1
    around.takes = 0.05
    around.go(1000 * PACE + PAUSE)
    assert len(around.asked) == 1000
    assert len(set(around.names)) == 1000
    around.go(600)
    assert len(around.asked) == 1000


def test_what_ends_first_is_first_and_what_has_ended_comes_after() -> None:
    around = Around(
        [ending("dead long", -900.0), ending("soon", 60.0), ending("dead", -60.0), ending("very soon", 9.0)]
    )
    around.go(FIRST + 5 * PACE)
    assert around.names == ["very soon", "soon", "dead", "dead long"]


def test_who_can_not_or_shall_not_is_left_alone() -> None:
    around = Around(
        [
            ending("no refresh token", 9.0, refresh_token=""),
            ending("another provider", 9.0, disabled="another provider"),
            ending("expired", 9.0, status="expired"),
            ending("paused", 9.0, paused=True),
            ending("barred", 9.0),
            ending("backing off", 9.0),
            ending("lives long", 9000.0),
        ]
    )
    around.states[4].barred = "revoked"
    around.states[5].refresh_after = 10_000.0
    around.go(2 * PAUSE)
    assert around.names == []


def test_what_is_renewed_or_barred_while_it_waits_its_turn_is_passed_over() -> None:
    around = Around(
        [ending(name, seconds) for name, seconds in (("a", 101.0), ("b", 102.0), ("c", 103.0), ("d", 104.0))]
    )
    around.go(FIRST + 0.1)
    around.states[1].renewed(IssuedToken(Secret("x"), EPOCH + 9000))
    around.states[2].barred = "revoked"
    around.go(1)
    assert around.names == ["a", "d"]


def test_a_refused_client_is_not_asked_again_for_each_of_its_accounts() -> None:
    others = [ending(f"other {number}", 30.0 + number, client="other") for number in range(2)]
    around = Around([*(ending(str(number), 9.0) for number in range(50)), *others], takes=0.01)
    around.refusal = RefreshRejected("misconfigured", "invalid_client")
    around.go(20)
    assert len(around.names) == 2
    assert {name[:5] for name in around.names if "other" in name} == {"other"}


def test_other_refusals_concern_their_own_account() -> None:
    around = Around([ending(str(number), 9.0) for number in range(10)])
    around.refusal = RefreshRejected("dead", "invalid_grant")
    around.go(5)
    assert len(around.names) == 10
    around.go(2 * PAUSE)
    assert len(around.names) == 10


def test_a_fault_in_the_look_does_not_end_the_looking(no_leaks: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    around = Around([ending("a", 9.0)])
    real = renewals.due_at
    monkeypatch.setattr(renewals, "due_at", lambda state: 1 / 0)
    around.go(FIRST + 0.1)
    assert [failure.type for failure in no_leaks] == [ZeroDivisionError]
    no_leaks.clear()
    monkeypatch.setattr(renewals, "due_at", real)
    around.go(PAUSE + 1)
    assert around.names == ["a"]


def test_the_stop_begins_nothing_more() -> None:
    for before in (0.5, FIRST + 2):
        around = Around([ending(str(number), 9.0) for number in range(30)])
        around.go(before)
        begun = len(around.asked)
        around.renewals.stop()
        around.go(5)
        assert len(around.asked) == begun < 30
        assert not around.clock.getDelayedCalls()
    assert begun


def test_very_many_are_looked_at_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewals, "LOOKED_AT_ONCE", 2)
    around = Around([ending(str(number), 9.0) for number in range(5)])
    around.go(FIRST + 5 * PACE + 0.1)
    assert len(around.asked) == 5
