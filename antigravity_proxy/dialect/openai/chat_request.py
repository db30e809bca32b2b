"""Decodes ``POST /v1/chat/completions`` (translation.md 3.1, 2). Pure."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

from antigravity_proxy.canonical.call import Call, Effort, OutputFormat, Reasoning, Sampling
from antigravity_proxy.canonical.estimate import contents_tokens
from antigravity_proxy.dialect.base import Decoded
from antigravity_proxy.dialect.openai.chat_answer import ChatOptions, new_answer
from antigravity_proxy.dialect.openai.chat_messages import Message, conversation
from antigravity_proxy.dialect.openai.chat_tools import Tool, declared, tool_choice
from antigravity_proxy.dialect.parse import parse
from antigravity_proxy.errors import BadRequest

MAX_CHOICES = 8
MAX_STOPS = 5


class _StreamOptions(Struct):
    include_usage: bool | None = None


class _JsonSchema(Struct):
    schema: Any = None


class _ResponseFormat(Struct):
    type: str
    json_schema: _JsonSchema | None = None


class _Reasoning(Struct):
    effort: Effort | None = None
    max_tokens: int | None = None
    exclude: bool | None = None


class _Thinking(Struct):
    """What litellm passes of Anthropic's form."""

    type: Literal["enabled", "disabled", "adaptive"] = "enabled"
    budget_tokens: int | None = None


class _GoogleThinking(Struct):
    include_thoughts: bool | None = None
    thinking_budget: int | None = None


class _Google(Struct):
    thinking_config: _GoogleThinking | None = None


class _ExtraBody(Struct):
    google: _Google | None = None


class ChatRequest(Struct):
    """The body; unknown fields are ignored, null is absent."""

    model: str
    messages: list[Message]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    tools: list[Tool] | None = None
    functions: list[Any] | None = None
    tool_choice: Any = None
    function_call: Any = None
    parallel_tool_calls: bool | None = None
    response_format: _ResponseFormat | None = None
    reasoning_effort: Effort | None = None
    reasoning: _Reasoning | None = None
    thinking: _Thinking | None = None
    google: _Google | None = None
    extra_body: _ExtraBody | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    max_tokens: float | None = None
    max_completion_tokens: float | None = None
    stop: str | list[str] | None = None
    seed: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    n: float | None = None
    modalities: list[str] | None = None
    web_search_options: dict[str, Any] | None = None


_decoder = msgspec.json.Decoder(ChatRequest)


def decode(body: bytes) -> Decoded:
    """The request as a call; raises BadRequest with the ``param`` at fault."""
    request = parse(body, _decoder)
    if request.modalities is not None and "audio" in request.modalities:
        raise BadRequest("Audio can't be answered here.", param="modalities")
    tools, custom = declared(request.tools, request.functions)
    contents, system = conversation(request.messages, custom)
    legacy = request.tools is None and request.functions is not None
    sampling = _sampling(request)
    stream = bool(request.stream)
    call = Call(
        model=request.model,
        contents=contents,
        system=system,
        tools=tools,
        web_search=request.web_search_options is not None,
        tool_choice=tool_choice(request.tool_choice, request.function_call),
        parallel_tool_calls=request.parallel_tool_calls is not False,
        sampling=sampling,
        output=_output(request.response_format),
        reasoning=_reasoning(request),
        choices=_choices(request.n),
        stream=stream,
    )
    options = ChatOptions(
        model=request.model,
        stream=stream,
        include_usage=bool(request.stream_options and request.stream_options.include_usage),
        legacy_functions=legacy,
        custom_tools=custom,
        show_thoughts=call.reasoning.show,
        keep_text=call.web_search,
        input_estimate=contents_tokens(contents),
    )
    return Decoded(call, lambda stamp: new_answer(options, stamp))


def _sampling(request: ChatRequest) -> Sampling:
    limit_field = "max_completion_tokens" if request.max_completion_tokens is not None else "max_tokens"
    limit = _whole(getattr(request, limit_field), limit_field)
    if limit is not None and limit <= 0:
        raise BadRequest(f"{limit_field} must be at least 1.", param=limit_field)
    stops = [request.stop] if isinstance(request.stop, str) else request.stop or []
    seed = _whole(request.seed, "seed")
    top_logprobs = request.top_logprobs
    if top_logprobs is not None and not 0 <= top_logprobs <= 20:
        raise BadRequest("top_logprobs must be from 0 to 20.", param="top_logprobs")
    return Sampling(
        temperature=_within(request.temperature, 0, 2, "temperature"),
        top_p=_within(request.top_p, 0, 1, "top_p"),
        top_k=_whole(request.top_k, "top_k"),
        max_output_tokens=limit,
        stop_sequences=tuple(filter(None, stops))[:MAX_STOPS],
        seed=None if seed is None else seed & 0x7FFFFFFF,
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        response_logprobs=bool(request.logprobs),
        logprobs=top_logprobs if request.logprobs else None,
    )


def _within(value: float | None, low: float, high: float, param: str) -> float | None:
    if value is not None and not low <= value <= high:
        raise BadRequest(f"{param} must be from {low} to {high}.", param=param)
    return value


def _whole(value: float | None, param: str) -> int | None:
    """Numbers may arrive as ``1`` or ``1.0`` (translation.md 1)."""
    if value is None:
        return None
    if value != value // 1:
        raise BadRequest(f"{param} must be a whole number.", param=param)
    return int(value)


def _choices(n: float | None) -> int:
    count = _whole(n, "n")
    if count is not None and not 1 <= count <= MAX_CHOICES:
        raise BadRequest(f"n must be from 1 to {MAX_CHOICES}.", param="n")
    return count or 1


def _output(wanted: _ResponseFormat | None) -> OutputFormat:
    if wanted is None or wanted.type == "text":
        return OutputFormat()
    if wanted.type == "json_object":
        return OutputFormat("json")
    if wanted.type == "json_schema":
        schema = wanted.json_schema.schema if wanted.json_schema is not None else None
        if not isinstance(schema, dict):
            raise BadRequest("response_format needs a JSON schema.", param="response_format.json_schema.schema")
        return OutputFormat("schema", schema)
    raise BadRequest("response_format.type must be text, json_object or json_schema.", param="response_format.type")


def _reasoning(request: ChatRequest) -> Reasoning:
    """All spellings in which clients ask for it (translation.md 2.7); the first that says something counts."""
    if request.reasoning_effort is not None:
        return _by_effort(request.reasoning_effort)
    said = request.reasoning
    if said is not None:
        show = said.exclude is not True
        if said.effort is not None:
            return _by_effort(said.effort, show)
        if said.max_tokens is not None:
            return Reasoning("on", budget=said.max_tokens, show=show)
        return Reasoning(show=show)
    if request.thinking is not None:
        if request.thinking.type == "disabled":
            return Reasoning("off", show=False)
        return Reasoning("on" if request.thinking.type == "enabled" else "auto", request.thinking.budget_tokens)
    google = request.google or (request.extra_body.google if request.extra_body is not None else None)
    if google is not None and google.thinking_config is not None:
        config = google.thinking_config
        if config.thinking_budget == 0:
            return Reasoning("off", show=False)
        return Reasoning("on", config.thinking_budget, show=config.include_thoughts is not False)
    return Reasoning()


def _by_effort(effort: Effort, show: bool = True) -> Reasoning:
    if effort == "none":
        return Reasoning("off", show=False)
    return Reasoning("on", effort=effort, show=show)
