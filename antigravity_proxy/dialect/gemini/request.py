"""Decodes Gemini's requests (translation.md 9). Pure.

The canonical form is Gemini's own, so most fields pass unchanged; unknown fields are dropped, since upstream refuses
them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw, Struct

from antigravity_proxy.canonical.call import (
    Call,
    FunctionDeclaration,
    OutputFormat,
    Reasoning,
    Sampling,
    ToolChoice,
)
from antigravity_proxy.canonical.content import (
    ABSENT,
    Blob,
    Content,
    FileData,
    FunctionCall,
    FunctionResponse,
    Part,
    RichPart,
)
from antigravity_proxy.dialect import media
from antigravity_proxy.dialect.base import Answer, Decoded
from antigravity_proxy.dialect.effort import nearest_effort
from antigravity_proxy.dialect.gemini import wire
from antigravity_proxy.dialect.gemini.answer import GeminiArrayStream, GeminiDocument, GeminiStream
from antigravity_proxy.dialect.gemini.spelling import to_camel
from antigravity_proxy.dialect.limits import MAX_PARTS, MAX_TOOLS, SMALL_BODY, at_most, lengths
from antigravity_proxy.dialect.parse import convert, parse
from antigravity_proxy.errors import BadRequest

_anything = msgspec.json.Decoder(dict[str, Any])

#: generationConfig keys that only this dialect can say, passed as they are (upstream.md 4.3)
PASSED_CONFIG = (
    "responseModalities", "mediaResolution", "speechConfig", "audioTimestamp", "imageConfig", "routingConfig",
    "modelSelectionConfig", "enableAffectiveDialog", "enableEnhancedCivicAnswers", "translationConfig",
    "audioTranscriptionConfig", "modelConfig",
)  # fmt: skip
#: keys beside it that official upstreams alone read, passed to them as they are (official-upstreams.md 4). ``store`` is
#: none of them: nothing is kept here
PASSED_FIELDS = ("cachedContent", "continuationToken", "labels", "modelArmorConfig", "outputConfig", "serviceTier")
#: tools that are not functions, passed unchanged where there are no functions
PASSED_TOOLS = (
    "googleSearch", "codeExecution", "urlContext", "googleMaps", "computerUse", "fileSearch", "retrieval",
    "enterpriseWebSearch", "parallelAiSearch", "exaAiSearch", "mcpServers",
)  # fmt: skip
#: toolConfig keys that do not concern functions, passed unchanged
PASSED_TOOL_CONFIG = ("retrievalConfig", "includeServerSideToolInvocations")
_MAX_CHOICES = 8
_SEARCH = ("googleSearch", "googleSearchRetrieval")
#: what Google lets clients say where a signature was lost (translation.md 2.6)
_DUMMIES = frozenset({"skip_thought_signature_validator", "context_engineering_is_the_way_to_go"})
#: a part without anything
_NOTHING = wire.Part()
#: fields of a part of which it has one
_DATA = (
    "text", "inline_data", "file_data", "function_call", "function_response", "executable_code",
    "code_execution_result", "tool_call", "tool_response",
)  # fmt: skip
#: fields of a part that are passed as they are
_RICH = tuple(name for name in RichPart.__struct_fields__ if name not in Part.__struct_fields__)


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
    call = _read(body, model, stream)
    shows = call.reasoning.show
    return Decoded(call, lambda stamp: form(shows))


def decode_count(body: bytes, model: str) -> Call:
    """``:countTokens`` in both of its forms. Raises BadRequest."""
    return _read(body, model, False, "generateContentRequest")


def _read(body: bytes, model: str, stream: bool, inner: str = "") -> Call:
    """The body, or the object in its field ``inner`` if there is one, as a call."""
    fields = parse(body, _anything)
    try:
        fields = to_camel(fields)
        wrapped = fields.get(inner)
        return _call(wrapped if isinstance(wrapped, dict) else fields, model, stream, is_small=len(body) <= SMALL_BODY)
    except RecursionError:
        raise BadRequest("The body is nested too deeply.") from None


class _Settings(Struct, frozen=True):
    """What ``generationConfig`` says; as it is here where there is none. Thoughts appear only if asked for."""

    sampling: Sampling = Sampling()
    output: OutputFormat = OutputFormat()
    reasoning: Reasoning = Reasoning(show=False)
    extra: dict[str, Raw] = {}
    choices: int = 1


_UNSAID = _Settings()
_AUTO = ToolChoice()
_NO_TOOLS: tuple[tuple[FunctionDeclaration, ...], bool, tuple[Raw, ...]] = (), False, ()


def _count(fields: dict[str, Any]) -> None:
    """Raises BadRequest for too many of anything, before it is converted: that is done in one piece."""
    for name, value in fields.items():
        contents = value if isinstance(value, list) else [value]
        at_most(MAX_PARTS, name, name, len(contents))
        at_most(MAX_PARTS, "parts", name, lengths(each.get("parts") for each in contents if isinstance(each, dict)))


def _call(fields: dict[str, Any], model: str, stream: bool, *, is_small: bool) -> Call:
    if not is_small:
        _count(fields)
    request = convert(fields, wire.Request, "")
    contents = _contents(request.contents)
    given = request.generation_config
    config = convert(given, wire.GenerationConfig, "generationConfig") if given else None
    tools, search, builtin = _tools(request.tools) if request.tools else _NO_TOOLS
    calling = request.tool_config
    choice = _AUTO if calling is None else _choice(calling)
    settings = _settings(config, given) if config and given else _UNSAID
    return Call(
        model=model,
        contents=contents,
        system=_system(request.system_instruction),
        tools=tools,
        web_search=search,
        builtin_tools=builtin,
        tool_choice=choice,
        tool_settings={} if calling is None else _tool_settings(calling),
        sampling=settings.sampling,
        output=settings.output,
        reasoning=settings.reasoning,
        safety_settings=tuple(map(_raw, request.safety_settings)) if request.safety_settings else (),
        extra_config=settings.extra,
        official={}
        if fields.keys().isdisjoint(PASSED_FIELDS)
        else {name: _raw(value) for name in PASSED_FIELDS if (value := fields.get(name)) is not None},
        choices=settings.choices,
        stream=stream,
    )


def _settings(config: wire.GenerationConfig, given: dict[str, Any]) -> _Settings:
    """``generationConfig``, and as it was given. Raises BadRequest."""
    return _Settings(
        _sampling(config),
        _output(config),
        _reasoning(config.thinking_config),
        {key: _raw(value) for key, value in given.items() if key in PASSED_CONFIG and value is not None},
        _choices(config.candidate_count),
    )


def _contents(value: list[wire.Content] | wire.Content | str | None) -> tuple[Content, ...]:
    if isinstance(value, str):
        value = [wire.Content([wire.Part(text=value)])]
    elif isinstance(value, wire.Content):
        value = [value]
    found: list[Content] = []
    has_parts = has_user = False
    for i, content in enumerate(value or ()):
        role = content.role or "user"
        if role not in ("user", "model", "function"):
            raise BadRequest("role must be user or model.", param=f"contents[{i}].role")
        parts = [_plain(part) or _part(part, f"contents[{i}].parts[{j}]") for j, part in enumerate(content.parts or ())]
        if parts:
            has_parts = True
        if role == "model":
            found.append(Content("model", tuple(parts)))
        else:
            has_user = True
            found.append(Content("user", tuple(parts)))
    if not has_parts:
        raise BadRequest("contents is missing or empty.", param="contents")
    if not has_user:
        raise BadRequest("contents has no turn of the user.", param="contents")
    return tuple(found)


def _plain(part: wire.Part) -> Part | None:
    """A part that is nothing but text, as almost all are; None for any other."""
    text, part.text = part.text, None
    is_plain = part == _NOTHING
    part.text = text
    return Part(text=text) if is_plain else None


def _part(part: wire.Part, where: str) -> Part:
    if sum(getattr(part, name) is not None for name in _DATA) > 1:
        raise BadRequest("A part holds one kind of data.", param=where)
    blob, file = part.inline_data, part.file_data
    call, response = part.function_call, part.function_response
    inline: Blob | None = None
    if blob is not None:
        inline = media.inline(blob.mime_type or "", blob.data, f"{where}.inlineData.data").inline_data
    rich = {name: _raw(value) for name in _RICH if (value := getattr(part, name)) is not None}
    kind = RichPart if rich else Part
    return kind(
        text=part.text,
        thought=bool(part.thought) and part.text is not None,
        inline_data=inline,
        file_data=None if file is None else _file(file, f"{where}.fileData.fileUri"),
        function_call=None if call is None else FunctionCall(call.name, _raw(call.args or {}), call.id or ""),
        function_response=None if response is None else _response(response, where),
        executable_code=_raw(part.executable_code) if part.executable_code else ABSENT,
        code_execution_result=_raw(part.code_execution_result) if part.code_execution_result else ABSENT,
        thought_signature=_standard(part.thought_signature or ""),
        **rich,
    )


def _file(file: wire.FileData, param: str) -> FileData | None:
    return media.by_reference(file.file_uri, file.mime_type or "", param).file_data


def _response(response: wire.FunctionResponse, where: str) -> FunctionResponse:
    parts = tuple(_part(p, f"{where}.functionResponse.parts[{k}]") for k, p in enumerate(response.parts or ()))
    return FunctionResponse(response.name, _raw(response.response or {}), response.id or "", parts)


def _standard(signature: str) -> str:
    """Clients write signatures in URL-safe base64, whatever they received (clients.md 7)."""
    if signature in _DUMMIES or not ("-" in signature or "_" in signature):
        return signature
    plain = signature.replace("-", "+").replace("_", "/")
    return plain + "=" * (-len(plain) % 4)


def _system(value: wire.Content | str | None) -> tuple[str, ...]:
    if not value:
        return ()
    if isinstance(value, str):
        return (value,)
    return tuple([part.text for part in value.parts or () if part.text])


def _tools(tools: list[dict[str, Any]]) -> tuple[tuple[FunctionDeclaration, ...], bool, tuple[Raw, ...]]:
    """Functions, whether search is wanted, and the other tools that upstream knows."""
    found: list[FunctionDeclaration] = []
    builtin: list[Raw] = []
    search = False
    for i, tool in enumerate(tools):
        search = search or any(name in tool for name in _SEARCH)
        builtin += [_raw({name: tool[name]}) for name in PASSED_TOOLS if tool.get(name) is not None]
        if "googleSearch" not in tool and "googleSearchRetrieval" in tool:  # the older one, whose settings are gone
            builtin.append(_raw({"googleSearch": {}}))
        functions = convert(tool, wire.Tool, f"tools[{i}]").function_declarations or []
        at_most(MAX_TOOLS, "tools", "tools", len(tools), len(found), len(functions))
        for declared in functions:
            schema = declared.parameters if declared.parameters is not None else declared.parameters_json_schema
            found.append(FunctionDeclaration(declared.name, declared.description or "", schema))
    return tuple(found), search, tuple(builtin)


def _tool_settings(config: wire.ToolConfig) -> dict[str, Raw]:
    values = (config.retrieval_config, config.include_server_side_tool_invocations)
    return {name: _raw(value) for name, value in zip(PASSED_TOOL_CONFIG, values, strict=True) if value is not None}


def _choice(config: wire.ToolConfig) -> ToolChoice:
    calling = config.function_calling_config
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


def _sampling(config: wire.GenerationConfig) -> Sampling:
    seed = _whole(config.seed, "seed", None)
    return Sampling(
        temperature=config.temperature,
        top_p=config.top_p,
        top_k=None if config.top_k is None else _whole(config.top_k, "topK", 0),
        max_output_tokens=None
        if config.max_output_tokens is None
        else _whole(config.max_output_tokens, "maxOutputTokens", 1),
        stop_sequences=tuple(filter(None, config.stop_sequences or ())),
        seed=None if seed is None else seed & 0x7FFFFFFF,
        presence_penalty=config.presence_penalty,
        frequency_penalty=config.frequency_penalty,
        response_logprobs=bool(config.response_logprobs),
        logprobs=None if config.logprobs is None else _whole(config.logprobs, "logprobs", 0),
    )


def _output(config: wire.GenerationConfig) -> OutputFormat:
    schema = config.response_json_schema if config.response_json_schema is not None else config.response_schema
    if config.response_mime_type == "text/x.enum":
        if not isinstance(schema, dict) or not isinstance(schema.get("enum"), list):
            raise BadRequest(
                "text/x.enum needs a schema with the texts as enum.", param="generationConfig.responseSchema"
            )
        return OutputFormat("enum", schema)
    if isinstance(schema, dict):
        return OutputFormat("schema", schema)
    return OutputFormat("json") if config.response_mime_type == "application/json" else OutputFormat()


def _reasoning(config: wire.ThinkingConfig | None) -> Reasoning:
    """Thoughts appear only if the client asked for them (translation.md 9)."""
    if config is None:
        return Reasoning(show=False)
    show = bool(config.include_thoughts)
    budget = _whole(config.thinking_budget, "thinkingConfig.thinkingBudget", -1)
    if budget == 0:
        return Reasoning("off", show=False)
    if budget is not None and budget > 0:
        return Reasoning("on", budget, show=show)
    level = (config.thinking_level or "").lower()
    if level and level != "thinking_level_unspecified":
        return Reasoning("on", effort=nearest_effort(level), show=show)
    return Reasoning("auto" if show or budget is not None else "default", show=show)


def _choices(count: wire.Whole | None) -> int:
    whole = _whole(count, "candidateCount", 1)
    if whole is not None and whole > _MAX_CHOICES:
        raise BadRequest(f"candidateCount must be from 1 to {_MAX_CHOICES}.", param="generationConfig.candidateCount")
    return whole or 1


def _whole(value: wire.Whole | None, name: str, low: int | None) -> int | None:
    param = f"generationConfig.{name}"
    if value is None:
        return None
    if value != value // 1:
        raise BadRequest(f"{name} must be a whole number.", param=param)
    if low is not None and value < low:
        raise BadRequest(f"{name} must be at least {low}.", param=param)
    return int(value)


def _raw(value: Any) -> Raw:
    return Raw(msgspec.json.encode(value))
