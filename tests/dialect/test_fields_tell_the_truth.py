"""What the tables of fields say is so: "left out" changes nothing, "read" and "answered" change something."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from support.field_tables import camel, tables
from support.models import MODELS

from antigravity_proxy.dialect.anthropic import request as anthropic
from antigravity_proxy.dialect.base import Decoded
from antigravity_proxy.dialect.gemini import request as gemini
from antigravity_proxy.dialect.openai import chat_request, completions_request, responses_request
from antigravity_proxy.generatecontent.request import prepare

#: values of every JSON type
ANY = ["x", 1, True, 0.5, {"x": 1}, ["x"], [{"x": 1}], {}, [], None]
USER = [{"role": "user", "content": "q"}]
TOOL = {"type": "function", "function": {"name": "f"}}
BASES: dict[str, tuple[Callable[[bytes], Decoded], dict[str, Any], str, str]] = {
    "chat": (chat_request.decode, {"model": "m", "messages": USER, "tools": [TOOL]}, "openai", "Chat"),
    "completions": (completions_request.decode, {"model": "m", "prompt": "p"}, "openai", "Legacy"),
    "responses": (responses_request.decode, {"model": "m", "input": "q"}, "openai", "Responses"),
    "messages": (
        anthropic.decode,
        {"model": "m", "max_tokens": 9, "messages": USER, "tools": [{"name": "f", "input_schema": {}}]},
        "anthropic",
        "Messages",
    ),
}


def fields(vendor: str, section: str, *kinds: str) -> list[str]:
    rows = next(rows for name, rows in tables(vendor).items() if name.strip("`").startswith(section))
    return [name for name, kind in rows.items() if kind in kinds]


def outcome(decoded: Decoded) -> Any:
    """All that a request comes to: the call, what is sent, and how it is answered."""
    call = decoded.call
    kept = getattr(decoded.new_answer, "args", ()) or [c.cell_contents for c in decoded.new_answer.__closure__ or ()]
    options = [msgspec.json.encode(each, enc_hook=repr) for each in kept if not callable(each)]
    sent = json.loads(prepare(call, MODELS["gemini-3-flash"]).body)
    return msgspec.json.encode(call), sent, options, decoded.asks_upstream, len(decoded.more)


LEFT_OUT = [
    (dialect, name) for dialect, (*_, vendor, section) in BASES.items() for name in fields(vendor, section, "left out")
]


@pytest.mark.parametrize(("dialect", "name"), LEFT_OUT)
def test_what_is_left_out_of_a_body_changes_nothing(dialect: str, name: str) -> None:
    decode, body, *_ = BASES[dialect]
    plain = outcome(decode(json.dumps(body).encode()))
    for value in ANY:
        assert outcome(decode(json.dumps({**body, name: value}).encode())) == plain, value


#: a value of each field that counts, and what must stand beside it
COUNTS: dict[str, dict[str, dict[str, Any]]] = {
    "chat": {
        "frequency_penalty": {"frequency_penalty": 1},
        "function_call": {"function_call": "none"},
        "functions": {"functions": [{"name": "g"}]},
        "logprobs": {"logprobs": True},
        "max_completion_tokens": {"max_completion_tokens": 7},
        "max_tokens": {"max_tokens": 7},
        "messages": {"messages": [{"role": "user", "content": "other"}]},
        "metadata": {"metadata": {"user_id": "s1"}},
        "model": {"model": "n"},
        "n": {"n": 2},
        "parallel_tool_calls": {"parallel_tool_calls": False},
        "presence_penalty": {"presence_penalty": 1},
        "prompt_cache_key": {"prompt_cache_key": "k"},
        "reasoning_effort": {"reasoning_effort": "low"},
        "response_format": {"response_format": {"type": "json_object"}},
        "seed": {"seed": 7},
        "stop": {"stop": "END"},
        "stream": {"stream": True},
        "stream_options": {"stream": True, "stream_options": {"include_usage": True}},
        "temperature": {"temperature": 0.5},
        "tool_choice": {"tool_choice": "required"},
        "tools": {"tools": []},
        "top_logprobs": {"logprobs": True, "top_logprobs": 3},
        "top_p": {"top_p": 0.5},
        "user": {"user": "u"},
        "web_search_options": {"tools": [], "web_search_options": {}},
    },
    "messages": {
        "max_tokens": {"max_tokens": 7},
        "messages": {"messages": [{"role": "user", "content": "other"}]},
        "metadata": {"metadata": {"user_id": "u"}},
        "model": {"model": "n"},
        "output_config": {"output_config": {"effort": "low"}},
        "stop_sequences": {"stop_sequences": ["END"]},
        "stream": {"stream": True},
        "system": {"system": "s"},
        "thinking": {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        "tool_choice": {"tool_choice": {"type": "any"}},
        "tools": {"tools": []},
    },
}


@pytest.mark.parametrize(("dialect", "name"), [(d, name) for d, rows in COUNTS.items() for name in rows])
def test_what_is_read_of_a_body_changes_something(dialect: str, name: str) -> None:
    decode, body, *_ = BASES[dialect]
    more = COUNTS[dialect][name]
    without = {key: value for key, value in more.items() if key != name}
    changed = outcome(decode(json.dumps({**body, **more}).encode()))
    assert changed != outcome(decode(json.dumps({**body, **without}).encode()))


@pytest.mark.parametrize("dialect", COUNTS)
def test_every_field_that_is_read_is_tried(dialect: str) -> None:
    *_, vendor, section = BASES[dialect]
    tried = set(COUNTS[dialect])
    known = set(fields(vendor, section, "read", "answered"))
    assert tried & known == known - {"modalities"}  # which is refused, or says what is so anyway


# -- Gemini's, nested as they are

PART: dict[str, Any] = {"text": "q"}
BLOB = {"mimeType": "image/png", "data": "QUJD"}
CALL = {"name": "f", "args": {"a": 1}, "id": "c"}
RESULT = {"name": "f", "response": {"b": 1}, "id": "c"}
DECLARED = {"name": "f", "description": "d"}


def body(*parts: Any, role: str = "user", **more: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": "q"}]}, {"role": role, "parts": list(parts)}], **more}


Build = Callable[[dict[str, Any]], dict[str, Any]]
CALLED: list[Any] = [{"role": "user", "parts": [PART]}, {"role": "model", "parts": [{"functionCall": CALL}]}]
PLACES: dict[str, tuple[Build, dict[str, Any]]] = {
    "GenerateContentConfig": (lambda value: body(PART, **value), {}),
    "GenerationConfig": (lambda value: body(PART, generationConfig=value), {}),
    "Part": (lambda value: body(value), PART),
    "Blob": (lambda value: body({"inlineData": value}), BLOB),
    "FileData": (lambda value: body({"fileData": value}), {"fileUri": "gs://b/o", "mimeType": "image/png"}),
    "FunctionCall": (lambda value: body({"functionCall": value}, role="model"), CALL),
    "FunctionResponse": (
        lambda value: {"contents": [*CALLED, {"role": "user", "parts": [{"functionResponse": value}]}]},
        RESULT,
    ),
    "Tool": (lambda value: body(PART, tools=[value]), {"functionDeclarations": [DECLARED]}),
    "FunctionDeclaration": (lambda value: body(PART, tools=[{"functionDeclarations": [value]}]), DECLARED),
    "FunctionCallingConfig": (
        lambda value: body(
            PART, tools=[{"functionDeclarations": [DECLARED]}], toolConfig={"functionCallingConfig": value}
        ),
        {"mode": "ANY"},
    ),
    "ThinkingConfig": (lambda value: body(PART, generationConfig={"thinkingConfig": value}), {"includeThoughts": True}),
}


def gemini_outcome(body: dict[str, Any]) -> Any:
    return outcome(gemini.decode(json.dumps(body).encode(), "m", stream=False, alt=None))


@pytest.mark.parametrize(
    ("section", "name"), [(place, name) for place in PLACES for name in fields("gemini", place, "left out")]
)
@pytest.mark.parametrize("spell", [str, camel])
def test_what_is_left_out_of_geminis_changes_nothing(section: str, name: str, spell: Callable[[str], str]) -> None:
    build, base = PLACES[section]
    plain = gemini_outcome(build(base))
    for value in ANY:
        assert gemini_outcome(build({**base, spell(name): value})) == plain, value


#: what counts in each place: the field's value
GEMINI: dict[str, dict[str, Any]] = {
    "GenerationConfig": {
        "candidate_count": 2, "frequency_penalty": 1, "logprobs": 3, "max_output_tokens": 7, "presence_penalty": 1,
        "response_json_schema": {"type": "object", "properties": {"a": {"type": "string"}}},
        "response_logprobs": True, "response_mime_type": "application/json",
        "response_schema": {"type": "object", "properties": {"a": {"type": "string"}}}, "seed": 7,
        "stop_sequences": ["END"], "temperature": 0.5, "thinking_config": {"thinkingBudget": 128}, "top_k": 3,
        "top_p": 0.5,
    },
    "Blob": {"data": "QUJE", "mime_type": "image/webp"},
    "FileData": {"file_uri": "gs://b/p", "mime_type": "image/webp"},
    "FunctionCall": {"args": {"a": 2}, "id": "d", "name": "g"},
    "FunctionResponse": {"id": "d", "name": "g", "parts": [{"inlineData": BLOB}], "response": {"b": 2}},
    "FunctionDeclaration": {
        "description": "e", "name": "g", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}},
        "parameters_json_schema": {"type": "object", "properties": {"a": {"type": "string"}}},
    },
    "FunctionCallingConfig": {"mode": "NONE", "allowed_function_names": ["f"]},
    "ThinkingConfig": {"include_thoughts": False, "thinking_budget": 128, "thinking_level": "LOW"},
}  # fmt: skip


@pytest.mark.parametrize(("section", "name"), [(place, name) for place, rows in GEMINI.items() for name in rows])
@pytest.mark.parametrize("spell", [str, camel])
def test_what_is_read_of_geminis_changes_something(section: str, name: str, spell: Callable[[str], str]) -> None:
    build, base = PLACES[section]
    rest = {key: value for key, value in base.items() if key != camel(name)}
    assert gemini_outcome(build({**rest, spell(name): GEMINI[section][name]})) != gemini_outcome(build(base))


@pytest.mark.parametrize("section", GEMINI)
def test_every_field_of_geminis_that_is_read_is_tried(section: str) -> None:
    assert GEMINI[section].keys() == set(fields("gemini", section, "read", "answered"))
