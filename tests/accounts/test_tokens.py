"""Tokens on a clock: renewed ahead of their end, once for all, never dead ones again."""

from __future__ import annotations

from typing import Any

import pytest
from support.accounts import FAR, account
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from antigravity_proxy.accounts.replication import LocalState
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.accounts.tokens import TokenKeeper
from antigravity_proxy.canonical.grant import IssuedToken, Metadata, RefreshRejected
from antigravity_proxy.secret import Secret


class Endpoint:
    """A token endpoint that answers when told to."""

    def __init__(self) -> None:
        self.asked: list[Deferred[IssuedToken]] = []

    async def __call__(self, state: AccountState) -> IssuedToken:
        answer: Deferred[IssuedToken] = Deferred()
        self.asked.append(answer)
        return await answer


class Kept:
    """A keeper, its clock and its endpoint."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.endpoint = Endpoint()
        self.keeper = TokenKeeper(self.clock, lambda: 1000.0 + self.clock.seconds(), self.endpoint)

    def result(self, waiting: Deferred[None]) -> list[Any]:
        results: list[Any] = []
        waiting.addBoth(results.append)
        return results


GRANT = IssuedToken(Secret("ya29.new"), 5000.0)


def test_a_token_that_lives_long_is_handed_out_as_it_is() -> None:
    kept = Kept()
    assert kept.keeper.live(AccountState(account())) == Secret("ya29.a")
    assert not kept.endpoint.asked


def test_one_that_ends_soon_is_handed_out_and_renewed_behind_the_scenes() -> None:
    kept, state = Kept(), AccountState(account(expires_at=1100.0))
    assert kept.keeper.live(state) == Secret("ya29.a")
    assert kept.keeper.live(state) == Secret("ya29.a")
    assert len(kept.endpoint.asked) == 1
    kept.endpoint.asked[0].callback(GRANT)
    assert kept.keeper.live(state) == Secret("ya29.new")


def test_one_that_has_ended_is_not_handed_out() -> None:
    kept, state = Kept(), AccountState(account(expires_at=1004.0))
    assert kept.keeper.live(state) is None


def test_many_waiters_one_refresh_and_a_cancelled_one_hurts_no_other() -> None:
    kept, state = Kept(), AccountState(account(expires_at=0.0))
    waiting = [kept.keeper.renew(state) for _ in range(5)]
    results = [kept.result(each) for each in waiting]
    waiting[0].cancel()
    kept.endpoint.asked[0].callback(GRANT)
    assert len(kept.endpoint.asked) == 1
    assert results[1:] == [[None]] * 4
    assert state.access_token == Secret("ya29.new")


def test_a_rotated_refresh_token_is_kept() -> None:
    kept, state = Kept(), AccountState(account())
    kept.keeper.renew(state)
    kept.endpoint.asked[0].callback(IssuedToken(Secret("x"), FAR, Secret("1//rotated")))
    assert state.grant.token == Secret("1//rotated")


def test_a_dead_sign_in_bars_the_account() -> None:
    kept, state = Kept(), AccountState(account(expires_at=0.0))
    result = kept.result(kept.keeper.renew(state))
    kept.endpoint.asked[0].errback(RefreshRejected("dead", "gone"))
    assert result[0].check(RefreshRejected)
    assert "sign in again" in state.barred
    assert kept.keeper.live(state) is None
    assert len(kept.endpoint.asked) == 1


def test_a_refused_client_is_no_dead_account() -> None:
    kept, state = Kept(), AccountState(account(expires_at=0.0))
    kept.result(kept.keeper.renew(state))
    kept.endpoint.asked[0].errback(RefreshRejected("misconfigured", "invalid_client"))
    assert not state.barred
    assert kept.keeper.misconfigured == "invalid_client"
    kept.clock.advance(299)
    kept.keeper.live(state)
    assert len(kept.endpoint.asked) == 1
    kept.clock.advance(2)
    kept.keeper.live(state)
    assert len(kept.endpoint.asked) == 2
    kept.endpoint.asked[1].callback(GRANT)
    assert kept.keeper.misconfigured == ""


@pytest.mark.parametrize("error", [RefreshRejected("temporary", "503")])
def test_temporary_trouble_is_tried_again_ever_later(error: Exception) -> None:
    kept, state = Kept(), AccountState(account(expires_at=0.0))
    for pause in (5, 15, 60, 300, 300):
        kept.keeper.live(state)
        kept.endpoint.asked[-1].errback(error)
        count = len(kept.endpoint.asked)
        kept.clock.advance(pause - 1)
        kept.keeper.live(state)
        assert len(kept.endpoint.asked) == count
        kept.clock.advance(1.1)


def test_a_fault_of_ours_is_logged_and_not_repeated_at_once(no_leaks: list[Any]) -> None:
    kept, state = Kept(), AccountState(account(expires_at=0.0))
    result = kept.result(kept.keeper.renew(state))
    kept.endpoint.asked[0].errback(ValueError("bug"))
    assert result[0].check(ValueError)
    assert state.refresh_after == 5.0
    assert len(no_leaks) == 1
    no_leaks.clear()


def test_a_refused_token_is_not_handed_out_again_but_a_newer_one_is() -> None:
    kept, state = Kept(), AccountState(account())
    kept.keeper.expire(state, Secret("an older one"))
    assert kept.keeper.live(state) == Secret("ya29.a")
    kept.keeper.expire(state, Secret("ya29.a"))
    assert kept.keeper.live(state) is None
    assert len(kept.endpoint.asked) == 1


def test_the_stop_ends_what_is_under_way() -> None:
    kept, state = Kept(), AccountState(account())
    result = kept.result(kept.keeper.renew(state))
    kept.keeper.stop()
    assert result


def test_without_a_refresh_token_nothing_is_asked() -> None:
    kept, state = Kept(), AccountState(account(expires_at=0.0, refresh_token=""))
    assert kept.keeper.live(state) is None
    assert not kept.endpoint.asked


def test_a_wrong_clock_is_told_until_a_token_comes() -> None:
    kept, state = Kept(), AccountState(account(expires_at=0.0))
    kept.result(kept.keeper.renew(state))
    kept.endpoint.asked[0].errback(RefreshRejected("temporary", "600 s fast", pause=60.0, clock="600 s fast"))
    assert kept.keeper.clock_trouble == "600 s fast"
    assert not state.barred
    kept.clock.advance(59)
    kept.keeper.live(state)
    assert len(kept.endpoint.asked) == 1
    kept.clock.advance(1)
    kept.keeper.live(state)
    kept.endpoint.asked[1].callback(GRANT)
    assert kept.keeper.clock_trouble == ""


def test_a_machines_token_is_no_other_replicas() -> None:
    class Others(LocalState):
        async def renew(self, account: str, current: Secret, ask: Any) -> IssuedToken:
            raise AssertionError("asked")

    kept, state = Kept(), AccountState(account(expires_at=0.0, grant=Metadata("metadata.google.internal")))
    keeper = TokenKeeper(kept.clock, lambda: 1000.0, kept.endpoint, Others())
    keeper.renew(state)
    kept.endpoint.asked[0].callback(GRANT)
    assert state.access_token == Secret("ya29.new")
