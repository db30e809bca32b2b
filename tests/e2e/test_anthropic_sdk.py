"""The official ``anthropic`` package against the daemon over sockets."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic
from support.deferreds import deferred, in_thread
from support.stack import KEY, Stack, stack

from antigravity_proxy.simulator import faults
from antigravity_proxy.simulator.answers import SIGNATURE

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
WEATHER = {
    "name": "get_weather",
    "description": "Weather now",
    "input_schema": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": ["integer", "null"], "minimum": 1}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "cache_control": {"type": "ephemeral"},
}
TIME = {"name": "get_time", "input_schema": {"type": "object", "properties": {}}}
BOTH = "call get_weather and get_time"
THINKING = {"type": "enabled", "budget_tokens": 2000}
GEMINI, CLAUDE = "gemini-3-flash", "claude-sonnet-4-6"


def user(content: Any) -> list[Any]:
    return [{"role": "user", "content": content}]


def client(running: Stack, key: str = KEY) -> Anthropic:
    return Anthropic(base_url=running.url, api_key=key, max_retries=0)


async def ask(running: Stack, model: str = GEMINI, **fields: Any) -> Any:
    """One message, in a thread."""

    def call() -> Any:
        with client(running) as c:
            return c.messages.create(model=model, **{"max_tokens": 4000, **fields})

    return await in_thread(call)


async def stream(running: Stack, model: str = GEMINI, **fields: Any) -> Any:
    """The events of a streamed message, and what the SDK makes of them, read in a thread."""

    def call() -> Any:
        with client(running) as c, c.messages.stream(model=model, **{"max_tokens": 4000, **fields}) as streamed:
            return list(streamed), streamed.get_final_message()

    return await in_thread(call)


def sent(running: Stack, number: int = -1) -> Any:
    """The request that upstream got."""
    return running.simulator.requests[number].json["request"]


@deferred()
async def test_a_plain_message(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        system = [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=1"},
            {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}},
        ]
        session = json.dumps({"session_id": "s-1"})
        message = await ask(running, CLAUDE, messages=user("Hello"), system=system, metadata={"user_id": session})
        assert [block.text for block in message.content] == [
            "Hello from the simulated model. You said: Hello (told to: Be brief.)"
        ]
        assert (message.stop_reason, message.model, message.role) == ("end_turn", CLAUDE, "assistant")
        assert message.usage.input_tokens > 0
        assert message.usage.output_tokens > 0
        assert message._request_id.startswith("req_")
        assert sent(running)["generationConfig"] == {"maxOutputTokens": 4000}  # Claude doesn't think unasked


@deferred()
async def test_a_stream(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        events, message = await stream(running, messages=user("Hello"), thinking=THINKING)
        text = "".join(e.delta.text for e in events if e.type == "content_block_delta" and e.delta.type == "text_delta")
        assert text == "Hello from the simulated model. You said: Hello"
        assert [block.type for block in message.content] == ["thinking", "text"]
        assert message.content[0].thinking == "Considering the request."
        assert message.content[0].signature == "agp1.g.n."
        assert (message.stop_reason, message.usage.output_tokens_details.thinking_tokens) == ("end_turn", 5)
        assert (events[0].type, events[-1].type) == ("message_start", "message_stop")


@deferred()
async def test_a_stream_and_a_plain_message_are_the_same(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        fields: dict[str, Any] = {"messages": user(BOTH), "tools": [WEATHER, TIME], "thinking": {"type": "adaptive"}}
        plain = await ask(running, CLAUDE, **fields)
        _, streamed = await stream(running, CLAUDE, **fields)
        assert [b.to_dict() for b in streamed.content] == [b.to_dict() for b in plain.content]
        assert (streamed.stop_reason, streamed.usage.output_tokens) == (plain.stop_reason, plain.usage.output_tokens)


@pytest.mark.parametrize("thinking", [THINKING, {"type": "adaptive"}, {"type": "adaptive", "display": "omitted"}])
@deferred()
async def test_claudes_thoughts_go_round(tmp_path: Path, thinking: Any) -> None:
    async with stack(tmp_path) as running:
        fields: dict[str, Any] = {"tools": [WEATHER, TIME], "thinking": thinking}
        _, first = await stream(running, CLAUDE, messages=user(BOTH), **fields)
        assert [block.type for block in first.content] == ["thinking", "tool_use", "tool_use"]
        shown = "" if thinking.get("display") == "omitted" else "Considering the request."
        assert first.content[0].thinking == shown
        assert first.content[0].signature == f"agp1.c.t.{SIGNATURE}"
        results = [{"type": "tool_result", "tool_use_id": b.id, "content": "ok"} for b in first.content[1:]]
        history = [*user(BOTH), {"role": "assistant", "content": first.content}, *user(results)]
        second = await ask(running, CLAUDE, messages=history, **fields)
        assert "get_weather says" in second.content[-1].text
        assert second.content[0].type == "thinking"
        thought = sent(running)["contents"][1]["parts"][0]
        assert thought == {"text": shown, "thought": True, "thoughtSignature": SIGNATURE}


@deferred()
async def test_a_history_without_its_thoughts_is_answered_without_thinking(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        fields: dict[str, Any] = {"tools": [TIME], "thinking": THINKING}
        first = await ask(running, CLAUDE, messages=user("call get_time"), **fields)
        call = first.content[-1]
        result = {"type": "tool_result", "tool_use_id": call.id, "content": "noon"}
        history = [*user("call get_time"), {"role": "assistant", "content": [call]}, *user([result])]
        second = await ask(running, CLAUDE, messages=history, **fields)
        assert [block.type for block in second.content] == ["text"]
        assert "thinkingConfig" not in sent(running)["generationConfig"]


@deferred()
async def test_geminis_signatures_go_round_and_survive_a_change_of_model(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        fields: dict[str, Any] = {"tools": [WEATHER, TIME], "thinking": THINKING}
        _, first = await stream(running, messages=user(BOTH), **fields)
        assert [block.type for block in first.content] == ["thinking", "tool_use", "tool_use"]
        assert first.content[0].signature == f"agp1.g.f.{SIGNATURE}"
        weather, time = first.content[1:]
        results = [
            {"type": "tool_result", "tool_use_id": time.id, "content": "noon"},
            {"type": "tool_result", "tool_use_id": weather.id, "content": [{"type": "text", "text": "4 C"}]},
            {"type": "text", "text": "Well?"},
        ]
        history = [*user(BOTH), {"role": "assistant", "content": first.content}, *user(results)]
        second = await ask(running, messages=history, **fields)
        assert second.content[-1].text == (
            'The tools answered: get_weather says {"output":"4 C"}; get_time says {"output":"noon"}.'
        )
        parts = sent(running)["contents"][1]["parts"]
        assert [part.get("thoughtSignature") for part in parts] == [SIGNATURE, None]
        elsewhere = await ask(running, CLAUDE, messages=history, **fields)
        assert "4 C" in elsewhere.content[-1].text
        assert not any("thoughtSignature" in part for part in sent(running)["contents"][1]["parts"])


@deferred()
async def test_parallel_calls_stream_one_block_each(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        events, message = await stream(running, messages=user(BOTH), tools=[WEATHER, TIME])
        starts = [e for e in events if e.type == "content_block_start"]
        assert [(e.index, e.content_block.name) for e in starts] == [(0, "get_weather"), (1, "get_time")]
        assert message.content[0].input == {"city": "value", "days": 1}
        assert message.content[1].input == {}
        assert message.stop_reason == "tool_use"
        assert len({block.id for block in message.content}) == 2


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ({"type": "any"}, ["get_weather"]),
        ({"type": "tool", "name": "get_time"}, ["get_time"]),
        ({"type": "none"}, []),
        ({"type": "auto", "disable_parallel_tool_use": True}, ["get_weather"]),
    ],
)
@pytest.mark.parametrize("model", [GEMINI, CLAUDE])
@deferred()
async def test_tool_choice(tmp_path: Path, model: str, choice: Any, called: list[str]) -> None:
    async with stack(tmp_path) as running:
        said = BOTH if choice["type"] == "auto" else "Hello"
        tools = [WEATHER, TIME]
        message = await ask(running, model, messages=user(said), tools=tools, tool_choice=choice, thinking=THINKING)
        assert [block.name for block in message.content if block.type == "tool_use"] == called


@deferred()
async def test_results_that_failed_or_hold_images(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        first = await ask(running, messages=user(BOTH), tools=[WEATHER, TIME])
        weather, time = first.content
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
        results = [
            {"type": "tool_result", "tool_use_id": weather.id, "content": "no network", "is_error": True},
            {"type": "tool_result", "tool_use_id": time.id, "content": [{"type": "text", "text": "a clock"}, image]},
        ]
        history = [*user(BOTH), {"role": "assistant", "content": first.content}, *user(results)]
        second = await ask(running, messages=history, tools=[WEATHER, TIME])
        assert second.content[0].text == (
            'The tools answered: get_weather says {"error":"no network"}; get_time says {"output":"a clock"}. '
            "I see a file of type image/png with 28 bytes."
        )


@deferred()
async def test_an_image_and_documents(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        parts = [
            {"type": "text", "text": "What is it?"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
            {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "x"}},
        ]
        message = await ask(running, messages=user(parts))
        assert "I see a file of type image/png with 28 bytes." in message.content[0].text
        assert '<document title="T">' in message.content[0].text


@deferred()
async def test_a_json_schema(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        schema = {
            "type": "object",
            "properties": {"n": {"type": "integer"}, "tags": {"type": "array", "items": {"enum": ["a", "b"]}}},
            "required": ["n"],
            "additionalProperties": False,
        }
        wanted = {"format": {"type": "json_schema", "schema": schema}}
        message = await ask(running, messages=user("Go"), output_config=wanted)
        assert json.loads(message.content[0].text) == {"n": 1, "tags": ["a"]}


@deferred()
async def test_system_messages_in_mid_conversation(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        history = [*user("Hello"), {"role": "system", "content": "The date changed."}]
        message = await ask(running, messages=history)
        assert "<system>The date changed.</system>" in message.content[0].text


@deferred()
async def test_a_web_search_goes_to_a_model_that_can(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
        choice = {"type": "tool", "name": "web_search"}
        events, message = await stream(running, CLAUDE, messages=user("News?"), tools=[search], tool_choice=choice)
        assert message.content[0].text == "Hello from the simulated model. You said: News?"
        assert events[-1].type == "message_stop"
        envelope = running.simulator.requests[0].json
        assert (envelope["model"], envelope["requestType"]) == ("gemini-3-flash", "web_search")
        assert envelope["request"]["tools"] == [{"googleSearch": {}}]


@deferred()
async def test_a_warm_up_asks_nobody(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        message = await ask(running, messages=user("Hello"), max_tokens=0)
        assert (message.content, message.stop_reason) == ([], "max_tokens")
        answer = await running.request(
            "POST", "/v1/messages", {"model": "m", "max_tokens": 0, "stream": True, "messages": user("Hello")}
        )
        assert answer.body.endswith(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')
        assert answer.headers["request-id"].startswith("req_")
        assert not running.simulator.requests


@pytest.mark.parametrize("model", [GEMINI, CLAUDE])
@deferred()
async def test_counting_tokens(tmp_path: Path, model: str) -> None:
    async with stack(tmp_path) as running:

        def call(**fields: Any) -> int:
            with client(running) as c:
                return c.messages.count_tokens(model=model, **fields).input_tokens

        short = await in_thread(lambda: call(messages=user("Hello")))
        longer = await in_thread(lambda: call(messages=user("Hello" * 100), tools=[WEATHER], system="Be brief."))
        assert 0 < short < longer


@deferred()
async def test_counting_refuses_what_a_message_refuses(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:

        def call() -> Any:
            with client(running) as c:
                c.messages.count_tokens(model=GEMINI, messages=[])

        with pytest.raises(anthropic.BadRequestError, match="There is no user message"):
            await in_thread(call)


@deferred()
async def test_the_models(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:

        def call() -> Any:
            with client(running) as c:
                return [m.id for m in c.models.list(limit=1000)], c.models.retrieve(CLAUDE).display_name

        names, name = await in_thread(call)
        assert CLAUDE in names
        assert "Claude" in name


@pytest.mark.parametrize(
    ("fault", "raised", "status", "kind"),
    [
        (faults.rate_limited(30), anthropic.RateLimitError, 429, "rate_limit_error"),
        (faults.failing(503), anthropic.InternalServerError, 529, "overloaded_error"),
        (
            faults.refused("Request contains an invalid argument."),
            anthropic.BadRequestError,
            400,
            "invalid_request_error",
        ),
        (
            faults.refused("The input token count exceeds the maximum"),
            anthropic.BadRequestError,
            400,
            "invalid_request_error",
        ),
        (faults.forbidden(), anthropic.PermissionDeniedError, 403, "permission_error"),
        (faults.verification_needed(), anthropic.InternalServerError, 503, "api_error"),
    ],
)
@deferred(20)
async def test_upstreams_errors_are_the_clients_exceptions(
    tmp_path: Path, fault: faults.Fault, raised: type[anthropic.APIStatusError], status: int, kind: str
) -> None:
    async with stack(tmp_path, accounts=1) as running:
        running.simulator.script(fault, times=9)
        with pytest.raises(raised) as e:
            await ask(running, messages=user("Hello"), stream=True)
        assert (e.value.status_code, e.value.type) == (status, kind)
        assert e.value.request_id is not None
        assert e.value.body["request_id"] == e.value.request_id  # type: ignore[index]
        if status == 429:
            assert e.value.response.headers["retry-after"] == "30"
        if "token count" in fault.body.decode():
            assert e.value.api_message == "prompt is too long"


@deferred()
async def test_an_error_in_the_stream_is_raised(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        running.simulator.script(faults.error_in_stream(after=1))
        with pytest.raises(anthropic.APIStatusError, match="overloaded") as e:
            await stream(running, messages=user("Hello"))
        assert e.value.body["error"]["type"] == "overloaded_error"  # type: ignore[index]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"messages": user([{"type": "video"}])}, r"messages\[0\].content\[0\].type"),
        ({"messages": user("Hello"), "thinking": {"type": "enabled", "budget_tokens": 5}}, "thinking.budget_tokens"),
        (
            {"messages": user([{"type": "image", "source": {"type": "url", "url": "https://a.example/x.png"}}])},
            r"messages\[0\].content\[0\].source.url: URLs are not fetched",
        ),
        ({"messages": user("Hello"), "tools": [TIME], "tool_choice": {"type": "tool", "name": "x"}}, "tool_choice"),
    ],
)
@deferred()
async def test_a_wrong_request_is_told_what_is_wrong(tmp_path: Path, fields: Any, named: str) -> None:
    async with stack(tmp_path) as running:
        with pytest.raises(anthropic.BadRequestError, match=named):
            await ask(running, **fields)
        assert not running.simulator.requests


@deferred()
async def test_keys(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:

        def call(key: str) -> Any:
            with client(running, key) as c:
                return c.messages.create(model=GEMINI, max_tokens=10, messages=user("Hello"))

        with pytest.raises(anthropic.AuthenticationError):
            await in_thread(lambda: call("sk-wrong"))
        assert not running.simulator.requests
        body = {"model": GEMINI, "max_tokens": 10, "messages": user("Hello")}
        beta = {"anthropic_version": "2099-01-01", "anthropic_beta": "a-2026-01-01,b", "x_app": "cli"}
        answer = await running.request("POST", "/v1/messages?beta=true", body, authorization="", x_api_key=KEY, **beta)
        assert (answer.status, answer.json["type"]) == (200, "message")


@deferred()
async def test_wrong_methods_and_paths_are_told_in_anthropics_form(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        wrong = await running.request("GET", "/v1/messages")
        assert (wrong.status, wrong.headers["allow"]) == (405, "POST")
        assert wrong.json["error"]["type"] == "invalid_request_error"
        unknown = await running.request("POST", "/v1/messages/batches", {})
        assert (unknown.status, unknown.json["error"]["type"]) == (404, "not_found_error")
