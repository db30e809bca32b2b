"""Requests of very many very small things: refused in words, or worked off in time that grows with their size alone."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from support.models import MODELS

from antigravity_proxy.dialect import media
from antigravity_proxy.dialect.anthropic import request as anthropic
from antigravity_proxy.dialect.base import Decoded
from antigravity_proxy.dialect.gemini import request as gemini
from antigravity_proxy.dialect.limits import MAX_CALLS, MAX_MESSAGES, MAX_PARTS, MAX_TOOLS
from antigravity_proxy.dialect.openai import chat_request, completions_request, images_request, responses_request
from antigravity_proxy.errors import BadRequest
from antigravity_proxy.generatecontent.request import prepare

Decode = Callable[[bytes], Decoded]
TARGETS = (MODELS["gemini-3-flash"], MODELS["claude-sonnet-4-6"])
ASK = {"role": "user", "content": "q"}


def from_gemini(body: bytes) -> Decoded:
    return gemini.decode(body, "m", stream=False, alt=None)


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [ASK], **fields}


def message(*messages: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 9, "messages": [ASK, *messages], **fields}


def contents(*turns: Any, **fields: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": "q"}]}, *turns], **fields}


def many(n: int, make: Callable[[int], Any]) -> list[Any]:
    return [make(i) for i in range(n)]


def chat_call(i: int) -> Any:
    return {"id": f"c{i}", "type": "function", "function": {"name": "f", "arguments": "{}"}}


CALLS: dict[str, tuple[Decode, Callable[[int], Any]]] = {
    "chat messages": (chat_request.decode, lambda n: chat(messages=[ASK] * n)),
    "chat system messages": (chat_request.decode, lambda n: chat(messages=[*([{**ASK, "role": "system"}] * n), ASK])),
    "chat named messages": (
        chat_request.decode,
        lambda n: chat(messages=many(n, lambda i: {**ASK, "name": f"n{i}"})),
    ),
    "chat parts": (
        chat_request.decode,
        lambda n: chat(messages=[{"role": "user", "content": [{"type": "text", "text": "a"}] * n}]),
    ),
    "chat calls and results": (
        chat_request.decode,
        lambda n: chat(
            messages=[
                ASK,
                {"role": "assistant", "tool_calls": many(n // 2, chat_call)},
                *many(n // 2, lambda i: {"role": "tool", "tool_call_id": f"c{i}", "content": "r"}),
            ]
        ),
    ),
    "chat results without calls": (
        chat_request.decode,
        lambda n: chat(messages=[ASK, *many(n, lambda i: {"role": "tool", "tool_call_id": f"c{i}", "content": "r"})]),
    ),
    "chat legacy results": (
        chat_request.decode,
        lambda n: chat(
            messages=[
                ASK,
                *many(
                    n,
                    lambda i: (
                        {"role": "function", "name": "f", "content": "r"}
                        if i % 2
                        else {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}
                    ),
                ),
            ]
        ),
    ),
    "chat tools": (
        chat_request.decode,
        lambda n: chat(tools=many(n, lambda i: {"type": "function", "function": {"name": f"f {i}"}})),
    ),
    "chat allowed tools": (
        chat_request.decode,
        lambda n: chat(
            tools=[{"type": "function", "function": {"name": "f"}}],
            tool_choice={
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}] * n},
            },
        ),
    ),
    "chat stops": (chat_request.decode, lambda n: chat(stop=["s"] * n)),
    "chat images in Markdown": (
        chat_request.decode,
        lambda n: chat(messages=[ASK, {"role": "assistant", "content": "![" * n + "](data:image/"}, ASK]),
    ),
    "completion prompts": (completions_request.decode, lambda n: {"model": "m", "prompt": ["p"] * n}),
    "response items": (responses_request.decode, lambda n: {"model": "m", "input": [ASK] * n}),
    "response calls and results": (
        responses_request.decode,
        lambda n: {
            "model": "m",
            "input": [
                ASK,
                *many(n // 2, lambda i: {"type": "function_call", "call_id": f"c{i}", "name": "f", "arguments": "{}"}),
                *many(n // 2, lambda i: {"type": "function_call_output", "call_id": f"c{i}", "output": "r"}),
            ],
        },
    ),
    "response tools": (
        responses_request.decode,
        lambda n: {"model": "m", "input": "q", "tools": many(n, lambda i: {"type": "function", "name": f"f{i}"})},
    ),
    "images of an edit": (
        images_request.decode,
        lambda n: {"prompt": "p", "images": [{"image_url": "data:,"}] * n},
    ),
    "messages": (anthropic.decode, lambda n: message(*[ASK] * n)),
    "message blocks": (
        anthropic.decode,
        lambda n: message({"role": "user", "content": [{"type": "text", "text": "a"}] * n}),
    ),
    "message calls and results": (
        anthropic.decode,
        lambda n: message(
            {
                "role": "assistant",
                "content": many(n, lambda i: {"type": "tool_use", "id": f"c{i}", "name": "f", "input": {}}),
            },
            {
                "role": "user",
                "content": many(n, lambda i: {"type": "tool_result", "tool_use_id": f"c{i}", "content": "r"}),
            },
        ),
    ),
    "blocks of a result": (
        anthropic.decode,
        lambda n: message(
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}]},
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "a"}] * n}
                ],
            },
        ),
    ),
    "message thoughts": (
        anthropic.decode,
        lambda n: message({"role": "assistant", "content": [{"type": "thinking", "thinking": "a"}] * n}, ASK),
    ),
    "message tools elsewhere": (
        anthropic.decode,
        lambda n: message({"role": "user", "content": [{"type": "mcp_tool_use"}] * n}),
    ),
    "message system": (anthropic.decode, lambda n: message(system=[{"type": "text", "text": "a"}] * n)),
    "message tools": (
        anthropic.decode,
        lambda n: message(tools=many(n, lambda i: {"name": f"f{i}", "input_schema": {"type": "object"}})),
    ),
    "contents": (from_gemini, lambda n: contents(*[{"role": "user", "parts": [{"text": "a"}]}] * n)),
    "parts": (from_gemini, lambda n: contents({"role": "model", "parts": [{"text": "a"}] * n})),
    "gemini calls and results": (
        from_gemini,
        lambda n: contents(
            {"role": "model", "parts": many(n // 2, lambda i: {"functionCall": {"name": f"f{i % 7}"}})},
            {"role": "user", "parts": many(n // 2, lambda i: {"functionResponse": {"name": f"f{i % 7}"}})},
        ),
    ),
    "gemini thoughts": (
        from_gemini,
        lambda n: contents({"role": "model", "parts": [{"text": "a", "thought": True}] * n}),
    ),
    "gemini functions": (
        from_gemini,
        lambda n: contents(tools=[{"functionDeclarations": many(n, lambda i: {"name": f"f{i}"})}]),
    ),
    "gemini tools": (from_gemini, lambda n: contents(tools=[{"codeExecution": {}}] * n)),
    "gemini system": (from_gemini, lambda n: contents(systemInstruction={"parts": [{"text": "a"}] * n})),
    "gemini spellings": (from_gemini, lambda n: contents(generationConfig={f"a_b_{i}": 1 for i in range(n)})),
    "gemini safety settings": (
        from_gemini,
        lambda n: contents(safetySettings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}] * n),
    ),
}

STR = {"type": "string"}
SCHEMAS: dict[str, Callable[[int], Any]] = {
    "properties": lambda n: {"properties": {f"p{i}": STR for i in range(n)}},
    "required": lambda n: {"properties": {"p": STR}, "required": many(n, str)},
    "enum": lambda n: {"properties": {"p": {"enum": many(n, str)}}},
    "numbers": lambda n: {"properties": {"p": {"enum": list(range(n))}}},
    "chain of references": lambda n: {
        "$ref": "#/$defs/d0",
        "$defs": {f"d{i}": {"$ref": f"#/$defs/d{i + 1}"} for i in range(n)},
    },
    "references to one": lambda n: {
        "properties": {f"p{i}": {"$ref": "#/$defs/d"} for i in range(n)},
        "$defs": {"d": {"properties": {f"q{i}": STR for i in range(n)}}},
    },
    "spellings of a reference": lambda n: {
        "properties": {f"p{i}": {"$ref": "#" + "/" * (i % 50) + "$defs/d"} for i in range(n)},
        "$defs": {"d": {"properties": {f"q{i}": STR for i in range(n)}}},
    },
    "allOf": lambda n: {"allOf": many(n, lambda i: {"properties": {f"p{i}": STR}, "required": ["a", "b", "c"]})},
    "allOf of references": lambda n: {"allOf": [{"$ref": "#/$defs/d"}] * n, "$defs": {"d": {"properties": {"p": STR}}}},
    "allOf of one name": lambda n: {"allOf": [{"properties": {"p": STR}}] * n},
    "alternatives": lambda n: {
        "anyOf": many(n, lambda i: {"properties": {"kind": {"const": f"k{i}"}, f"p{i}": STR}, "required": ["kind"]})
    },
    "alternatives of a property": lambda n: {"properties": {"p": {"oneOf": many(n, lambda i: {"const": i})}}},
    "alternatives and more": lambda n: {
        "properties": {f"q{i}": STR for i in range(n)},
        "required": many(n, lambda i: f"q{i}"),
        "anyOf": [{"required": many(n, str)}, {"properties": {f"q{i}": STR for i in range(n)}}],
    },
    "tuple": lambda n: {"properties": {"p": {"prefixItems": [STR] * n}}},
    "types": lambda n: {"properties": {"p": {"type": ["string"] * n}}},
    "long names": lambda n: {"properties": {"p": {"$ref": "#/" + "a/" * n}}},
}


def cost(decode: Decode, make: Callable[[], dict[str, Any]]) -> float:
    """Seconds of CPU from the body to upstream's bytes; without the garbage collector's, which looks at all tests."""
    best = 1e9
    for _ in range(2):
        text = json.dumps(make()).encode()
        gc.collect()
        gc.disable()
        begin = time.process_time()
        for model in TARGETS:
            try:
                decoded = decode(text)
                for call in (decoded.call, *decoded.more):
                    prepare(call, model)
            except BadRequest:
                pass
        best = min(best, time.process_time() - begin)
        gc.enable()
    return best


@pytest.mark.hostile
@pytest.mark.row("many things")
@pytest.mark.parametrize("name", CALLS)
def test_time_grows_with_the_size_alone(name: str) -> None:
    decode, make = CALLS[name]
    small, large = cost(decode, lambda: make(5_000)), cost(decode, lambda: make(20_000))
    assert large < max(5 * small, 0.1), f"{small:.3f} s, then {large:.3f} s"


@pytest.mark.hostile
@pytest.mark.row("many things")
@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_costs_what_its_size_costs(name: str) -> None:
    def make(n: int) -> dict[str, Any]:  # a fresh name each time: cleaned ones are kept
        schema = {**SCHEMAS[name](n), "description": f"{time.perf_counter_ns()}"}
        return chat(
            tools=[{"type": "function", "function": {"name": "f", "parameters": schema}}],
            response_format={"type": "json_schema", "json_schema": {"schema": schema}},
        )

    small, large = cost(chat_request.decode, lambda: make(5_000)), cost(chat_request.decode, lambda: make(20_000))
    assert large < max(5 * small, 0.1), f"{small:.3f} s, then {large:.3f} s"


@pytest.mark.parametrize(
    ("name", "n", "limit"),
    [
        ("chat messages", MAX_MESSAGES + 1, MAX_MESSAGES),
        ("chat system messages", MAX_MESSAGES + 1, MAX_MESSAGES),
        ("chat parts", MAX_PARTS + 1, MAX_PARTS),
        ("chat tools", MAX_TOOLS + 1, MAX_TOOLS),
        ("response items", MAX_MESSAGES + 1, MAX_MESSAGES),
        ("messages", MAX_MESSAGES + 1, MAX_MESSAGES),
        ("message blocks", MAX_PARTS + 1, MAX_PARTS),
        ("blocks of a result", MAX_PARTS + 1, MAX_PARTS),
        ("message system", MAX_PARTS + 1, MAX_PARTS),
        ("message tools", MAX_TOOLS + 1, MAX_TOOLS),
        ("contents", MAX_PARTS + 1, MAX_PARTS),
        ("parts", MAX_PARTS + 1, MAX_PARTS),
        ("gemini system", MAX_PARTS + 1, MAX_PARTS),
        ("gemini safety settings", MAX_PARTS + 1, MAX_PARTS),
        ("gemini functions", MAX_TOOLS + 1, MAX_TOOLS),
        ("gemini tools", MAX_TOOLS + 1, MAX_TOOLS),
    ],
)
def test_too_many_are_refused_in_words(name: str, n: int, limit: int) -> None:
    decode, make = CALLS[name]
    with pytest.raises(BadRequest, match=f"too many: at most {limit} are taken") as refused:
        decode(json.dumps(make(n)).encode())
    assert refused.value.param


def test_too_many_calls_are_refused_in_words() -> None:
    calls = {"role": "assistant", "tool_calls": many(MAX_CALLS + 1, chat_call)}
    with pytest.raises(BadRequest, match=f"{MAX_CALLS + 1} tool calls are too many"):
        chat_request.decode(json.dumps(chat(messages=[ASK, calls])).encode())


@pytest.mark.parametrize("head", ["data:", "data:;", "data:a;b", "data:a,", "data:;base64,", "![", "gs://", "https://"])
def test_an_address_is_read_in_time(head: str) -> None:
    text = head * (1_000_000 // len(head))
    begin = time.process_time()
    for read in (lambda: media.from_url(text, "p"), lambda: media.with_images(media.document(text, ""), "p")):
        try:
            read()
        except BadRequest:
            continue
    assert time.process_time() - begin < 0.1
