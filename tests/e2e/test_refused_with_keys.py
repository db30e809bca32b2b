"""What accounts are refused, official credentials serve: another upstream has rules of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.deferreds import deferred
from support.stack import Stack, stack

from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.simulator import faults
from antigravity_proxy.simulator.faults import Fault

KEYED = "AIzaSyOne-" + "1" * 29
MODEL = "gemini-3-flash"


async def served_by(running: Stack) -> tuple[int, str]:
    """The status, and who served."""
    answer = await running.chat(model=MODEL)
    return answer.status, answer.headers["x-antigravity-upstream"] or ""


@pytest.mark.parametrize(
    ("fault", "attempts"), [(faults.bare_limit(), 2), (faults.forbidden(), 3), (faults.barred(), 1)]
)
@deferred(30)
async def test_a_key_serves_what_accounts_are_refused(tmp_path: Path, fault: Fault, attempts: int) -> None:
    async with stack(tmp_path, accounts=3, GEMINI_API_KEYS=KEYED) as running:
        assert await served_by(running) == (200, "accounts")
        for state in running.daemon.pool.states:
            state.has_served = False
            running.daemon.pool.observed_quota(state.credential.id, {MODEL: ModelQuota(0.9)})
        running.daemon.account_services.relay.upstream.refusals.has_served = False
        running.simulator.requests.clear()
        running.simulator.script(fault, times=attempts)
        assert await served_by(running) == (200, "gemini")
        asked = [request.token for request in running.simulator.requests]
        assert asked[-1] == KEYED
        assert len(set(asked)) == attempts + 1
