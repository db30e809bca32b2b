"""Settings re-read while the daemon runs: what takes effect, and what is only told of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace
from support.deferreds import deferred
from support.stack import stack
from twisted.logger import formatEvent, globalLogPublisher

from antigravity_proxy.daemon.reload import LIVE
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.resolve import OAuthPair, Settings, SettingsError


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
        daemon._reloader._resolve = lambda: fresh
        daemon._reload()
        assert (await running.request("GET", "/v1/models")).status == 401
        assert (await running.request("GET", "/v1/models", authorization="Bearer sk-new")).status == 200
        assert daemon.account_services.egresses._default == Secret("http://127.0.0.1:9")
        broken = replace(fresh, upstream_proxy=Secret("nonsense"))
        daemon._reloader._resolve = lambda: broken
        daemon._reload()
        assert daemon.account_services.egresses._default == Secret("http://127.0.0.1:9")


@deferred()
async def test_what_takes_a_new_start_is_told_and_left(tmp_path: Path) -> None:
    told: list[str] = []
    async with stack(tmp_path) as running:
        daemon: Any = running.daemon
        daemon._reloader._resolve = lambda: replace(daemon._settings, port=1, drain_seconds=7.0)
        globalLogPublisher.addObserver(observe := lambda event: told.append(formatEvent(event)))
        try:
            daemon._reload()
        finally:
            globalLogPublisher.removeObserver(observe)
        assert daemon._in_force.settings == daemon._settings
    assert "changed, but in effect at the next start only: PROXY_PORT, PROXY_DRAIN_SECONDS" in told


@deferred()
async def test_settings_that_are_wrong_change_nothing(tmp_path: Path, no_leaks: list[Any]) -> None:
    async with stack(tmp_path) as running:
        daemon: Any = running.daemon

        def fail() -> Settings:
            raise SettingsError("a secret's file is empty")

        daemon._reloader._resolve = fail
        daemon._reload()
        assert (await running.request("GET", "/v1/models")).status == 200
    assert no_leaks.pop() == "the settings stay as they are: {reason}"


def test_every_live_field_is_one_of_the_settings() -> None:
    assert {*Settings.__struct_fields__} >= LIVE
