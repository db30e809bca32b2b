"""Whatever the vendors' own types let a client send: a 400, or a request that the strict service takes.

`make fuzz` looks for new ones; the suite tries the same at every run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from anthropic.types import message_create_params
from google.genai import types as genai
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai.types.chat import completion_create_params
from support.models import MODELS
from support.vendor_types import made

from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.codeassist.wire import envelope
from antigravity_proxy.dialect.anthropic import request as anthropic
from antigravity_proxy.dialect.base import Decoded
from antigravity_proxy.dialect.gemini import request as gemini
from antigravity_proxy.dialect.openai import chat_request
from antigravity_proxy.errors import BadRequest
from antigravity_proxy.generatecontent.events import read_event
from antigravity_proxy.generatecontent.request import Prepared, count_tokens_body, prepare
from antigravity_proxy.simulator.validate import check_count, check_generate

#: what a request is of use with; all its other fields are tried one at a time elsewhere
ONLY = {
    "CompletionCreateParamsNonStreaming": [
        "messages", "model", "tools", "tool_choice", "response_format", "reasoning_effort", "max_completion_tokens",
        "temperature", "top_p", "stop", "parallel_tool_calls", "functions", "web_search_options", "seed",
    ],
    "MessageCreateParamsNonStreaming": [
        "messages", "model", "max_tokens", "system", "tools", "tool_choice", "thinking", "stop_sequences",
        "output_config",
    ],
}  # fmt: skip
MODEL = st.sampled_from(list(MODELS.values()))
ROUNDS = settings(suppress_health_check=list(HealthCheck))


def texts(call: Call) -> list[str]:
    """What users and the model said, in order; white space alone says nothing to some."""
    said = (part for turn in call.contents for part in turn.parts if part.text and not part.thought)
    return [part.text for part in said if part.text is not None and part.text.strip()]


def is_within(some: Iterable[str], every: Iterable[str]) -> bool:
    rest = iter(every)
    return all(any(text == other for other in rest) for text in some)


def check(decode: Callable[[bytes], Decoded], body: Any, model: Model) -> None:
    try:
        call = decode(json.dumps(body).encode()).call
        prepared = prepare(call, model)
    except BadRequest:
        return
    sent = json.loads(envelope(prepared, "some-project", "agent-1", "antigravity-proxy"))
    check_generate(sent)
    check_count(json.loads(count_tokens_body(call, model)))
    told = [part["text"] for turn in sent["request"]["contents"] for part in turn["parts"] if "text" in part]
    assert is_within(texts(call), told)
    check_names(call, prepared, sent["request"])


def check_names(call: Call, prepared: Prepared, request: dict[str, Any]) -> None:
    """Every function that is declared is called back under its own name."""
    declared = [each["name"] for tool in request.get("tools", ()) for each in tool.get("functionDeclarations", ())]
    own = list(dict.fromkeys(tool.name for tool in call.tools))
    assert len(declared) in (len(own), 0)
    for name, expected in zip(declared, own, strict=False):
        event = {"candidates": [{"content": {"parts": [{"functionCall": {"name": name, "args": {}}}]}}]}
        chunk = prepared.restore.fresh()(read_event(json.dumps(event).encode()))
        called = chunk.candidates[0].content.parts[0].function_call
        assert called is not None
        assert called.name == expected


def from_gemini(body: bytes) -> Decoded:
    return gemini.decode(body, "m", stream=False, alt=None)


#: of Gemini's types
SOME = {
    "Part as typed": ["file_data"],
    "FunctionResponse": ["id", "name", "response"],
    "FunctionResponse needs": ["name"],
    "FunctionCall": ["id", "name", "args"],
    "FunctionCall needs": ["name"],
    "Blob": ["data", "mime_type"],
    "Blob needs": ["data"],
    "FileData": ["file_uri", "mime_type"],
    "FileData needs": ["file_uri"],
    "VideoMetadata": ["start_offset", "end_offset", "fps"],
    "Tool": ["function_declarations", "google_search", "url_context", "code_execution"],
    "FunctionDeclaration": ["name", "description", "parameters_json_schema"],
    "FunctionDeclaration needs": ["name"],
    "GoogleSearch": ["exclude_domains"],
    "ToolConfig": ["function_calling_config"],
    "FunctionCallingConfig": ["mode", "allowed_function_names"],
    "GenerationConfig": [
        "temperature", "top_p", "top_k", "max_output_tokens", "stop_sequences", "thinking_config",
        "response_json_schema", "seed",
    ],
    "ThinkingConfig": ["include_thoughts", "thinking_budget", "thinking_level"],
}  # fmt: skip


def with_mime_type(config: dict[str, Any]) -> dict[str, Any]:
    return config | ({"response_mime_type": "application/json"} if "response_json_schema" in config else {})


#: a part holds one kind of data
PART = st.one_of(
    [
        made(genai.Part, {**SOME, "Part": [data, "thought", "thought_signature", *more], "Part needs": [data]})
        for data, *more in (
            ["text"], ["inline_data", "video_metadata"], ["function_call"], ["function_response"], ["file_data"],
        )
    ]
)  # fmt: skip
TURN = st.fixed_dictionaries({"role": st.sampled_from(["user", "model"]), "parts": st.lists(PART, max_size=3)})
GEMINI = st.fixed_dictionaries(
    {"contents": st.lists(TURN, max_size=4).map(lambda turns: [{"role": "user", "parts": [{"text": "q"}]}, *turns])},
    optional={
        "tools": st.lists(made(genai.Tool, SOME), max_size=2),
        "toolConfig": made(genai.ToolConfig, SOME),
        "generationConfig": made(genai.GenerationConfig, SOME).map(with_mime_type),
        "systemInstruction": st.just({"parts": {"text": "s"}}),
    },
)


def asked(body: dict[str, Any]) -> dict[str, Any]:
    """A user speaks first."""
    return {**body, "messages": [{"role": "user", "content": "q"}, *body["messages"]]}


@ROUNDS
@given(made(completion_create_params.CompletionCreateParamsNonStreaming, ONLY).map(asked), MODEL)
def test_any_chat_of_openais_types(body: Any, model: Model) -> None:
    check(chat_request.decode, body, model)


@ROUNDS
@given(made(message_create_params.MessageCreateParamsNonStreaming, ONLY).map(asked), MODEL)
def test_any_message_of_anthropics_types(body: Any, model: Model) -> None:
    check(anthropic.decode, body, model)


@ROUNDS
@given(GEMINI, MODEL)
def test_any_content_of_geminis_types(body: Any, model: Model) -> None:
    check(from_gemini, body, model)
