"""The vendors' JavaScript packages, and the Python packages' previous major, against the daemon over sockets.

A case is asked by ``javascript/run.mjs`` or ``python/run.py``, which print what the client made of the answers in one
form for all of them; here stands what is right.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.deferreds import deferred
from support.programs import BUILD, run
from support.stack import KEY, Stack, stack

from antigravity_proxy.simulator import faults
from antigravity_proxy.simulator.answers import SIGNATURE
from antigravity_proxy.simulator.faults import Fault

HERE = Path(__file__).parent
NODE, PYTHON = shutil.which("node") or "node", str(BUILD / "venv" / "bin" / "python")
WEATHER = {"name": "get_weather", "args": {"city": "value", "days": 1, "unit": "C"}}
TIME = {"name": "get_time", "args": {}}
THOUGHT = "Considering the request."


@dataclass(frozen=True)
class Stops:
    """How an answer ends, in a client's words."""

    normal: str
    calls: str
    length: str
    filtered: str


_ANTHROPIC = Stops("end_turn", "tool_use", "max_tokens", "refusal")
_CHAT = Stops("stop", "tool_calls", "length", "content_filter")
_RESPONSES = Stops("completed", "completed", "max_output_tokens", "content_filter")
_GEMINI = Stops("STOP", "STOP", "MAX_TOKENS", "SAFETY")
_AI = Stops("stop", "tool-calls", "length", "content-filter")
STOPS = {
    "anthropic": _ANTHROPIC,
    "openai-chat": _CHAT,
    "openai-responses": _RESPONSES,
    "genai": _GEMINI,
    "ai-anthropic": _AI,
    "ai-chat": _AI,
    "ai-openai": _AI,
    "ai-google": _AI,
}
#: the names of exceptions in the vendors' packages for HTTP statuses
_VENDORS = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    429: "RateLimitError",
    503: "InternalServerError",
    529: "OverloadedError",
}

pytestmark = pytest.mark.clients
needs_node = pytest.mark.skipif(not (BUILD / "node_modules").exists(), reason="no node")
javascript = pytest.mark.parametrize("client", [pytest.param(name, marks=needs_node) for name in STOPS])
previous = pytest.mark.parametrize("client", ["anthropic", "openai-chat", "openai-responses", "genai"])


async def ask(running: Stack, client: str, case: str, model: str = "gemini-3-flash", key: str = KEY) -> Any:
    """What a JavaScript package makes of a case."""
    return await _run(running, [NODE, str(HERE / "javascript" / "run.mjs"), client, case], model, key)


async def ask_previous(running: Stack, client: str, case: str) -> Any:
    """What a Python package's previous major makes of a case."""
    return await _run(running, [PYTHON, str(HERE / "python" / "run.py"), client, case], "gemini-3-flash", KEY)


async def _run(running: Stack, argv: list[str], model: str, key: str) -> Any:
    ended = await run(argv, running.volume.directory.parent, URL=running.url, KEY=key, MODEL=model)
    assert ended.status == 0, ended.everything
    return json.loads(ended.out)


def a_plain_answer(told: Any, client: str) -> None:
    assert told["text"] == "Hello from the simulated model. You said: Hello (told to: Be brief.)"
    assert told["calls"] == []
    assert told["stop"] == STOPS[client].normal
    assert told["model"] == "gemini-3-flash"
    assert told["usage"]["input"] == 2
    assert told["usage"]["output"] - told["usage"]["thinking"] in (6, 8)  # a thought is a piece of two tokens


def a_stream(told: Any, client: str) -> None:
    assert told["text"] == "Hello from the simulated model. You said: Hello"
    assert told["pieces"] > 1
    assert told["stop"] == STOPS[client].normal
    assert told["usage"]["input"] == 2
    assert told["usage"]["output"] > 0


def a_call(told: Any, client: str) -> None:
    assert told["calls"] == [WEATHER]
    assert told["text"] == ""
    assert told["stop"] == STOPS[client].calls


def parallel_calls(told: Any, client: str) -> None:
    assert told["calls"] == [WEATHER, TIME]
    assert told["stop"] == STOPS[client].calls


def results(told: Any, client: str) -> None:
    parallel_calls(told["first"], client)
    text = told["second"]["text"]
    assert text.startswith("The tools answered: get_weather says ")
    assert 0 < text.index("4 C") < text.index("; get_time says ") < text.index("noon")
    assert told["second"]["stop"] == STOPS[client].normal


def an_image(told: Any, client: str) -> None:
    assert "What is it?" in told["text"]
    assert "I see a file of type image/png with 28 bytes." in told["text"]


def a_value_of_the_schema(told: Any, client: str) -> None:
    assert json.loads(told["text"]) == {"n": 1, "tags": ["a"]}


CASES = {
    "plain": a_plain_answer,
    "stream": a_stream,
    "tools": a_call,
    "parallel": parallel_calls,
    "results": results,
    "image": an_image,
    "schema": a_value_of_the_schema,
}


@pytest.mark.parametrize("case", CASES)
@javascript
@deferred(60)
async def test_a_case(tmp_path: Path, client: str, case: str) -> None:
    async with stack(tmp_path) as running:
        CASES[case](await ask(running, client, case), client)


@javascript
@deferred(60)
async def test_what_gemini_signed_comes_back_to_it(tmp_path: Path, client: str) -> None:
    async with stack(tmp_path) as running:
        told = await ask(running, client, "thinking")
        results(told, client)
        assert told["first"]["usage"]["thinking"] == 5
        assert told["first"]["usage"]["output"] > 5
        second = running.simulator.requests[1].json["request"]["contents"]
        signatures = [part.get("thoughtSignature") for part in second[1]["parts"]]
        assert signatures == [SIGNATURE, None]  # ai-chat drops the field that carries it: it is remembered
        assert told["first"]["thought"] == ("" if client == "ai-chat" else THOUGHT)


@javascript
@deferred(60)
async def test_what_claude_signed_comes_back_to_it(tmp_path: Path, client: str) -> None:
    async with stack(tmp_path) as running:
        told = await ask(running, client, "thinking", model="claude-sonnet-4-6")
        results(told, client)
        assert told["first"]["usage"]["thinking"] == 5
        second = running.simulator.requests[1].json["request"]
        if client == "ai-chat":  # shows no thoughts, and sends none back: this answer is without
            assert "thinkingConfig" not in second.get("generationConfig", {})
        else:
            assert told["first"]["thought"] == THOUGHT
            thought, *calls = second["contents"][1]["parts"]
            assert thought == {"text": THOUGHT, "thought": True, "thoughtSignature": SIGNATURE}
            assert [part["functionCall"]["name"] for part in calls] == ["get_weather", "get_time"]


@pytest.mark.parametrize(("finish", "word"), [("MAX_TOKENS", "length"), ("SAFETY", "filtered")])
@javascript
@deferred(60)
async def test_why_an_answer_ended(tmp_path: Path, client: str, finish: str, word: str) -> None:
    async with stack(tmp_path) as running:
        for case in ("plain", "stream"):
            running.simulator.script(Fault(finish=finish))
            assert (await ask(running, client, case))["stop"] == getattr(STOPS[client], word)


@pytest.mark.parametrize("case", ["plain", "stream"])
@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (faults.refused("Request contains an invalid argument."), 400),
        (faults.forbidden(), 403),
        (faults.rate_limited(30), 429),
        (faults.failing(503), 503),
    ],
)
@javascript
@deferred(60)
async def test_upstreams_errors_are_the_clients_exceptions(
    tmp_path: Path, client: str, fault: Fault, status: int, case: str
) -> None:
    async with stack(tmp_path, accounts=1) as running:
        running.simulator.script(fault, times=9)
        expect_exception(await ask(running, client, case), client, status)


@javascript
@deferred(60)
async def test_a_wrong_key(tmp_path: Path, client: str) -> None:
    async with stack(tmp_path) as running:
        expect_exception(await ask(running, client, "plain", key="sk-wrong"), client, 401)
        assert not running.simulator.requests


def expect_exception(told: Any, client: str, status: int) -> None:
    """The class that a user's code would catch."""
    if status == 503 and "anthropic" in client:
        status = 529
    name = {"genai": "ApiError", "ai": "APICallError"}.get(client.partition("-")[0], _VENDORS[status])
    assert (told["error"], told["status"]) == (name, status)


@javascript
@deferred(60)
async def test_an_error_in_the_stream_is_told(tmp_path: Path, client: str) -> None:
    async with stack(tmp_path) as running:
        running.simulator.script(faults.error_in_stream(after=2))
        told = await ask(running, client, "stream")
        assert "overloaded" in told["message"]
        assert "error" in told or (client, told["stop"]) == ("openai-responses", "failed")  # told, not raised


@needs_node
@deferred(60)
async def test_items_left_to_a_store_are_found_there(tmp_path: Path) -> None:
    """``ai`` names earlier items instead of sending them, unless it is told that nothing is stored."""
    async with stack(tmp_path) as running:
        results(await ask(running, "ai-openai", "stored"), "ai-openai")
    async with stack(tmp_path / "off", PROXY_RESPONSES_STORE="0") as running:
        told = await ask(running, "ai-openai", "stored")
        assert (told["error"], told["status"]) == ("APICallError", 404)
        assert "store: false" in told["message"]


@pytest.mark.parametrize("case", ["plain", "stream", "tools", "results"])
@previous
@deferred(60)
async def test_a_case_of_the_previous_major(tmp_path: Path, client: str, case: str) -> None:
    async with stack(tmp_path) as running:
        CASES[case](await ask_previous(running, client, case), client)
