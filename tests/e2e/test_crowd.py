"""Crowds over sockets: hundreds of requests at once while accounts come and go, and while tokens have to be renewed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.crowd import crowd
from support.deferreds import deferred, until, wait
from support.stack import stack
from twisted.internet.defer import gatherResults

from antigravity_proxy.accounts import renewals
from antigravity_proxy.settings.limits import ACCOUNT_CALLS_AT_ONCE
from antigravity_proxy.simulator import faults
from antigravity_proxy.simulator.faults import Fault
from antigravity_proxy.startup import epoch
from antigravity_proxy.upstream.oauth import OAuthClient


@deferred(60)
async def test_five_hundred_requests_while_accounts_come_and_go(tmp_path: Path) -> None:
    """Some run into limits too. Every answer is whole, no lease is left, no account is asked twice for one request."""
    async with stack(tmp_path, accounts=10) as running, crowd(running) as many:
        volume, simulator = running.volume, running.simulator
        for number in (0, *range(3, 7)):
            simulator.script(faults.rate_limited(60), token=f"ya29.sim-{number}")
        simulator.script(*[Fault(delay=0.03)] * 9, Fault(delay=0.03, pause=0.2), times=50)
        asking = [many.chat(f"Question {n}", stream=n % 2 == 0) for n in range(500)]
        for turn in range(12):
            for number in range(3, 10):
                if (number + turn) % 2:
                    volume.remove(number)
                else:
                    volume.add(number, access_token=f"ya29.{turn}-{number}")
            volume.add_all(range(10 + turn, 12 + turn))
            await wait(0.15)
            asking += [many.chat(f"Question {n}") for n in range(len(asking), len(asking) + 10)]
        heard = await gatherResults(asking)
        assert Counter(answer.status for answer in heard) == {200: 620}
        assert all(answer.is_whole for answer in heard)
        for number, answer in enumerate(heard):
            assert answer.text.endswith(f"Question {number}")
        asked = Counter(
            (received.json["request"]["contents"][-1]["parts"][0]["text"], received.token)
            for received in simulator.requests
        )
        assert max(asked.values()) == 1
        assert len(asked) > 500
        assert len({token for _, token in asked}) > 15
        await until(lambda: all(not state.in_flight for state in running.daemon.pool.states))


@pytest.mark.row("one refresh")
@deferred(30)
async def test_two_hundred_wait_for_one_refresh(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=0) as running, crowd(running) as many:
        running.simulator.token_fault = Fault(pause=0.5)
        running.volume.add(7, expires_at=1000)
        await until(lambda: len(running.daemon.pool.states) == 1)
        asking = [many.chat(f"Question {n}") for n in range(200)]
        (state,) = running.daemon.pool.states
        await until(lambda: state.in_flight == 200)
        assert running.simulator.requests == []
        heard = await gatherResults(asking)
        assert Counter(answer.status for answer in heard) == {200: 200}
        assert len(running.simulator.refreshes) == 1
        assert {request.token for request in running.simulator.requests} == {"ya29.renewed-1"}


@pytest.mark.parametrize("live", [0, 1])
@deferred(30)
async def test_a_start_with_a_thousand_expired_accounts_is_no_stampede(
    tmp_path: Path, live: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request waits for a token only where nobody has a live one; few are asked for at once, whoever wants them."""
    monkeypatch.setattr(renewals, "FIRST", 0.0)
    asked, under_way, most = 0, 0, 0
    real = OAuthClient.refresh

    async def refresh(*args: Any) -> Any:
        nonlocal asked, under_way, most
        asked, under_way = asked + 1, under_way + 1
        most = max(most, under_way)
        try:
            return await real(*args)
        finally:
            under_way -= 1

    monkeypatch.setattr(OAuthClient, "refresh", refresh)
    async with stack(tmp_path, accounts=live) as running, crowd(running) as many:
        running.simulator.token_fault = Fault(pause=0.05)
        running.volume.add_all(range(1, 1000), expires_at=epoch() - 60)
        await until(lambda: len(running.daemon.pool.states) == 999 + live)
        heard = await gatherResults([many.chat(f"Question {n}") for n in range(100)])
        assert Counter(answer.status for answer in heard) == {200: 100}
        assert most <= (ACCOUNT_CALLS_AT_ONCE if not live else renewals.AT_ONCE + 1)
        assert asked < 130
