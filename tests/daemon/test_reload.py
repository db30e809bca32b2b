"""Settings re-read while the daemon runs: what takes effect, and what is only logged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace
from support.deferreds import deferred, until
from support.stack import Stack, stack
from twisted.logger import formatEvent, globalLogPublisher

from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.proxies import UnusableProxy
from antigravity_proxy.settings.resolve import Given, SettingsError
from antigravity_proxy.settings.table import LIVE, OAuthPair, Settings


def reread(running: Stack, clients: dict[str, OAuthPair] | None = None, **values: Any) -> list[str]:
    """Has the daemon re-read, with these values by the environment now; returns what was logged."""
    daemon: Any = running.daemon
    before: Given = daemon.in_force._given
    given = replace(
        before,
        values={**before.values, **values},
        sources={**before.sources, **dict.fromkeys(values, "environment")},
        clients=before.clients if clients is None else clients,
    )
    daemon.reloader.resolve = lambda: given
    logged: list[str] = []
    globalLogPublisher.addObserver(observe := lambda event: logged.append(formatEvent(event)))
    try:
        daemon.reload()
    finally:
        globalLogPublisher.removeObserver(observe)
    return logged


@deferred()
async def test_what_can_change_is_in_force_at_once(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        other = {"": OAuthPair("other", Secret("client"))}
        reread(running, other, api_keys=(Secret("sk-new"),), upstream_proxy=Secret("http://127.0.0.1:9"))
        assert (await running.request("GET", "/v1/models")).status == 401
        assert (await running.request("GET", "/v1/models", authorization="Bearer sk-new")).status == 200
        daemon: Any = running.daemon
        assert daemon.account_services.egresses.proxy == Secret("http://127.0.0.1:9")
        assert daemon.account_services.upstream._settings.clients == other
        reread(running, upstream_proxy=None)
        assert daemon.account_services.egresses.proxy is None


@deferred()
async def test_what_takes_a_new_start_is_logged_and_left(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        logged = reread(running, port=1, drain_seconds=7.0)
        daemon: Any = running.daemon
        assert daemon.in_force.settings == daemon.settings
    assert "changed, but applied at the next start only: PROXY_PORT, PROXY_DRAIN_SECONDS" in logged


@deferred()
async def test_settings_that_are_wrong_change_nothing(tmp_path: Path, no_leaks: list[Any]) -> None:
    async with stack(tmp_path) as running:
        daemon: Any = running.daemon

        def fail() -> Given:
            raise SettingsError("a secret's file is empty")

        daemon.reloader.resolve = fail
        daemon.reload()
        assert (await running.request("GET", "/v1/models")).status == 200
    assert no_leaks.pop() == "the settings were not changed: {reason}"


@deferred()
async def test_a_proxy_of_the_app_that_can_not_be_used_is_never_left_out(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        daemon: Any = running.daemon
        for url in ("127.0.0.1:7890", "socks4://127.0.0.1:7890", ""):
            running.volume.configure(api_key="sk-test", upstream_proxy={"enabled": True, "url": url})
            await until(lambda: isinstance(daemon.account_services.egresses.proxy, UnusableProxy))
            before = len(running.simulator.requests)
            assert (await running.chat()).status in (502, 503)
            assert len(running.simulator.requests) == before
            health = (await running.request("GET", "/health")).json
            assert [warning for warning in health["warnings"] if "upstream_proxy" in warning]
            running.volume.configure(api_key="sk-test", upstream_proxy={"enabled": False, "url": url})
            await until(lambda: daemon.account_services.egresses.proxy is None)
            assert (await running.chat()).status == 200


def test_every_live_field_is_one_of_the_settings() -> None:
    assert {*Settings.__struct_fields__} > LIVE
