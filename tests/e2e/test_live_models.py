"""What upstream offers and has left, as clients come to know it: model lists, resolution, limits, quotas."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from support.deferreds import deferred, until
from support.stack import Stack, stack

from antigravity_proxy.accounts import quota_poll
from antigravity_proxy.simulator import faults
from antigravity_proxy.simulator.server import Simulator
from antigravity_proxy.startup import epoch


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look doesn't wait."""
    monkeypatch.setattr(quota_poll, "FIRST", 0.0)


def quota(remaining: float | None, seconds: float = 3600) -> dict[str, Any]:
    """What is told of a model's quota; None: the field is left out, as proto JSON does with zeros."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch() + seconds))
    return {"quotaInfo": ({} if remaining is None else {"remainingFraction": remaining}) | {"resetTime": moment}}


def available(models: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"models": {"chat_1": {}, "tab_1": {}} | models, **more}


async def looked(running: Stack, count: int = 2) -> None:
    """Waits until so many looks have been answered."""
    await until(lambda: sum(bool(look.finished.called) for look in running.simulator.looks) >= count)
    await until(lambda: running.daemon.pool.states and all(s.quota for s in running.daemon.pool.states))


@deferred()
async def test_lists_show_what_the_accounts_are_offered(tmp_path: Path) -> None:
    def before(simulator: Simulator) -> None:
        flash = {"displayName": "Flash", "maxOutputTokens": 1000, "maxTokens": 2000} | quota(0.5)
        replaced = {"gemini-ancient": {"newModelId": "gemini-2.5-flash"}}
        simulator.available = {
            "ya29.sim-0": available({"gemini-2.5-flash": flash}, deprecatedModelIds=replaced),
            "ya29.sim-1": available({"gemini-2.5-flash": flash, "claude-sonnet-4-6": quota(1)}),
        }

    async with stack(tmp_path, before=before) as running:
        await looked(running)
        names = {"claude-sonnet-4-5", "claude-sonnet-4-6", "claude-opus-4-6", "gemini-2.5-flash", "gemini-3.1-pro"}
        names |= {"gemini-3.5-flash", "gpt-5", "gpt-5-mini"}
        openai = (await running.request("GET", "/v1/models")).json
        assert {model["id"] for model in openai["data"]} == names
        anthropic = (await running.request("GET", "/v1/models", anthropic_version="2023-06-01")).json
        limits = {m["id"]: (m["display_name"], m["max_input_tokens"], m["max_tokens"]) for m in anthropic["data"]}
        assert limits["gemini-2.5-flash"] == ("Flash", 2000, 1000)
        gemini = (await running.request("GET", "/v1beta/models/gemini-2.5-flash")).json
        assert (gemini["displayName"], gemini["outputTokenLimit"]) == ("Flash", 1000)
        assert (await running.request("GET", "/v1/models/gemini-3-flash")).status == 200  # as chat serves it
        assert (await running.request("GET", "/v1/models/llama-3")).status == 404

        for name in ("gemini-2.5-flash", "gemini-ancient", "gpt-5"):
            answer = await running.chat(model=name, max_tokens=5000)
            assert answer.headers["x-antigravity-model"] == "gemini-2.5-flash"
        sent = [request.json for request in running.simulator.requests]
        assert {body["request"]["generationConfig"]["maxOutputTokens"] for body in sent} == {1000}


@deferred()
async def test_a_used_up_quota_is_kept_to_before_upstream_refuses(tmp_path: Path) -> None:
    def before(simulator: Simulator) -> None:
        simulator.available = {
            "ya29.sim-0": available({"gemini-3-flash": quota(None), "gemini-pro-agent": quota(None)}),
            "ya29.sim-1": available({"gemini-3-flash": quota(0.5), "gemini-pro-agent": quota(None, 1800)}),
        }

    async with stack(tmp_path, before=before) as running:
        await looked(running)
        for _ in range(4):
            assert (await running.chat()).status == 200
        assert {request.token for request in running.simulator.requests} == {"ya29.sim-1"}
        refused = await running.chat(model="gemini-pro-agent")
        assert refused.status == 429
        assert 1790 <= int(refused.headers["retry-after"]) <= 1800
        assert len(running.simulator.requests) == 4
        lines = {line["id"]: line for line in (await running.request("GET", "/capacity")).json["models"]}
        flash, pro = lines["gemini-3-flash"], lines["gemini-pro-agent"]
        assert (flash["usable"], flash["cooling"], flash["remainingFraction"]) == (1, 1, 0.25)
        assert (pro["usable"], pro["cooling"], pro["remainingFraction"]) == (0, 2, 0.0)
        assert 1790 <= pro["retryAfter"] <= 1800


@deferred()
async def test_the_accounts_own_project_and_egress_are_used(tmp_path: Path) -> None:
    def before(simulator: Simulator) -> None:
        simulator.projectless = {"ya29.sim-0"}

    async with stack(tmp_path, before=before) as running:
        await looked(running, 3)
        found = sorted((look.token, look.json.get("project", "")) for look in running.simulator.looks)
        assert found == [("ya29.sim-0", ""), ("ya29.sim-0", "project-0"), ("ya29.sim-1", "project-1")]


@deferred()
async def test_without_an_answer_everything_works_by_the_tables(tmp_path: Path) -> None:
    def before(simulator: Simulator) -> None:
        simulator.models_fault = faults.failing(503)

    async with stack(tmp_path, before=before) as running:
        await until(lambda: len(running.simulator.looks) >= 2)
        assert (await running.chat()).status == 200
        names = {model["id"] for model in (await running.request("GET", "/v1/models")).json["data"]}
        assert {"gemini-3-flash", "claude-sonnet-4-6", "gpt-5"} <= names
        assert running.simulator.refreshes == []
