"""Settings re-read while the daemon runs: what takes effect, and what is only told of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace
from support.deferreds import deferred
from support.stack import stack

from antigravity_proxy.daemon.reloading import LIVE
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.resolve import OAuthPair, Settings


@deferred()
async def test_what_can_change_is_in_force_at_once(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        daemon: Any = running.daemon
        old: Settings = daemon._settings
        fresh = replace(
            old,
            api_keys=(Secret("sk-new"),),
            clients={"": OAuthPair("other", Secret("client"))},
            upstream_proxy=Secret("http://127.0.0.1:9"),
            sources={**old.sources, "api_keys": "environment", "upstream_proxy": "environment"},
        )
        daemon._reloading._resolve = lambda: fresh
        daemon._reload()
        assert (await running.request("GET", "/v1/models")).status == 401
        assert (await running.request("GET", "/v1/models", authorization="Bearer sk-new")).status == 200
        assert daemon._egresses._default == Secret("http://127.0.0.1:9")
        broken = replace(fresh, upstream_proxy=Secret("nonsense"))
        daemon._reloading._resolve = lambda: broken
        daemon._reload()
        assert daemon._egresses._default == Secret("http://127.0.0.1:9")


def test_every_live_field_is_one_of_the_settings() -> None:
    assert {*Settings.__struct_fields__} >= LIVE
