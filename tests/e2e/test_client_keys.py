"""Clients' own keys, hosts and origins, over sockets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.deferreds import deferred, until
from support.stack import Answer, Stack, stack
from twisted.internet.defer import Deferred

from antigravity_proxy.simulator.faults import Fault
from antigravity_proxy.web.client_keys import ClientKey, digest, render

CHAT, MESSAGES, GENERATE = "/v1/chat/completions", "/v1/messages", "/v1beta/models/gemini-3-flash:generateContent"
CREATED = datetime(2026, 1, 1, tzinfo=UTC)
BODY: dict[str, Any] = {
    "model": "gemini-3-flash",
    "max_tokens": 10,
    "messages": [{"role": "user", "content": "x"}],
    "contents": [{"parts": [{"text": "x"}]}],
}


def key(name: str, **fields: Any) -> ClientKey:
    return ClientKey(name=name, sha256=digest(f"sk-ag-{name}".encode()).decode(), created=CREATED, **fields)


async def ask(running: Stack, name: str, path: str = CHAT, **fields: Any) -> Answer:
    return await running.request("POST", path, BODY | fields, authorization=f"Bearer sk-ag-{name}")


@pytest.mark.row("client keys")
@deferred(30)
async def test_each_key_has_its_limits_told_in_the_dialect(tmp_path: Path, observe: Callable[[str], None]) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(
        render(
            (
                key("free"),
                key("slow", requests_per_minute=1),
                key("narrow", concurrent=1),
                key("flash", models=("gemini-3-flash*",)),
                key("old", expires=CREATED),
            )
        )
    )
    async with stack(tmp_path, PROXY_CLIENT_KEYS_FILE=str(path)) as running:
        assert (await ask(running, "free")).status == 200
        assert (await running.chat()).status == 200
        assert (await ask(running, "nobody")).status == 401
        expired = await ask(running, "old", MESSAGES)
        assert (expired.status, expired.json["error"]["type"]) == (401, "authentication_error")
        assert "expired" in expired.json["error"]["message"]

        assert (await ask(running, "slow")).status == 200
        for each, told in ((CHAT, "type"), (MESSAGES, "type"), (GENERATE, "status")):
            limited = await ask(running, "slow", each)
            assert limited.status == 429
            assert 55 <= int(limited.headers["retry-after"]) <= 60
            assert limited.json["error"][told] in ("rate_limit_error", "RESOURCE_EXHAUSTED")

        running.simulator.script(Fault(pause=30.0))
        waiting = Deferred.fromCoroutine(ask(running, "narrow"))
        arrived = len(running.simulator.requests)
        await until(lambda: len(running.simulator.requests) > arrived)
        limited = await ask(running, "narrow")
        assert (limited.status, limited.headers["retry-after"]) == (429, "2")
        models = await running.request("GET", "/v1/models", authorization="Bearer sk-ag-narrow")
        assert models.status == 200
        running.simulator.requests[-1].finished.addErrback(lambda _: None)
        for channel in list(running.daemon.site.channels):
            channel.transport.abortConnection()
        waiting.addErrback(lambda _: None)
        await waiting
        assert (await ask(running, "narrow")).status == 200

        assert (await ask(running, "flash", GENERATE)).status == 200
        own = {"authorization": "Bearer sk-ag-flash"}
        listed = (await running.request("GET", "/v1/models", **own)).json["data"]
        assert "gemini-3-flash" in [model["id"] for model in listed]
        assert not [model["id"] for model in listed if model["id"].startswith("claude-")]
        assert (await running.request("GET", "/v1/models/gemini-3-flash", **own)).status == 200
        assert (await running.request("GET", "/v1/models/claude-sonnet-4-6", **own)).status == 404
        for each, body in ((CHAT, {"model": "gemini-pro-agent"}), (MESSAGES, {"model": "claude-sonnet-4-6"})):
            refused = await ask(running, "flash", each, **body)
            assert refused.status == 403
            assert refused.json["error"]["type"] == "permission_error"
    observe("429 with Retry-After in 3 dialects, 403 for other models, 401 after its time")


@deferred(20)
async def test_the_file_is_in_effect_within_a_second_or_two_and_a_broken_one_opens_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    async with stack(tmp_path, api_key="", PROXY_CLIENT_KEYS_FILE=str(path)) as running:
        assert (await running.request("GET", "/v1/models", authorization="")).status == 401
        warnings = (await running.request("GET", "/health")).json["warnings"]
        assert any("PROXY_CLIENT_KEYS_FILE: it isn't there" in each for each in warnings)
        path.write_bytes(render((key("laptop"),)))
        await until(lambda: not running.daemon.gate.keys.closed, 3.0)
        assert (await ask(running, "laptop")).status == 200
        for broken in (b"", b"{", b'{"version":1,"keys":[{}]}'):
            path.write_bytes(broken)
            file = running.daemon.health._client_keys
            await until(lambda: file.trouble != "", 3.0)  # noqa: B023
            assert (await ask(running, "laptop")).status == 200
            assert (await running.request("GET", "/v1/models", authorization="")).status == 401
            path.write_bytes(render((key("laptop"),)))
            await until(lambda: file.trouble == "", 3.0)  # noqa: B023
        path.write_bytes(render(()))
        await until(lambda: running.daemon.gate.keys.closed, 3.0)
        assert (await ask(running, "laptop")).status == 401


@pytest.mark.row("rebinding")
@deferred(20)
async def test_without_a_key_only_our_own_names_are_answered(tmp_path: Path, observe: Callable[[str], None]) -> None:
    async with stack(tmp_path, api_key="", PROXY_ALLOWED_HOSTS="box.example") as running:
        for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80"):
            for path in ("/v1/models", CHAT, "/capacity", "/metrics/.."):
                assert (await running.request("GET", path, host=host, authorization="")).status == 403, (host, path)
        for host in ("localhost:1", "127.0.0.1", "[::1]:8045", "box.example"):
            assert (await running.request("GET", "/v1/models", host=host, authorization="")).status == 200
        assert (await running.request("GET", "/health", host="evil.example")).status == 200
    async with stack(tmp_path / "keyed") as running:
        assert (await running.request("GET", "/v1/models", host="any.example")).status == 200
    observe("3 names on 4 paths: 403; 4 of ours: 200")


@deferred(20)
async def test_pages_of_named_origins_may_call_and_read_even_the_refusals(tmp_path: Path) -> None:
    async with stack(tmp_path, PROXY_CORS_ORIGINS="https://chat.example") as running:
        asked = {"origin": "https://chat.example", "access_control_request_method": "POST", "authorization": ""}
        preflight = await running.request("OPTIONS", CHAT, access_control_request_headers="authorization", **asked)
        assert (preflight.status, preflight.body) == (200, b"")
        assert preflight.headers["access-control-allow-headers"] == "authorization"
        answer = await running.request("POST", CHAT, BODY | {"stream": True}, origin="https://chat.example")
        assert answer.headers["access-control-allow-origin"] == "https://chat.example"
        refused = await running.request("POST", CHAT, BODY, origin="https://chat.example", authorization="Bearer no")
        assert (refused.status, refused.headers["access-control-allow-origin"]) == (401, "https://chat.example")
        asked["origin"] = "https://evil.example"
        foreign = await running.request("OPTIONS", CHAT, **asked)
        assert foreign.status == 401
        assert "access-control-allow-origin" not in foreign.headers
