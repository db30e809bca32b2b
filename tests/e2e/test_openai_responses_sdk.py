"""The official ``openai`` package against the daemon over sockets: responses and legacy completions."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel
from support.deferreds import deferred, in_thread
from support.stack import KEY, Stack, stack

from antigravity_proxy.simulator import faults
from antigravity_proxy.simulator.answers import SIGNATURE

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
HELLO = "Hello from the simulated model. You said: Hello"
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Weather now",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": ["integer", "null"], "minimum": 1}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}
TIME = {"type": "function", "name": "get_time", "parameters": {"type": "object", "properties": {}}}
THINKING = {
    "reasoning": {"effort": "low", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
    "store": False,
}


def client(running: Stack) -> OpenAI:
    return OpenAI(base_url=f"{running.url}/v1", api_key=KEY, max_retries=0)


async def ask(running: Stack, model: str = "gemini-3-flash", **fields: Any) -> Any:
    """One call of the client, in a thread; a stream is read to its end there."""

    def call() -> Any:
        with client(running) as c:
            answer = c.responses.create(model=model, **fields)
            return list(answer) if fields.get("stream") else answer

    return await in_thread(call)


async def complete(running: Stack, **fields: Any) -> Any:
    """A legacy completion, in the same way."""

    def call() -> Any:
        with client(running) as c:
            answer = c.completions.create(model="gemini-3-flash", **fields)
            return list(answer) if fields.get("stream") else answer

    return await in_thread(call)


def user(*parts: dict[str, Any]) -> list[Any]:
    return [{"role": "user", "content": list(parts)}]


def sent(running: Stack, number: int = -1) -> Any:
    """What the simulated service got."""
    return running.simulator.requests[number].json["request"]


@deferred()
async def test_a_plain_response(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        answer = await ask(running, instructions="Be brief.", input="Hello", metadata={"a": "b"})
        assert answer.output_text == f"{HELLO} (told to: Be brief.)"
        assert (answer.status, answer.model, answer.error) == ("completed", "gemini-3-flash", None)
        assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens > 0
        assert (answer.instructions, answer.metadata, answer.store) == ("Be brief.", {"a": "b"}, True)
        assert answer.completed_at >= answer.created_at > 0


@deferred()
async def test_a_stream(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        events = await ask(running, input="Hello", stream=True, **THINKING)
        assert [event.sequence_number for event in events] == list(range(len(events)))
        assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
        assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == HELLO
        thoughts = [e.delta for e in events if e.type == "response.reasoning_summary_text.delta"]
        assert thoughts == ["Considering the request."]
        last = events[-1]
        assert last.type == "response.completed"
        assert last.response.output_text == HELLO
        assert [item.type for item in last.response.output] == ["reasoning", "message"]
        assert last.response.usage.output_tokens_details.reasoning_tokens == 5


@deferred()
async def test_the_packages_own_accumulation(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:

        def call() -> Any:
            with (
                client(running) as c,
                c.responses.stream(model="gemini-3-flash", input="call get_weather", tools=[WEATHER]) as stream,  # type: ignore[list-item]
            ):
                kinds = [event.type for event in stream]
                return kinds, stream.get_final_response()

        kinds, final = await in_thread(call)
        assert "response.function_call_arguments.done" in kinds
        assert final.output[-1].parsed_arguments == {"city": "value", "days": 1}


@deferred()
async def test_parallel_calls_and_their_results(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        question = user({"type": "input_text", "text": "call get_weather and get_time"})
        first = await ask(running, input=question, tools=[WEATHER, TIME])
        signature, weather, time = first.output
        assert (signature.type, signature.summary) == ("reasoning", [])
        assert [weather.name, time.name] == ["get_weather", "get_time"]
        assert json.loads(weather.arguments) == {"city": "value", "days": 1}
        assert first.status == "completed"
        results = [
            {"type": "function_call_output", "call_id": time.call_id, "output": "noon"},
            {
                "type": "function_call_output",
                "call_id": weather.call_id,
                "output": [
                    {"type": "input_text", "text": "4 C"},
                    {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}"},
                ],
            },
        ]
        second = await ask(running, input=[*question, *first.output, *results], tools=[WEATHER, TIME])
        assert second.output_text == (
            'The tools answered: get_weather says {"output":"4 C"}; get_time says {"output":"noon"}.'
            " I see a file of type image/png with 28 bytes."
        )
        calls = sent(running)["contents"][1]["parts"]
        assert [part.get("thoughtSignature") for part in calls] == [SIGNATURE, None]  # upstream's own, not a dummy


@deferred()
async def test_streamed_parallel_calls_are_items_of_their_own(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        events = await ask(running, input="call get_weather and get_time", tools=[WEATHER, TIME], stream=True)
        done = [e for e in events if e.type == "response.output_item.done" and e.item.type == "function_call"]
        assert [(e.output_index, e.item.name) for e in done] == [(1, "get_weather"), (2, "get_time")]
        assert len({e.item.call_id for e in done}) == 2


@deferred()
async def test_only_one_call_if_parallel_ones_are_refused(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        fields = {"input": "call get_weather and get_time", "tools": [WEATHER, TIME], "parallel_tool_calls": False}
        answer = await ask(running, **fields)
        assert [item.name for item in answer.output if item.type == "function_call"] == ["get_weather"]


@deferred()
async def test_claudes_signed_thoughts_come_back_to_it(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        question = user({"type": "input_text", "text": "call get_time"})
        fields = {"model": "claude-sonnet-4-5", "tools": [TIME], **THINKING}
        first = await ask(running, input=question, **fields)
        thought, call = first.output
        assert thought.encrypted_content == f"agp1.c.t.{SIGNATURE}"
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "noon"}
        second = await ask(running, input=[*question, *first.output, result], **fields)
        assert "noon" in second.output_text
        request = sent(running)
        assert request["contents"][1]["parts"][0] == {
            "text": "Considering the request.",
            "thought": True,
            "thoughtSignature": SIGNATURE,
        }
        assert request["generationConfig"]["thinkingConfig"]["includeThoughts"]  # thinking goes on
        third = await ask(running, input=[*question, *first.output, result], model="gemini-3-flash", tools=[TIME])
        assert "noon" in third.output_text  # another family: its signature is not passed on
        assert SIGNATURE not in json.dumps(sent(running))


@deferred()
async def test_codexs_kinds_of_tools(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        tools = [
            {
                "type": "custom",
                "name": "apply_patch",
                "format": {"type": "grammar", "syntax": "lark", "definition": "x"},
            },
            {"type": "namespace", "name": "files", "description": "Files", "tools": [TIME]},
            {"type": "web_search", "external_web_access": False},
            {"type": "tool_search", "parameters": {"type": "object"}},
            {"type": "local_shell"},
        ]
        question = user({"type": "input_text", "text": "call apply_patch and files__get_time and local_shell"})
        events = await ask(running, input=question, tools=tools, stream=True)
        items = events[-1].response.output
        _, patch, time, shell = items
        assert (patch.type, patch.name, patch.input) == ("custom_tool_call", "apply_patch", "value")
        assert (time.type, time.name, time.namespace) == ("function_call", "get_time", "files")
        assert (shell.type, shell.action.command) == ("local_shell_call", ["value"])
        results = [
            {"type": "custom_tool_call_output", "call_id": patch.call_id, "output": "patched"},
            {"type": "function_call_output", "call_id": time.call_id, "output": "noon"},
            {"type": "local_shell_call_output", "id": shell.call_id, "output": "listed"},
        ]
        second = await ask(running, input=[*question, *items, *results], tools=tools)
        assert [word for word in ("patched", "noon", "listed") if word in second.output_text] == [
            "patched",
            "noon",
            "listed",
        ]


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("required", ["get_weather"]),
        ({"type": "function", "name": "get_time"}, ["get_time"]),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "get_time"}]},
            ["get_time"],
        ),
        ("none", []),
    ],
)
@deferred()
async def test_tool_choice(tmp_path: Path, choice: Any, called: list[str]) -> None:
    async with stack(tmp_path) as running:
        answer = await ask(running, input="Hello", tools=[WEATHER, TIME], tool_choice=choice)
        assert [item.name for item in answer.output if item.type == "function_call"] == called


@deferred()
async def test_an_image(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        parts = (
            {"type": "input_text", "text": "What is it?"},
            {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "low"},
        )
        answer = await ask(running, input=user(*parts))
        assert "I see a file of type image/png with 28 bytes." in answer.output_text


class Found(BaseModel):
    n: int
    tags: list[str]


@deferred()
async def test_a_parsed_answer(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:

        def call() -> Any:
            with client(running) as c:
                return c.responses.parse(model="gemini-3-flash", input="Go", text_format=Found)

        answer = await in_thread(call)
        assert answer.output_parsed == Found(n=1, tags=["value"])


@deferred()
async def test_an_incomplete_answer(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        for finish, reason in (("MAX_TOKENS", "max_output_tokens"), ("SAFETY", "content_filter")):
            running.simulator.script(faults.Fault(finish=finish), times=2)
            answer = await ask(running, input="Hello", max_output_tokens=16)
            assert (answer.status, answer.incomplete_details.reason) == ("incomplete", reason)
            assert answer.output_text == HELLO
            events = await ask(running, input="Hello", stream=True)
            assert (events[-1].type, events[-1].response.incomplete_details.reason) == ("response.incomplete", reason)


@pytest.mark.parametrize(
    ("fault", "raised", "status"),
    [
        (faults.rate_limited(30), openai.RateLimitError, 429),
        (faults.failing(503), openai.InternalServerError, 503),
        (faults.refused("Request contains an invalid argument."), openai.BadRequestError, 400),
        (faults.refused("The input token count exceeds the maximum"), openai.BadRequestError, 400),
        (faults.forbidden(), openai.PermissionDeniedError, 403),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
@deferred(20)
async def test_upstreams_errors_are_the_clients_exceptions(
    tmp_path: Path, fault: faults.Fault, raised: type[openai.APIStatusError], status: int, stream: bool
) -> None:
    async with stack(tmp_path, accounts=1) as running:
        running.simulator.script(fault, times=9)
        with pytest.raises(raised) as e:
            await ask(running, input="Hello", stream=stream)
        assert e.value.status_code == status
        if status == 429:
            assert e.value.response.headers["retry-after"] == "30"
        if "token count" in fault.body.decode():
            assert e.value.code == "context_length_exceeded"


@deferred()
async def test_a_wrong_request_is_told_its_field(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        for fields, param in (
            ({"input": "Hello", "previous_response_id": "resp_1"}, "previous_response_id"),
            ({"input": "Hello", "background": True}, "background"),
            ({"input": "Hello", "tools": [TIME], "tool_choice": {"type": "function", "name": "x"}}, "tool_choice"),
        ):
            with pytest.raises(openai.BadRequestError) as e:
                await ask(running, **fields)
            assert (e.value.param, e.value.type) == (param, "invalid_request_error")
        assert not running.simulator.requests


@deferred()
async def test_an_error_in_the_stream_is_its_last_event(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        running.simulator.script(faults.error_in_stream(after=1))
        events = await ask(running, input="Hello", stream=True)
        assert events[-1].type == "response.failed"
        assert (events[-1].response.status, events[-1].response.error.code) == ("failed", "server_error")
        assert "overloaded" in events[-1].response.error.message
        assert [event.sequence_number for event in events] == list(range(len(events)))


@deferred()
async def test_a_handshake_that_is_malformed_is_refused_at_once(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        head = {"connection": "Upgrade", "upgrade": "websocket", "openai_beta": "responses_websockets=2026-02-06"}
        answer = await running.request("GET", "/v1/responses", **head)
        assert answer.status == 400  # a handshake without its key
        plain = await running.request("GET", "/v1/responses")
        assert (plain.status, plain.headers["allow"]) == (405, "POST")
        other = await running.request("GET", "/v1/chat/completions", **head)
        assert other.status == 405
        refused = await running.request("GET", "/v1/responses", authorization="", **head)
        assert refused.status == 401


@deferred()
async def test_what_is_not_offered_is_not_found(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        for path in ("/v1/batches", "/v1/nonsense"):
            answer = await running.request("POST", path, {})
            assert (answer.status, answer.json["error"]["type"]) == (404, "invalid_request_error")
            assert path in answer.json["error"]["message"]


# --- legacy completions -----------------------------------------------------------------------------------------


@deferred()
async def test_a_completion(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        answer = await complete(running, prompt="Hello", max_tokens=50, echo=True)
        assert (answer.object, answer.choices[0].text) == ("text_completion", "Hello" + HELLO)
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


@deferred()
async def test_several_prompts(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        fields = {"prompt": ["Hello", "Bye"], "n": 2}
        answer = await complete(running, **fields)
        assert [(choice.index, choice.text.rpartition(" ")[2]) for choice in answer.choices] == [
            (0, "Hello"),
            (1, "Hello"),
            (2, "Bye"),
            (3, "Bye"),
        ]
        single = [await complete(running, prompt=prompt) for prompt in ("Hello", "Bye")]
        assert answer.usage.prompt_tokens == sum(one.usage.prompt_tokens for one in single)  # each prompt once
        assert answer.usage.completion_tokens == sum(2 * one.usage.completion_tokens for one in single)


@deferred()
async def test_a_streamed_completion(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        chunks = await complete(running, prompt=["Hello", "Bye"], stream=True, stream_options={"include_usage": True})
        texts = {0: "", 1: ""}
        for chunk in chunks[:-1]:
            texts[chunk.choices[0].index] += chunk.choices[0].text
        assert texts == {0: HELLO, 1: HELLO.replace("said: Hello", "said: Bye")}
        finished = [c.choices[0].index for c in chunks[:-1] if c.choices[0].finish_reason == "stop"]
        assert sorted(finished) == [0, 1]
        assert chunks[-1].usage.total_tokens > 0


@deferred()
async def test_wrong_completions(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        with pytest.raises(openai.BadRequestError, match="token ids are not supported"):
            await complete(running, prompt=[1, 2, 3])
        running.simulator.script(faults.error_in_stream(after=1))
        with pytest.raises(openai.APIError, match="overloaded"):
            await complete(running, prompt="Hello", stream=True)
