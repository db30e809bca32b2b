"""The official ``openai`` package against the daemon over sockets."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from support.deferreds import deferred, in_thread
from support.stack import KEY, Stack, stack

from antigravity_proxy.simulator import faults
from antigravity_proxy.simulator.answers import SIGNATURE

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather now",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": ["integer", "null"], "minimum": 1}},
            "required": ["city"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
TIME = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}}


def user(content: Any) -> list[Any]:
    return [{"role": "user", "content": content}]


def client(running: Stack, key: str = KEY) -> OpenAI:
    return OpenAI(base_url=f"{running.url}/v1", api_key=key, max_retries=0)


async def ask(running: Stack, model: str = "gemini-3-flash", **fields: Any) -> Any:
    """One call of the client, in a thread; a stream is read to its end there."""

    def call() -> Any:
        with client(running) as c:
            answer = c.chat.completions.create(model=model, **fields)
            return list(answer) if fields.get("stream") else answer

    return await in_thread(call)


@deferred()
async def test_a_plain_answer(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        answer = await ask(running, messages=[{"role": "system", "content": "Be brief."}, *user("Hello")])
        assert answer.choices[0].message.content == (
            "Hello from the simulated model. You said: Hello (told to: Be brief.)"
        )
        assert answer.choices[0].finish_reason == "stop"
        assert answer.model == "gemini-3-flash"
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
        sent = running.simulator.requests[0].json
        assert sent["userAgent"] == "antigravity-proxy"
        assert sent["project"] == "project-1"


@deferred()
async def test_a_stream_with_usage(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        chunks = await ask(
            running, messages=user("Hello"), stream=True, stream_options={"include_usage": True}, reasoning_effort="low"
        )
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        assert text == "Hello from the simulated model. You said: Hello"
        thoughts = [c.choices[0].delta.model_extra.get("reasoning_content") for c in chunks if c.choices]
        assert "Considering the request." in thoughts
        assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
        assert chunks[-1].usage.prompt_tokens > 0
        assert all(c.usage is None for c in chunks[:-1])


@deferred()
async def test_tools_parallel_calls_and_their_results(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        first = await ask(running, messages=user("call get_weather and get_time"), tools=[WEATHER, TIME])
        calls = first.choices[0].message.tool_calls
        assert [c.function.name for c in calls] == ["get_weather", "get_time"]
        assert json.loads(calls[0].function.arguments) == {"city": "value", "days": 1}
        assert first.choices[0].finish_reason == "tool_calls"
        history = [
            *user("call get_weather and get_time"),
            first.choices[0].message,
            {"role": "tool", "tool_call_id": calls[1].id, "content": "noon"},
            {"role": "tool", "tool_call_id": calls[0].id, "content": [{"type": "text", "text": "4 C"}]},
        ]
        second = await ask(running, messages=history, tools=[WEATHER, TIME])
        assert second.choices[0].message.content == (
            'The tools answered: get_weather says {"output":"4 C"}; get_time says {"output":"noon"}.'
        )
        parts = running.simulator.requests[1].json["request"]["contents"][1]["parts"]
        assert parts[0]["thoughtSignature"]
        assert "thoughtSignature" not in parts[1]


@deferred()
async def test_a_signature_that_the_client_drops_is_put_back(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        asked = user("call get_weather and get_time")
        message = (await ask(running, messages=asked, tools=[WEATHER, TIME])).choices[0].message
        calls = [
            {"id": call.id, "type": "function", "function": {"name": call.function.name, "arguments": "{}"}}
            for call in message.tool_calls
        ]
        results = [{"role": "tool", "tool_call_id": call.id, "content": "x"} for call in message.tool_calls]
        for opening in (asked, user("Something else; call get_weather")):
            messages = [*opening, {"role": "assistant", "tool_calls": calls}, *results]
            await ask(running, messages=messages, tools=[WEATHER, TIME])
        same, other = (
            [part.get("thoughtSignature") for part in request.json["request"]["contents"][1]["parts"]]
            for request in running.simulator.requests[1:]
        )
        assert same == [SIGNATURE, None]
        assert other == ["skip_thought_signature_validator", None]


@deferred()
async def test_a_thought_that_comes_back_is_signed_again(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        asked, model = user("call get_time"), "claude-sonnet-4-6"
        message = (await ask(running, model, messages=asked, tools=[TIME], reasoning_effort="low")).choices[0].message
        thought = message.reasoning_content
        result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "noon"}
        await ask(running, model, messages=[*asked, message, result], tools=[TIME], reasoning_effort="low")
        second = running.simulator.requests[1].json["request"]
        assert second["contents"][1]["parts"][0] == {"text": thought, "thought": True, "thoughtSignature": SIGNATURE}
        assert "thinkingConfig" in second["generationConfig"]


@deferred()
async def test_streamed_parallel_calls_have_indices_of_their_own(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        chunks = await ask(running, messages=user("call get_weather and get_time"), tools=[WEATHER, TIME], stream=True)
        calls = [call for c in chunks for call in (c.choices[0].delta.tool_calls or ())]
        assert [(c.index, c.function.name) for c in calls] == [(0, "get_weather"), (1, "get_time")]
        assert len({c.id for c in calls}) == 2


@deferred()
async def test_a_claude_model_calls_and_gets_its_result(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        messages = user("call get_time")
        first = await ask(running, model="claude-sonnet-4-5", messages=messages, tools=[TIME])
        call = first.choices[0].message.tool_calls[0]
        assert call.id == "toolu_vrtx_00"
        history = [*messages, first.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "noon"}]
        second = await ask(running, model="claude-sonnet-4-5", messages=history, tools=[TIME])
        assert "noon" in second.choices[0].message.content
        assert second.model == "claude-sonnet-4-5"


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("required", ["get_weather"]),
        ({"type": "function", "function": {"name": "get_time"}}, ["get_time"]),
        ("none", []),
    ],
)
@deferred()
async def test_tool_choice(tmp_path: Path, choice: Any, called: list[str]) -> None:
    async with stack(tmp_path) as running:
        answer = await ask(running, messages=user("Hello"), tools=[WEATHER, TIME], tool_choice=choice)
        assert [c.function.name for c in answer.choices[0].message.tool_calls or ()] == called


@deferred()
async def test_an_image(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        parts = [
            {"type": "text", "text": "What is it?"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}},
        ]
        answer = await ask(running, messages=user(parts))
        assert "I see a file of type image/png with 28 bytes." in answer.choices[0].message.content


@deferred()
async def test_a_json_schema(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        schema = {
            "type": "object",
            "properties": {"n": {"type": "integer"}, "tags": {"type": "array", "items": {"enum": ["a", "b"]}}},
            "required": ["n"],
            "additionalProperties": False,
        }
        wanted = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}
        answer = await ask(running, messages=user("Go"), response_format=wanted)
        assert json.loads(answer.choices[0].message.content) == {"n": 1, "tags": ["a"]}


@deferred()
async def test_several_choices(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        answer = await ask(running, messages=user("Hello"), n=3)
        assert [c.index for c in answer.choices] == [0, 1, 2]
        assert {c.message.content for c in answer.choices} == {"Hello from the simulated model. You said: Hello"}
        chunks = await ask(running, messages=user("Hello"), n=2, stream=True, stream_options={"include_usage": True})
        finished = [c.choices[0].index for c in chunks if c.choices and c.choices[0].finish_reason]
        assert sorted(finished) == [0, 1]
        assert chunks[-1].usage.completion_tokens > 0


@deferred()
async def test_the_models(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:

        def call() -> Any:
            with client(running) as c:
                return [m.id for m in c.models.list()], c.models.retrieve("gemini-3-flash").owned_by

        names, owner = await in_thread(call)
        assert "gemini-3-flash" in names
        assert names == sorted(names)
        assert owner == "google"


@pytest.mark.parametrize(
    ("fault", "raised", "status"),
    [
        (faults.rate_limited(30), openai.RateLimitError, 429),
        (faults.failing(503), openai.InternalServerError, 503),
        (faults.refused("Request contains an invalid argument."), openai.BadRequestError, 400),
        (faults.refused("The input token count exceeds the maximum"), openai.BadRequestError, 400),
        (faults.forbidden(), openai.PermissionDeniedError, 403),
        (faults.verification_needed(), openai.InternalServerError, 503),
    ],
)
@deferred(20)
async def test_upstreams_errors_are_the_clients_exceptions(
    tmp_path: Path, fault: faults.Fault, raised: type[openai.APIStatusError], status: int
) -> None:
    async with stack(tmp_path, accounts=1) as running:
        running.simulator.script(fault, times=9)
        with pytest.raises(raised) as e:
            await ask(running, messages=user("Hello"))
        assert e.value.status_code == status
        if status == 429:
            assert e.value.response.headers["retry-after"] == "30"
            assert e.value.code == "rate_limit_exceeded"
        if "token count" in fault.body.decode():
            assert e.value.code == "context_length_exceeded"


@deferred()
async def test_an_error_in_the_stream_is_raised(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        running.simulator.script(faults.error_in_stream(after=1))
        with pytest.raises(openai.APIError, match="overloaded"):
            await ask(running, messages=user("Hello"), stream=True)


@deferred()
async def test_a_wrong_key(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:

        def call() -> Any:
            with client(running, "sk-wrong") as c:
                c.models.list()

        with pytest.raises(openai.AuthenticationError):
            await in_thread(call)
        assert not running.simulator.requests


@deferred()
async def test_an_unknown_path(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:

        def call() -> Any:
            with client(running) as c:
                c.embeddings.create(model="x", input="y")

        with pytest.raises(openai.NotFoundError):
            await in_thread(call)
