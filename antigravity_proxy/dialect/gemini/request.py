"""Decodes Gemini's requests (translation.md 9). Pure.

The canonical form is Gemini's own, so most passes as it is; what is unknown is dropped, since upstream refuses it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw, Struct

from antigravity_proxy.canonical.call import (
    Call,
    Effort,
    FunctionDeclaration,
    OutputFormat,
    Reasoning,
    Sampling,
    ToolChoice,
)
from antigravity_proxy.canonical.content import ABSENT, Blob, Content, FileData, FunctionCall, FunctionResponse, Part
from antigravity_proxy.dialect import media
from antigravity_proxy.dialect.base import Answer, Decoded
from antigravity_proxy.dialect.gemini.answer import GeminiArrayStream, GeminiDocument, GeminiStream
from antigravity_proxy.dialect.gemini.spelling import to_camel
from antigravity_proxy.dialect.parse import convert, parse
from antigravity_proxy.errors import BadRequest

_anything = msgspec.json.Decoder(dict[str, Any])

#: generationConfig keys that only this dialect can say, passed as they are (upstream.md 4.3)
_PASSED_CONFIG = (
    "responseModalities", "mediaResolution", "speechConfig", "audioTimestamp", "imageConfig", "routingConfig",
    "modelSelectionConfig",
)  # fmt: skip
#: tools that are no functions, passed if alone
_PASSED_TOOLS = ("codeExecution", "urlContext", "googleMaps", "computerUse", "fileSearch")
_SEARCH = ("googleSearch", "googleSearchRetrieval")
_LEVELS: dict[str, Effort] = {"minimal": "minimal", "low": "low", "medium": "medium", "high": "high"}


class _Blob(Struct, rename="camel"):
    data: str
    mime_type: str | None = None


class _FileData(Struct, rename="camel"):
    file_uri: str
    mime_type: str | None = None


class _FunctionCall(Struct, rename="camel"):
    name: str
    args: dict[str, Any] | None = None
    id: str | None = None


class _FunctionResponse(Struct, rename="camel"):
    name: str
    response: dict[str, Any] | None = None
    id: str | None = None
    parts: list[_Part] | None = None


class _Part(Struct, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    inline_data: _Blob | None = None
    file_data: _FileData | None = None
    function_call: _FunctionCall | None = None
    function_response: _FunctionResponse | None = None
    executable_code: dict[str, Any] | None = None
    code_execution_result: dict[str, Any] | None = None


class _Content(Struct, rename="camel"):
    parts: list[_Part] | None = None
    role: str | None = None


class _Declaration(Struct, rename="camel"):
    name: str
    description: str | None = None
    parameters: Any = None
    parameters_json_schema: Any = None


class _Tool(Struct, rename="camel"):
    function_declarations: list[_Declaration] | None = None


class _CallingConfig(Struct, rename="camel"):
    mode: str | None = None
    allowed_function_names: list[str] | None = None


class _ToolConfig(Struct, rename="camel"):
    function_calling_config: _CallingConfig | None = None


class _ThinkingConfig(Struct, rename="camel"):
    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str | None = None


class _Config(Struct, rename="camel"):
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    candidate_count: int | None = None
    max_output_tokens: int | None = None
    stop_sequences: list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    response_logprobs: bool | None = None
    logprobs: int | None = None
    response_mime_type: str | None = None
    response_schema: Any = None
    response_json_schema: Any = None
    thinking_config: _ThinkingConfig | None = None


class _Request(Struct, rename="camel"):
    contents: list[_Content] | _Content | str | None = None
    system_instruction: _Content | str | None = None
    generation_config: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_config: _ToolConfig | None = None
    safety_settings: list[dict[str, Any]] | None = None


def decode(body: bytes, model: str, *, stream: bool, alt: str | None) -> Decoded:
    """``:generateContent`` and ``:streamGenerateContent``; ``alt`` is the query's. Raises BadRequest."""
    form: Callable[[bool], Answer]
    if not stream:
        form = GeminiDocument
    elif alt == "sse":
        form = GeminiStream
    elif alt in (None, "", "json"):
        form = GeminiArrayStream
    else:
        raise BadRequest(f"alt must be sse or json, not {alt[:20]!r}.", param="alt")
    call = _call(to_camel(parse(body, _anything)), model, stream)
    shows = call.reasoning.show
    return Decoded(call, lambda stamp: form(shows))


def decode_count(body: bytes, model: str) -> Call:
    """``:countTokens`` in both of its forms. Raises BadRequest."""
    fields = to_camel(parse(body, _anything))
    inner = fields.get("generateContentRequest")
    return _call(inner if isinstance(inner, dict) else fields, model, False)


def _call(fields: dict[str, Any], model: str, stream: bool) -> Call:
    request = convert(fields, _Request, "")
    contents = _contents(request.contents)
    config = convert(request.generation_config or {}, _Config, "generationConfig")
    tools, search, builtin = _tools(request.tools or [])
    return Call(
        model=model,
        contents=contents,
        system=_system(request.system_instruction),
        tools=tools,
        web_search=search,
        builtin_tools=builtin,
        tool_choice=_choice(request.tool_config),
        sampling=_sampling(config),
        output=_output(config),
        reasoning=_reasoning(config.thinking_config),
        safety_settings=tuple(_raw(item) for item in request.safety_settings or ()),
        extra_config={
            key: _raw(value)
            for key, value in (request.generation_config or {}).items()
            if key in _PASSED_CONFIG and value is not None
        },
        choices=_choices(config.candidate_count),
        stream=stream,
    )


def _contents(value: list[_Content] | _Content | str | None) -> tuple[Content, ...]:
    if isinstance(value, str):
        value = [_Content([_Part(text=value)])]
    elif isinstance(value, _Content):
        value = [value]
    found = tuple(_content(content, f"contents[{i}]") for i, content in enumerate(value or ()))
    if not any(content.parts for content in found):
        raise BadRequest("contents is missing or empty.", param="contents")
    return found


def _content(content: _Content, where: str) -> Content:
    role = content.role or "user"
    if role not in ("user", "model", "function"):
        raise BadRequest("role must be user or model.", param=f"{where}.role")
    parts = tuple(_part(part, f"{where}.parts[{j}]") for j, part in enumerate(content.parts or ()))
    return Content("model" if role == "model" else "user", parts)


def _part(part: _Part, where: str) -> Part:
    blob, file = part.inline_data, part.file_data
    call, response = part.function_call, part.function_response
    inline: Blob | None = None
    if blob is not None:
        inline = media.inline(blob.mime_type or "", blob.data, f"{where}.inlineData.data").inline_data
    return Part(
        text=part.text,
        thought=bool(part.thought),
        inline_data=inline,
        file_data=None if file is None else FileData(file.file_uri, file.mime_type or ""),
        function_call=None if call is None else FunctionCall(call.name, _raw(call.args or {}), call.id or ""),
        function_response=None if response is None else _response(response, where),
        executable_code=_raw(part.executable_code) if part.executable_code else ABSENT,
        code_execution_result=_raw(part.code_execution_result) if part.code_execution_result else ABSENT,
        thought_signature=_standard(part.thought_signature or ""),
    )


def _response(response: _FunctionResponse, where: str) -> FunctionResponse:
    parts = tuple(_part(p, f"{where}.functionResponse.parts[{k}]") for k, p in enumerate(response.parts or ()))
    return FunctionResponse(response.name, _raw(response.response or {}), response.id or "", parts)


def _standard(signature: str) -> str:
    """Clients write signatures in URL-safe base64, whatever they received (clients.md 7)."""
    if signature == "skip_thought_signature_validator" or not ("-" in signature or "_" in signature):
        return signature
    plain = signature.replace("-", "+").replace("_", "/")
    return plain + "=" * (-len(plain) % 4)


def _system(value: _Content | str | None) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(part.text for part in (value.parts if value is not None else None) or () if part.text)


def _tools(tools: list[dict[str, Any]]) -> tuple[tuple[FunctionDeclaration, ...], bool, tuple[Raw, ...]]:
    """Functions, whether search is wanted, and the other tools that upstream knows."""
    found: list[FunctionDeclaration] = []
    builtin: list[Raw] = []
    search = False
    for i, tool in enumerate(tools):
        search = search or any(name in tool for name in _SEARCH)
        builtin += [_raw({name: tool[name]}) for name in _PASSED_TOOLS if name in tool]
        for declared in convert(tool, _Tool, f"tools[{i}]").function_declarations or ():
            schema = declared.parameters if declared.parameters is not None else declared.parameters_json_schema
            found.append(FunctionDeclaration(declared.name, declared.description or "", schema))
    return tuple(found), search, tuple(builtin)


def _choice(config: _ToolConfig | None) -> ToolChoice:
    calling = config.function_calling_config if config is not None else None
    if calling is None or calling.mode is None:
        return ToolChoice()
    mode = calling.mode.lower()
    names = tuple(calling.allowed_function_names or ())
    if mode in ("auto", "mode_unspecified"):
        return ToolChoice()
    if mode == "none":
        return ToolChoice("none")
    if mode not in ("any", "validated"):
        raise BadRequest("mode must be AUTO, ANY, NONE or VALIDATED.", param="toolConfig.functionCallingConfig.mode")
    return ToolChoice("any" if mode == "any" else "validated", names)


def _sampling(config: _Config) -> Sampling:
    return Sampling(
        temperature=config.temperature,
        top_p=config.top_p,
        top_k=None if config.top_k is None else int(config.top_k),
        max_output_tokens=config.max_output_tokens,
        stop_sequences=tuple(filter(None, config.stop_sequences or ())),
        seed=None if config.seed is None else config.seed & 0x7FFFFFFF,
        presence_penalty=config.presence_penalty,
        frequency_penalty=config.frequency_penalty,
        response_logprobs=bool(config.response_logprobs),
        logprobs=config.logprobs,
    )


def _output(config: _Config) -> OutputFormat:
    schema = config.response_json_schema if config.response_json_schema is not None else config.response_schema
    if isinstance(schema, dict):
        return OutputFormat("schema", schema)
    return OutputFormat("json") if config.response_mime_type == "application/json" else OutputFormat()


def _reasoning(config: _ThinkingConfig | None) -> Reasoning:
    """Thoughts appear only if the client asked for them (translation.md 9)."""
    if config is None:
        return Reasoning(show=False)
    show = bool(config.include_thoughts)
    if config.thinking_budget == 0:
        return Reasoning("off", show=False)
    if config.thinking_budget is not None:
        return Reasoning("auto" if config.thinking_budget < 0 else "on", config.thinking_budget, show=show)
    effort = _LEVELS.get((config.thinking_level or "").lower())
    return Reasoning("on" if effort else "default", effort=effort, show=show)


def _choices(count: int | None) -> int:
    if count is not None and not 1 <= count <= 8:
        raise BadRequest("candidateCount must be from 1 to 8.", param="generationConfig.candidateCount")
    return count or 1


def _raw(value: Any) -> Raw:
    return Raw(msgspec.json.encode(value))
