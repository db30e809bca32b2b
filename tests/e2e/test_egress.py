"""Ways out over sockets: whose proxy is taken, for which calls, and what its failure means."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from support.deferreds import deferred, until
from support.proxies import Kind, proxy
from support.stack import Stack, free_port, stack
from twisted.logger import ILogObserver, formatEvent, globalLogPublisher

from antigravity_proxy.secret import Secret
from antigravity_proxy.simulator.faults import Fault
from antigravity_proxy.telemetry.record import Record

KINDS: list[Kind] = ["http", "socks5"]


async def with_accounts(running: Stack, *accounts: dict[str, Any]) -> None:
    """Accounts whose tokens have to be renewed and whose projects have to be asked for, by number."""
    for number, fields in enumerate(accounts):
        running.volume.add(number, **{"expires_at": 1000, "project_id": None} | fields)
    await until(lambda: len(running.daemon.pool.states) == len(accounts))


@pytest.mark.parametrize("kind", KINDS)
@deferred()
async def test_an_accounts_own_proxy_takes_its_tokens_its_project_and_its_requests(tmp_path: Path, kind: Kind) -> None:
    async with proxy(kind) as own, stack(tmp_path, accounts=0) as running:
        await with_accounts(running, {"upstream_proxy_url": own.url})
        assert (await running.chat()).status == 200
        simulator = running.simulator
        assert (len(simulator.refreshes), len(simulator.loads), len(simulator.requests)) == (1, 1, 1)
        target = simulator.url.removeprefix("http://")
        assert set(own.targets) == {target}
        assert own.refused == 0
        sent = [received.headers for received in (*simulator.loads, *simulator.requests)]
        assert not any(headers.hasHeader("proxy-authorization") for headers in sent)


@pytest.mark.parametrize("kind", KINDS)
@deferred()
async def test_the_configured_proxy_takes_those_who_have_none_of_their_own(tmp_path: Path, kind: Kind) -> None:
    async with (
        proxy(kind) as usual,
        proxy("http") as own,
        stack(tmp_path, accounts=0, UPSTREAM_PROXY_URL=usual.url) as running,
    ):
        await with_accounts(running, {}, {"upstream_proxy_url": own.url})
        for user in "abcd":
            assert (await running.chat(user=user)).status == 200
        assert usual.targets
        assert own.targets
        assert len(running.simulator.refreshes) == len(running.simulator.loads) == 2


@deferred()
async def test_the_apps_proxy_is_followed_without_a_restart_and_a_wrong_one_is_not(tmp_path: Path) -> None:
    async with proxy("http") as first, stack(tmp_path) as running:

        def configure(url: str, *, enabled: bool = True) -> None:
            running.volume.configure(api_key="sk-test", upstream_proxy={"enabled": enabled, "url": url})

        assert (await running.chat()).status == 200
        configure(first.url)
        await until(lambda: running.daemon.account_services.egresses.proxy == Secret(first.url))
        assert (await running.chat()).status == 200
        assert len(first.targets) == 1
        configure("gopher://nowhere")
        await until(lambda: running.daemon.state.config.upstream_proxy == Secret("gopher://nowhere"))
        assert running.daemon.account_services.egresses.proxy == Secret(first.url)
        configure("", enabled=False)
        await until(lambda: running.daemon.account_services.egresses.proxy is None)


@deferred()
async def test_a_setting_stands_above_the_apps_proxy(tmp_path: Path) -> None:
    async with proxy("http") as set_here, stack(tmp_path, UPSTREAM_PROXY_URL=set_here.url) as running:
        running.volume.configure(api_key="sk-test", upstream_proxy={"enabled": True, "url": "http://127.0.0.1:1"})
        await until(lambda: running.daemon.state.config.upstream_proxy is not None)
        assert (await running.chat()).status == 200
        assert set_here.targets


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{dead}", "socks5://wrong:password@127.0.0.1:{port}", "nonsense", "http://"]
)
@deferred()
async def test_an_accounts_broken_proxy_is_no_other_accounts_trouble(tmp_path: Path, url: str) -> None:
    async with proxy("socks5") as picky, stack(tmp_path, accounts=0) as running:
        broken = url.format(dead=free_port(), port=picky.port)
        live = {"expires_at": 4_102_444_800, "project_id": "p"}
        await with_accounts(running, live, live | {"upstream_proxy_url": broken}, {"upstream_proxy_url": broken})
        for user in "abc":
            assert (await running.chat(user=user)).status == 200
        assert {received.token for received in running.simulator.requests} == {"ya29.sim-0"}
        assert not running.daemon.account_services.bases.avoided
        _, *broken_ones = sorted((state.credential for state in running.daemon.pool.states), key=lambda each: each.id)
        await running.daemon.pool.update(broken_ones)
        answer = await running.chat()
        assert answer.status in (502, 503)
        assert "password" not in answer.body.decode()


@pytest.mark.row("redirects")
@deferred()
async def test_no_redirect_takes_a_token_along(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=0) as elsewhere, stack(tmp_path / "second", accounts=0) as running:
        location = (("location", f"{elsewhere.simulator.url}/v1internal:loadCodeAssist"),)
        await with_accounts(running, {})
        running.simulator.token_fault = Fault(307, b"", location)
        assert (await running.chat()).status == 503
        await with_accounts(running, {"expires_at": 4_102_444_800, "refresh_token": "1//another"})
        (state,) = running.daemon.pool.states
        await until(lambda: state.grant.token.reveal() == "1//another")
        running.simulator.script(*[Fault(code, b"", location) for code in (301, 302, 303, 307, 308)])
        assert (await running.chat()).status == 502
        assert (await running.chat()).status == 200
        for kind in (elsewhere.simulator.requests, elsewhere.simulator.loads, elsewhere.simulator.refreshes):
            assert kind == []


@pytest.mark.parametrize("way", ["gone", "refuses"])
@pytest.mark.parametrize("whose", ["the setting's", "the account's own"])
@deferred()
async def test_a_proxy_that_fails_is_named_without_its_password(tmp_path: Path, way: str, whose: str) -> None:
    lines: list[str] = []
    log_to = cast(ILogObserver, lambda event: lines.append(formatEvent(event)))
    async with proxy("http") as picky:
        named = f"http://127.0.0.1:{picky.port if way == 'refuses' else free_port()}"
        url = named.replace("//", "//user:hunter2@")
        setting, own = ({}, {"upstream_proxy_url": url}) if "own" in whose else ({"UPSTREAM_PROXY_URL": url}, {})
        globalLogPublisher.addObserver(log_to)
        try:
            async with stack(tmp_path, accounts=0, **setting) as running:
                noted: list[Record] = []
                running.daemon.ledger.observe(noted.append)
                await with_accounts(running, {"expires_at": 4_102_444_800, "project_id": "p"} | own)
                answer = await running.chat()
                health = await running.request("GET", "/health", authorization="")
                assert not running.simulator.requests
        finally:
            globalLogPublisher.removeObserver(log_to)
    assert answer.status == 502
    assert "the egress proxy gives no way" in answer.json["error"]["message"]
    assert {attempt.reason for attempt in noted[-1].attempts} == {"no_way_out"}
    (warning,) = (each for each in health.json["warnings"] if "egress prox" in each)
    if own:
        assert warning == "1 egress proxies that accounts name for themselves fail; the log names them"
    else:
        assert f"The egress proxy {named} " in warning
        assert "(set by environment; UPSTREAM_PROXY_URL=none: no proxy)" in warning
    assert len([line for line in lines if f"the egress proxy {named} " in line]) == 1
    assert "hunter2" not in str((answer.body, health.body, lines))
