"""The simulated Vertex AI refuses what Google refuses: places, credentials, bodies, assertions."""

from __future__ import annotations

import http.client
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import pytest
from support.deferreds import deferred, in_thread

from antigravity_proxy.credentials import google_file
from antigravity_proxy.simulator.faults import Fault
from antigravity_proxy.simulator.server import Simulator
from antigravity_proxy.upstream.assertion import assertion

PROJECT = "/v1beta1/projects/my-proj/locations/{}/publishers/google/models/gemini-3.8-flash:generateContent"
EXPRESS = "/v1beta1/publishers/google/models/gemini-3.8-flash:generateContent"
CLAUDE = "/v1/projects/my-proj/locations/us-east5/publishers/anthropic/models/claude-sonnet-4-6:streamRawPredict"
COUNT = "/v1/projects/my-proj/locations/us-east5/publishers/anthropic/models/count-tokens:rawPredict"
ASKED: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
SAID: dict[str, Any] = {
    "anthropic_version": "vertex-2023-10-16",
    "max_tokens": 3000,
    "stream": True,
    "messages": [{"role": "user", "content": "Hi"}],
}
BEARER, KEY = {"authorization": "Bearer ya29.x"}, {"x-goog-api-key": "AQ.some-key"}


@asynccontextmanager
async def simulated() -> AsyncIterator[tuple[Simulator, Any]]:
    """A simulated Google, and what sends it a request: status and body."""
    from twisted.internet import reactor

    simulator = Simulator(reactor)
    simulator.start()

    async def ask(path: str, body: Any, headers: dict[str, str], method: str = "POST") -> tuple[int, str]:
        def send() -> tuple[int, str]:
            connection = http.client.HTTPConnection(simulator.url.removeprefix("http://"), timeout=10)
            data = body if isinstance(body, str) else json.dumps(body)
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            found = answer.status, answer.read().decode()
            connection.close()
            return found

        return await in_thread(send)

    try:
        yield simulator, ask
    finally:
        await simulator.stop()


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "words"),
    [
        (PROJECT.format("global"), ASKED, BEARER, 200, "Hello from"),
        (EXPRESS, ASKED, KEY, 200, "Hello from"),
        (PROJECT.format("global"), ASKED, BEARER | KEY, 400, "Multiple authentication credentials"),
        (PROJECT.format("global"), ASKED, {}, 400, "credentials"),
        (PROJECT.format("global"), ASKED, KEY, 401, "UNAUTHENTICATED"),
        (EXPRESS, ASKED, BEARER, 401, "UNAUTHENTICATED"),
        (EXPRESS, ASKED, {"x-goog-api-key": "what"}, 400, "API_KEY_INVALID"),
        (PROJECT.format("global"), ASKED, {"authorization": "Bearer x"}, 401, "UNAUTHENTICATED"),
        (PROJECT.format("mars-north1"), ASKED, BEARER, 404, "Publisher Model `projects/my-proj/locations/mars-north1"),
        (PROJECT.format("us"), ASKED, BEARER | {"host": "us-aiplatform.googleapis.com"}, 404, "NOT_FOUND"),
        (PROJECT.format("us"), ASKED, BEARER | {"host": "aiplatform.us.rep.googleapis.com"}, 200, "Hello from"),
        (PROJECT.format("global"), ASKED | {"sessionId": "-1"}, BEARER, 400, "Unknown name"),
        (PROJECT.format("global"), ASKED | {"model": "x"}, BEARER, 400, "Unknown name"),
        (PROJECT.format("global"), "{", BEARER, 400, "Invalid JSON"),
        (PROJECT.format("global").replace("generateContent", "do"), ASKED, BEARER, 404, "NOT_FOUND"),
        (CLAUDE, SAID, BEARER, 200, "message_stop"),
        (CLAUDE, SAID | {"model": "claude-sonnet-4-6"}, BEARER, 400, "model: Extra inputs are not permitted"),
        (CLAUDE, {name: SAID[name] for name in SAID if name != "anthropic_version"}, BEARER, 400, "anthropic_version"),
        (CLAUDE, SAID | {"stream": False}, BEARER, 404, "NOT_FOUND"),
        (CLAUDE, SAID | {"messages": []}, BEARER, 400, "messages: Field required"),
        (CLAUDE, SAID | {"max_tokens": 10**6}, BEARER, 400, "max_tokens"),
        (CLAUDE, SAID | {"temperature": 1, "top_p": 1}, BEARER, 400, "cannot both"),
        (CLAUDE, SAID | {"tool_choice": {"type": "any"}}, BEARER, 400, "providing tools"),
        (CLAUDE, SAID | {"anthropic_version": "2026-10-21", "temperature": 1}, BEARER, 400, "temperature"),
        (CLAUDE.replace("/projects/my-proj/locations/us-east5", ""), SAID, KEY, 404, "NOT_FOUND"),
        (CLAUDE.replace("us-east5", "us-central1"), SAID, BEARER, 404, "Publisher Model"),
        (COUNT, SAID | {"model": "claude-sonnet-4-6"}, BEARER, 200, "input_tokens"),
        (COUNT, SAID | {"model": "claude-haiku-4-5@20251001"}, BEARER, 400, "plain name"),
        (COUNT, SAID, BEARER, 400, "plain name"),
    ],
)
@deferred()
async def test_what_is_taken_and_what_is_refused(
    path: str, body: Any, headers: dict[str, str], status: int, words: str
) -> None:
    async with simulated() as (_, ask):
        found = await ask(path, body, headers)
        assert found[0] == status, found
        assert words in found[1]


def turn(*blocks: Any, role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": list(blocks)}


USE = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": "x"}
TOOL: dict[str, Any] = {"name": "f", "input_schema": {"type": "object"}}
HI = {"role": "user", "content": "Hi"}
THINKS = {"thinking": {"type": "enabled", "budget_tokens": 2000}}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"messages": [turn(USE, role="assistant")]}, "first message"),
        ({"messages": [HI, turn(role="assistant")]}, "non-empty content"),
        ({"messages": [HI, turn(USE, role="assistant")]}, "tool_result"),
        ({"messages": [HI, turn(USE, role="assistant"), HI]}, "must match"),
        ({"messages": [HI, turn(USE, USE, role="assistant"), turn(RESULT, RESULT)]}, "unique"),
        ({"messages": [turn({"type": "text", "text": " "})]}, "non-whitespace"),
        (
            {"messages": [HI, turn({"type": "thinking", "thinking": "", "signature": "x"}, role="assistant")]},
            "signature",
        ),
        ({"messages": [turn({"type": "image", "source": {"type": "url", "url": "https://x"}})]}, "url sources"),
        ({"messages": [HI, turn(USE | {"id": "a b"}, role="assistant"), HI]}, "pattern"),
        ({"messages": [turn({"type": "text", "text": "a", "cache_control": {"scope": "global"}})]}, "scope"),
        ({"messages": [HI, turn(USE, role="assistant"), turn(RESULT)], **THINKS}, "Expected `thinking`"),
        ({"tools": [TOOL | {"cache_control": {"scope": "global"}}]}, "scope"),
        ({"tools": [{"name": "f", "input_schema": {}}]}, "input_schema.type"),
        ({"tools": [TOOL | {"name": "a.b"}]}, "name"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "g"}}, "not found"),
        ({"tools": [TOOL], "tool_choice": {"type": "any"}, **THINKS}, "forces tool use"),
        ({"temperature": 0.5, **THINKS}, "may only be set to 1"),
        ({"thinking": {"type": "enabled", "budget_tokens": 3000}}, "budget_tokens"),
        ({"surprise": 1}, "surprise: Extra inputs"),
        ({"max_tokens": "5"}, "max_tokens"),
    ],
)
@deferred()
async def test_claude_is_strict(fields: dict[str, Any], words: str) -> None:
    async with simulated() as (_, ask):
        status, body = await ask(CLAUDE, SAID | fields, BEARER)
        assert status == 400, body
        error = json.loads(body)
        assert (error["type"], error["error"]["type"]) == ("error", "invalid_request_error")
        assert words in error["error"]["message"]


@deferred()
async def test_the_newer_claude_knows_no_budget() -> None:
    async with simulated() as (_, ask):
        newer = CLAUDE.replace("sonnet-4-6", "opus-4-8")
        assert (await ask(newer, SAID | {"thinking": {"type": "adaptive"}}, BEARER))[0] == 200
        for fields in (THINKS, {"temperature": 1}):
            assert (await ask(newer, SAID | fields, BEARER))[0] == 400
        assert (await ask(CLAUDE, SAID, BEARER | {"anthropic-beta": "unknown-x"}))[0] == 400


@deferred()
async def test_tokens_are_granted_for_what_a_known_key_signs() -> None:
    async with simulated() as (simulator, ask):
        grant = google_file.read(simulator.service_accounts.make()).grant
        form = {"content-type": "application/x-www-form-urlencoded"}
        jwt = assertion(grant, 1795867200.0).reveal()  # type: ignore[arg-type]
        kind = "urn:ietf:params:oauth:grant-type:jwt-bearer"
        good = await ask("/token", urlencode({"grant_type": kind, "assertion": jwt}), form)
        assert good[0] == 200
        assert json.loads(good[1])["access_token"] == "ya29.proxy-1"
        bad = [("wrong", jwt), (kind, jwt[:-4] + "AAAA"), (kind, "a.b.c"), (kind, "x")]
        for grant_type, given in bad:
            refused = await ask("/token", urlencode({"grant_type": grant_type, "assertion": given}), form)
            assert (refused[0], json.loads(refused[1])["error"]) == (400, "invalid_grant")
        simulator.service_accounts.forget()
        assert (await ask("/token", urlencode({"grant_type": kind, "assertion": jwt}), form))[0] == 400


@deferred()
async def test_the_metadata_server_wants_its_header() -> None:
    path = "/computeMetadata/v1/instance/service-accounts/default/token"
    async with simulated() as (simulator, ask):
        flavor = {"metadata-flavor": "Google"}
        assert (await ask(path, "", flavor, "GET"))[0] == 200
        assert (await ask("/computeMetadata/v1/project/project-id", "", flavor, "GET")) == (200, "machine-proj")
        assert (await ask(path, "", {}, "GET"))[0] == 403
        assert (await ask(path, "", flavor))[0] == 403
        assert (await ask("/computeMetadata/v1/else", "", flavor, "GET"))[0] == 404
        simulator.machine.status = 503
        assert (await ask(path, "", flavor, "GET"))[0] == 503


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (PROJECT.format("global"), BEARER),
        ("/v1beta/models/gemini-3.8-flash:generateContent", {"x-goog-api-key": "AIza" + "1" * 35}),
    ],
)
@deferred()
async def test_both_official_faces_answer_whole_and_as_an_array(path: str, headers: dict[str, str]) -> None:
    async with simulated() as (simulator, ask):
        simulator.script(Fault(), Fault(unfinished=True), Fault())
        whole = json.loads((await ask(path, ASKED, headers))[1])
        assert whole["candidates"][0]["finishReason"] == "STOP"
        cut = json.loads((await ask(path, ASKED, headers))[1])
        assert "finishReason" not in cut["candidates"][0]
        every = json.loads((await ask(path.replace(":g", ":streamG"), ASKED, headers))[1])
        parts = [part for event in every for part in event["candidates"][0]["content"]["parts"] if part["text"]]
        assert parts == whole["candidates"][0]["content"]["parts"]
        assert ("trafficType" in whole["usageMetadata"]) is path.startswith("/v1beta1")
