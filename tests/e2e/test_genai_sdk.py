"""The official ``google-genai`` package against the daemon over sockets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from support.deferreds import deferred, in_thread
from support.stack import KEY, Stack, stack

from antigravity_proxy.simulator import faults
from antigravity_proxy.simulator.answers import SIGNATURE

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
WEATHER = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="get_weather",
            description="Weather now",
            parameters=types.Schema(type="OBJECT", properties={"city": types.Schema(type="STRING")}, required=["city"]),
        ),
        types.FunctionDeclaration(
            name="get_time",
            parameters_json_schema={"type": "object", "properties": {"zone": {"type": "string", "minLength": 1}}},
        ),
    ]
)


async def with_client(running: Stack, call: Any, key: str = KEY) -> Any:
    """Calls ``call`` with a client, in a thread."""

    def run() -> Any:
        options = types.HttpOptions(base_url=running.url)
        with genai.Client(api_key=key, http_options=options) as client:
            return call(client)

    return await in_thread(run)


async def generate(running: Stack, contents: Any, model: str = "gemini-3-flash", **config: Any) -> Any:
    settings = types.GenerateContentConfig(**config)
    return await with_client(
        running, lambda c: c.models.generate_content(model=model, contents=contents, config=settings)
    )


async def stream(running: Stack, contents: Any, **config: Any) -> list[Any]:
    settings = types.GenerateContentConfig(**config)

    def call(client: genai.Client) -> list[Any]:
        return list(client.models.generate_content_stream(model="gemini-3-flash", contents=contents, config=settings))

    chunks: list[Any] = await with_client(running, call)
    return chunks


@deferred()
async def test_a_plain_answer(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        answer = await generate(running, "Hello", system_instruction="Be brief.", temperature=0.5)
        assert answer.text == "Hello from the simulated model. You said: Hello (told to: Be brief.)"
        assert answer.candidates[0].finish_reason == types.FinishReason.STOP
        assert answer.usage_metadata.total_token_count > 0
        assert running.simulator.requests[0].json["request"]["generationConfig"]["temperature"] == 0.5


@deferred()
async def test_a_stream(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        chunks = await stream(running, "Hello")
        assert len(chunks) > 2
        assert "".join(c.text or "" for c in chunks) == "Hello from the simulated model. You said: Hello"
        assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP


@deferred()
async def test_thoughts_come_only_if_asked_for(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        asked = await generate(running, "Hello", thinking_config=types.ThinkingConfig(include_thoughts=True))
        assert [p.text for p in asked.candidates[0].content.parts if p.thought] == ["Considering the request."]
        unasked = await generate(running, "Hello")
        assert not any(p.thought for p in unasked.candidates[0].content.parts)


@deferred()
async def test_parallel_tools_and_their_results(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        question = types.Content(role="user", parts=[types.Part(text="call get_weather and get_time")])
        no_loop = types.AutomaticFunctionCallingConfig(disable=True)
        first = await generate(running, [question], tools=[WEATHER], automatic_function_calling=no_loop)
        calls = first.function_calls
        assert [(c.name, c.args) for c in calls] == [
            ("get_weather", {"city": "value"}),
            ("get_time", {"zone": "value"}),
        ]
        assert first.candidates[0].content.parts[0].thought_signature == b"simulated signature"
        results = [
            types.Part.from_function_response(name="get_weather", response={"result": "4 C"}),
            types.Part.from_function_response(name="get_time", response={"result": "noon"}),
        ]
        history = [question, first.candidates[0].content, types.Content(role="user", parts=results)]
        second = await generate(running, history, tools=[WEATHER], automatic_function_calling=no_loop)
        assert second.text == (
            'The tools answered: get_weather says {"result":"4 C"}; get_time says {"result":"noon"}.'
        )


@deferred()
async def test_a_chat_that_streams_keeps_its_history(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:

        def call(client: genai.Client) -> str:
            chat = client.chats.create(model="gemini-3-flash")
            for text in ("One", "Two"):
                last = "".join(chunk.text or "" for chunk in chat.send_message_stream(text))
            return last

        assert await with_client(running, call) == "Hello from the simulated model. You said: Two"
        contents = running.simulator.requests[1].json["request"]["contents"]
        assert [c["role"] for c in contents] == ["user", "model", "user"]


@deferred()
async def test_a_signed_thought_comes_back_from_a_chat_that_keeps_it_in_pieces(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        config = types.GenerateContentConfig(
            tools=[WEATHER],
            thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=1024),
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        )
        result = types.Part.from_function_response(name="get_time", response={"result": "noon"})

        def call(client: genai.Client) -> None:
            chat = client.chats.create(model="claude-sonnet-4-6", config=config)
            for message in ("call get_time", [result]):
                list(chat.send_message_stream(message))

        await with_client(running, call)
        said = running.simulator.requests[1].json["request"]["contents"][1]["parts"]
        assert said[0] == {"text": "Considering the request.", "thought": True, "thoughtSignature": SIGNATURE}
        assert [part["functionCall"]["name"] for part in said[1:]] == ["get_time"]


@deferred()
async def test_an_image(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        answer = await generate(running, ["What is it?", types.Part.from_bytes(data=PNG, mime_type="image/png")])
        assert "I see a file of type image/png with 28 bytes." in answer.text


@pytest.mark.parametrize("field", ["response_schema", "response_json_schema"])
@deferred()
async def test_a_json_schema(tmp_path: Path, field: str) -> None:
    async with stack(tmp_path) as running:
        schema = {
            "type": "OBJECT" if field == "response_schema" else "object",
            "properties": {"n": {"type": "integer"}},
        }
        answer = await generate(running, "Go", response_mime_type="application/json", **{field: schema})
        assert answer.text == '{"n":1}'


@deferred()
async def test_tokens_are_counted(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        counted = await with_client(
            running, lambda c: c.models.count_tokens(model="gemini-3-flash", contents="x" * 400)
        )
        assert counted.total_tokens == 101
        running.simulator.script(faults.failing(500), times=9)
        estimated = await with_client(
            running, lambda c: c.models.count_tokens(model="gemini-3-flash", contents="x" * 400)
        )
        assert estimated.total_tokens == 100


@deferred()
async def test_the_models(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        names = await with_client(running, lambda c: [m.name for m in c.models.list(config={"page_size": 5})])
        assert "models/gemini-3-flash" in names
        assert len(names) > 5
        one = await with_client(running, lambda c: c.models.get(model="gemini-3-flash"))
        assert one.input_token_limit == 1_048_576
        with pytest.raises(errors.ClientError) as e:
            await with_client(running, lambda c: c.models.get(model="no-such-model"))
        assert (e.value.code, e.value.status) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        (faults.rate_limited(30), 429, "RESOURCE_EXHAUSTED"),
        (faults.failing(503), 503, "UNAVAILABLE"),
        (faults.refused("No.", "FAILED_PRECONDITION"), 400, "FAILED_PRECONDITION"),
        (faults.forbidden(), 403, "PERMISSION_DENIED"),
    ],
)
@deferred(20)
async def test_upstreams_errors_are_the_clients_exceptions(
    tmp_path: Path, fault: faults.Fault, code: int, status: str
) -> None:
    async with stack(tmp_path, accounts=1) as running:
        running.simulator.script(fault, times=9)
        with pytest.raises(errors.APIError) as e:
            await generate(running, "Hello")
        assert (e.value.code, e.value.status) == (code, status)


@deferred()
async def test_an_error_in_the_stream_is_raised(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        running.simulator.script(faults.error_in_stream(after=1))
        with pytest.raises(errors.ServerError) as e:
            await stream(running, "Hello")
        assert e.value.code == 503


@deferred()
async def test_a_wrong_key(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        with pytest.raises(errors.ClientError) as e:
            await with_client(running, lambda c: list(c.models.list()), key="wrong")
        assert e.value.code == 401
