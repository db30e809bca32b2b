"""A restart asks nobody who is known to be limited."""

from __future__ import annotations

from pathlib import Path

from support.deferreds import deferred
from support.stack import stack

from antigravity_proxy.simulator import faults


@deferred(40)
async def test_a_restart_asks_nobody_who_is_known_to_be_limited(tmp_path: Path) -> None:
    given = {"PROXY_STATE_DIR": str(tmp_path / "state")}
    async with stack(tmp_path, accounts=1, **given) as running:
        running.simulator.script(faults.quota_exhausted_for("3600s"))
        assert (await running.chat()).status == 429
    async with stack(tmp_path, accounts=1, **given) as running:
        limited = await running.chat()
        assert limited.status == 429
        assert 3500 < int(limited.headers["retry-after"]) <= 3600
        assert not running.simulator.requests
