"""The official packages of all three vendors through both wires of Vertex AI, plain and streamed, with tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from anthropic import Anthropic
from google import genai
from google.genai import types
from openai import OpenAI
from support.deferreds import deferred, in_thread
from support.stack import KEY
from support.vertex import vertex

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city"],
    "additionalProperties": False,
}
CALL = "call get_weather and get_time"
GEMINI, CLAUDE = "gemini-3.8-flash", "claude-sonnet-4-6"
GREETING = "Hello from the simulated model. You said: Hi"


def by_openai(url: str, model: str) -> None:
    """Chat completions and responses."""
    functions = {"get_weather": SCHEMA, "get_time": {"type": "object", "properties": {}}}
    tools: Any = [{"type": "function", "function": {"name": n, "parameters": s}} for n, s in functions.items()]
    messages: list[Any] = [{"role": "user", "content": CALL}]
    with OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as client:
        hello = [{"role": "user", "content": "Hi"}]
        chunks = list(client.chat.completions.create(model=model, messages=hello, stream=True))  # type: ignore[call-overload]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == GREETING
        assert client.responses.create(model=model, input="Hi").output_text == GREETING
        asked = client.chat.completions.create(model=model, messages=messages, tools=tools, reasoning_effort="low")
        said = asked.choices[0].message
        assert asked.choices[0].finish_reason == "tool_calls"
        assert [call.function.name for call in said.tool_calls or []] == ["get_weather", "get_time"]
        assert asked.usage is not None
        assert asked.usage.total_tokens > 0
        messages.append(said.model_dump(exclude_none=True))
        messages += [{"role": "tool", "tool_call_id": call.id, "content": "fine"} for call in said.tool_calls or []]
        answered = client.chat.completions.create(model=model, messages=messages, tools=tools, reasoning_effort="low")
        assert "get_weather says" in str(answered.choices[0].message.content)


def by_anthropic(url: str, model: str) -> None:
    """Messages, with thoughts that go back."""
    tools: Any = [
        {"name": "get_weather", "input_schema": SCHEMA, "cache_control": {"type": "ephemeral"}},
        {"name": "get_time", "input_schema": {"type": "object", "properties": {}}},
    ]
    thinking: Any = {"type": "enabled", "budget_tokens": 2000}
    messages: list[Any] = [{"role": "user", "content": CALL}]
    with Anthropic(base_url=url, api_key=KEY, max_retries=0) as client:
        same: Any = {"model": model, "max_tokens": 4000, "tools": tools}
        with client.messages.stream(messages=[{"role": "user", "content": "Hi"}], **same) as stream:
            assert "".join(stream.text_stream) == GREETING
        with client.messages.stream(messages=messages, thinking=thinking, **same) as stream:
            said = stream.get_final_message()
        assert said.stop_reason == "tool_use"
        assert said.usage.input_tokens > 0
        calls = [block for block in said.content if block.type == "tool_use"]
        assert [call.name for call in calls] == ["get_weather", "get_time"]
        assert said.content[0].type == "thinking"
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": "fine"} for call in calls]
        messages += [{"role": "assistant", "content": said.content}, {"role": "user", "content": results}]
        answered = client.messages.create(messages=messages, thinking=thinking, **same)
        assert "get_weather says" in answered.content[-1].text  # type: ignore[union-attr]
        counted = client.messages.count_tokens(model=model, messages=[{"role": "user", "content": "x" * 400}])
        assert counted.input_tokens == 101


def by_google(url: str, model: str) -> None:
    """generateContent, with signatures that go back."""
    functions = [
        types.FunctionDeclaration(name="get_weather", parameters_json_schema=SCHEMA),
        types.FunctionDeclaration(name="get_time"),
    ]
    config = types.GenerateContentConfig(
        tools=[types.Tool(function_declarations=functions)],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        thinking_config=types.ThinkingConfig(include_thoughts=True),
    )
    with genai.Client(api_key=KEY, http_options=types.HttpOptions(base_url=url)) as client:
        streamed = client.models.generate_content_stream(model=model, contents="Hi")
        assert "".join(chunk.text or "" for chunk in streamed) == GREETING
        contents: list[Any] = [types.Content(role="user", parts=[types.Part(text=CALL)])]
        said = client.models.generate_content(model=model, contents=contents, config=config)
        calls = said.function_calls or []
        assert [call.name for call in calls] == ["get_weather", "get_time"]
        responses = [
            types.Part(
                function_response=types.FunctionResponse(id=call.id, name=call.name, response={"output": "fine"})
            )
            for call in calls
        ]
        assert said.candidates is not None
        contents += [said.candidates[0].content, types.Content(role="user", parts=responses)]
        answered = client.models.generate_content(model=model, contents=contents, config=config)
        assert "get_weather says" in str(answered.text)
        assert client.models.count_tokens(model=model, contents="x" * 400).total_tokens == 101


@pytest.mark.parametrize("model", [GEMINI, CLAUDE])
@pytest.mark.parametrize("talk", [by_openai, by_anthropic, by_google])
@deferred(60)
async def test_an_official_package(tmp_path: Path, talk: Any, model: str) -> None:
    async with vertex(tmp_path, "one") as running:
        await in_thread(lambda: talk(running.url, model))
        publisher = "anthropic" if model == CLAUDE else "google"
        assert len(running.simulator.requests) >= 4
        for received in running.simulator.requests:
            assert f"/publishers/{publisher}/models/" in received.path
            assert "sessionId" not in json.dumps(received.json)
