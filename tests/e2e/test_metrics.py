"""Metrics over sockets: asked for without a key, true, and telling nothing of anybody."""

from __future__ import annotations

import http.client
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.deferreds import deferred
from support.stack import KEY, Stack, free_port, stack
from twisted.internet.defer import Deferred

from antigravity_proxy.simulator import faults


async def metrics(running: Stack) -> dict[str, float]:
    """Sums of all samples by name, and each by name and labels."""
    answer = await running.request("GET", "/metrics", authorization="")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert answer.headers["x-content-type-options"] == "nosniff"
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(answer.body.decode()):
        for sample in family.samples:
            name = sample.name.removeprefix("antigravity_")
            labels = ",".join(value for _, value in sorted(sample.labels.items()))
            found[f"{name}{{{labels}}}"] = sample.value
            found[name] = found.get(name, 0.0) + sample.value
    return found


@deferred()
async def test_what_goes_on_is_told(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=3) as running:
        before = await metrics(running)
        assert before["accounts_usable"] == 3
        assert before["volume_up"] == before["health{healthy}"] == 1
        assert before["volume_rows{open}"] == 3
        assert before["health{unhealthy}"] == before["draining"] == before["leases_held"] == 0
        running.simulator.script(faults.quota_exhausted_for("60s"))
        await running.chat()
        await running.chat(stream=True)
        await running.request("GET", "/v1/models", authorization="")
        after = await metrics(running)
        assert after["requests_total"] == 3
        assert after["requests_total{openai,gemini,chat,200}"] == 2
        assert after["requests_refused_total"] == 1
        assert (
            after["attempts_total{quota,accounts}"]
            == after["failovers_total{quota,accounts}"]
            == after["set_aside_total{quota,accounts}"]
            == 1
        )
        assert after["attempts_total{served,accounts}"] == 2
        assert after["leases_total"] == 3
        assert after["model_accounts{gemini-3-flash,ready,accounts}"] == 2
        assert after["model_accounts{gemini-3-flash,cooling,accounts}"] == 1
        assert after["model_free_in_seconds{gemini-3-flash,accounts}"] == 0
        assert after["requests_open"] == after["streams_open"] == 0
        assert after["process_resident_memory_bytes"] > 1e7
        assert after["volume_reads_total"] >= 1


@deferred()
async def test_open_streams_and_renewals_are_told(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        running.simulator.script(faults.Fault(silent=True))
        waiting = Deferred.fromCoroutine(running.chat(stream=True))
        await running.simulator.arrived(1)
        found = await metrics(running)
        assert found["requests_open"] == found["streams_open"] == found["leases_held"] == 1
        assert found["connections_open"] >= 2
        (busy,) = [state for state in running.daemon.pool.states if state.in_flight]
        await running.daemon.account_services.tokens.renew(busy)
        assert (await metrics(running))["token_renewals_total{renewed,accounts}"] == 1
        for channel in list(running.daemon.site.channels):
            channel.transport.abortConnection()
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            await waiting


@deferred()
async def test_a_volume_that_breaks_is_told(tmp_path: Path, no_leaks: list[Any]) -> None:
    async with stack(tmp_path) as running:
        (running.volume.directory / "cloud_accounts.db").rename(tmp_path / "elsewhere")
        await running.daemon.volume.read()
        found = await metrics(running)
        assert found["volume_up"] == 0
        assert found["volume_reads_failed_total"] >= 1
        assert found["health{degraded}"] == 1
        assert no_leaks.pop() == "the volume can't be read: {reason}"


@deferred()
async def test_an_egress_proxy_that_fails_is_told(tmp_path: Path) -> None:
    async with stack(tmp_path, UPSTREAM_PROXY_URL=f"http://127.0.0.1:{free_port()}") as running:
        assert (await metrics(running))["egress_proxies_failing{configured}"] == 0
        assert (await running.chat()).status in (502, 503)
        found = await metrics(running)
        assert (found["egress_proxies_failing{configured}"], found["egress_proxies_failing{account}"]) == (1, 0)


@deferred()
async def test_nobody_is_named(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        await running.chat(model="someone@example.com ya29.x")
        text = (await running.request("GET", "/metrics", authorization="")).body.decode()
        ids = [state.credential.id for state in running.daemon.pool.states]
        for hidden in (*ids, "@", "ya29", "1//", KEY, "127.0.0.1", str(tmp_path)):
            assert hidden not in text


@pytest.mark.parametrize("accept", ["text/plain;version=abc", "text/plain;version=1.0.0a1!", "²", ";;;", "q=," * 1000])
@deferred()
async def test_an_accept_that_is_nonsense_gets_the_plain_form(tmp_path: Path, accept: str) -> None:
    async with stack(tmp_path) as running:
        found = await running.request(
            "GET", "/metrics", authorization="", accept=accept.encode("latin-1", "replace").decode("latin-1")
        )
        assert found.status == 200
        assert (found.headers["content-type"] or "").startswith("text/plain")
