"""Both windows of an account's quota, from upstream to the page, ``/capacity``, headers and the choice of accounts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.admin import site
from support.deferreds import deferred, in_thread, until
from support.stack import KEY, Stack, stack
from websockets.sync.client import connect

from antigravity_proxy.accounts import quota_poll
from antigravity_proxy.canonical.windows import FIVE_HOURS, Standing, Window
from antigravity_proxy.operator.running import findings
from antigravity_proxy.simulator.server import Simulator


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota_poll, "FIRST", 0.0)


def groups(five_hours: float, week: float) -> list[dict[str, Any]]:
    def bucket(window: str, remaining: float, seconds: float) -> dict[str, Any]:
        reset = datetime.fromtimestamp(int(time.time() + seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: TID251
        return {"window": window, "remainingFraction": remaining, "resetTime": reset}

    return [
        {"displayName": "Gemini models", "buckets": [bucket("5h", five_hours, 9000), bucket("weekly", week, 86_400)]}
    ]


def with_windows(five_hours: float, week: float) -> Callable[[Simulator], None]:
    def before(simulator: Simulator) -> None:
        simulator.quota_groups = groups(five_hours, week)
        simulator.paid_tier = {"id": "g1-pro-tier", "availableCredits": [{"creditAmount": "1200"}]}

    return before


async def known(running: Stack) -> None:
    await until(lambda: all(state.standing.tier for state in running.daemon.pool.states))


@deferred(30)
async def test_capacity_and_headers_tell_of_both_windows(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=1, before=with_windows(0.25, 0.05)) as running:
        await known(running)
        told = (await running.request("GET", "/capacity")).json
        windows = {each["window"]: each for each in told["windows"]}
        assert windows["5h"]["remainingFraction"] == 0.25
        assert windows["5h"]["group"] == "Gemini models"
        assert windows["5h"]["usedUpAt"] < windows["5h"]["resetsAt"]
        assert windows["weekly"]["remainingFraction"] == 0.05
        (subscription,) = told["subscriptions"]
        assert (subscription["tier"], subscription["credits"]) == ("g1-pro-tier", 1200)
        body = {"model": "gemini-3-flash", "max_tokens": 10, "messages": [{"role": "user", "content": "Hello"}]}
        for stream in (False, True):
            headers = (await running.request("POST", "/v1/messages", body | {"stream": stream})).headers
            assert headers["anthropic-ratelimit-unified-5h-utilization"] == "0.75"
            assert headers["anthropic-ratelimit-unified-5h-status"] == "allowed"
            assert headers["anthropic-ratelimit-unified-7d-status"] == "allowed_warning"
            assert int(headers["anthropic-ratelimit-unified-7d-reset"]) > time.time()  # noqa: TID251
        assert not [name for name in (await running.chat()).headers if "ratelimit" in name]
        metrics = (await running.request("GET", "/metrics")).body.decode()
        assert 'antigravity_quota_window_remaining{family="gemini",window="5h"} 0.25' in metrics


@deferred(30)
async def test_a_tier_that_no_table_knows_is_told(tmp_path: Path) -> None:
    def before(simulator: Simulator) -> None:
        with_windows(0.5, 0.5)(simulator)
        simulator.paid_tier = {"id": "g9-mega-tier"}

    async with site(tmp_path, ACCOUNTS="1", before=before) as here:
        running = here.stack
        await until(lambda: any("tier g9-mega-tier" in each for each in running.daemon.health.warnings()))
        assert b"tier g9-mega-tier" in (await here.get("/")).body
        assert "tier g9-mega-tier" in str((await running.request("GET", "/health")).json["warnings"])
        assert b'antigravity_drift_total{kind="tier"} 1.0' in (await running.request("GET", "/metrics")).body
        found = await findings(running.daemon.settings)
        assert any("tier g9-mega-tier" in each.message for each in found if each.level == "warning")


@deferred(30)
async def test_the_rest_of_a_week_is_its_owners(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=1, before=with_windows(1.0, 0.2), PROXY_WEEK_RESERVE="25") as running:
        await known(running)
        limited = await running.chat()
        assert limited.status == 429
        assert 86_000 < int(limited.headers["retry-after"]) <= 86_400
        assert not running.simulator.requests


@deferred(30)
async def test_the_page_shows_windows_credits_and_pace(tmp_path: Path) -> None:
    async with site(tmp_path, before=with_windows(0.25, 0.9)) as here:
        await known(here.stack)
        page = (await here.get("/")).body.decode()
        for words in (
            "<h4>Gemini models</h4>",
            "25 %",
            "at this pace used up in",
            "g1-pro-tier, 1,200 credits left",
        ):
            assert words in page


@deferred(30)
async def test_an_upstream_without_these_calls_changes_nothing(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=1) as running:
        await until(lambda: bool(running.simulator.looks))
        assert (await running.chat()).status == 200
        assert (await running.request("GET", "/capacity")).json["windows"] == []


@deferred(30)
async def test_codex_is_told_by_headers_and_on_a_socket_by_an_event(tmp_path: Path) -> None:
    agent = {"User-Agent": "codex_cli_rs/0.171.0 (Linux)"}
    body = {"model": "gemini-3-flash", "input": "Hello"}

    def by_socket(port: int, headers: dict[str, str]) -> list[dict[str, Any]]:
        sent = {"Authorization": f"Bearer {KEY}"} | headers
        with connect(f"ws://127.0.0.1:{port}/v1/responses", additional_headers=sent, proxy=None) as client:
            client.send(json.dumps({"type": "response.create"} | body))
            found = [json.loads(client.recv(timeout=10))]
            while found[-1]["type"] != "response.completed":
                found.append(json.loads(client.recv(timeout=10)))
        return found

    async with stack(tmp_path, accounts=2, before=with_windows(0.25, 0.05)) as running:
        await known(running)
        least = next(iter(running.daemon.pool.states))
        least.stands(Standing({"Gemini models": {FIVE_HOURS: Window(0.01, time.time() + 9000)}}))  # noqa: TID251
        headers = (await running.request("POST", "/v1/responses", body, **agent)).headers
        assert headers["x-codex-primary-used-percent"] == "75.0"
        assert headers["x-codex-primary-window-minutes"] == "300"
        assert headers["x-codex-secondary-used-percent"] == "95.0"
        assert headers["x-codex-secondary-window-minutes"] == "10080"
        event, *others = await in_thread(by_socket, running.port, agent)
        assert event == {
            "type": "codex.rate_limits",
            "rate_limits": {
                called: {
                    "used_percent": float(headers[f"x-codex-{called}-used-percent"]),
                    "window_minutes": int(headers[f"x-codex-{called}-window-minutes"]),
                    "reset_at": int(headers[f"x-codex-{called}-reset-at"]),
                }
                for called in ("primary", "secondary")
            },
        }
        assert others[0]["type"] == "response.created"
        plain = await in_thread(by_socket, running.port, {"User-Agent": "openai-python"})
        assert plain[0]["type"] == "response.created"
        other = await running.request("POST", "/v1/responses", body)
        assert not [name for name in other.headers if "codex" in name]
