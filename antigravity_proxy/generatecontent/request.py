"""A canonical call as one model takes it: everything that depends on the target, in one place. Pure (upstream.md 4).

The same call gives the same bytes, so that upstream's prompt cache can hit.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from antigravity_proxy.canonical import pictures
from antigravity_proxy.canonical.call import Call, OutputFormat, Sampling, Speech
from antigravity_proxy.canonical.content import ABSENT, Content, Part
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.pictures import PictureForm
from antigravity_proxy.canonical.wire import Fix, Quirk
from antigravity_proxy.errors import BadRequest
from antigravity_proxy.generatecontent import schema, turns
from antigravity_proxy.generatecontent.names import NameMap
from antigravity_proxy.generatecontent.restore import Restore
from antigravity_proxy.generatecontent.thinking import ThinkingConfig, fit_output, thinking_config
from antigravity_proxy.generatecontent.tools import (
    MAX_DECLARATIONS,
    CallingConfig,
    Declaration,
    ToolConfig,
    calling_config,
    declarations,
)
from antigravity_proxy.settings.limits import PICTURE_SILENCE

#: one object for all requests of which no arguments are wrapped
_NONE: frozenset[str] = frozenset()
_SEARCH = Raw(b'{"googleSearch":{}}')
#: how an answer is asked for, piece by piece or in one, with the patience that it takes (upstream.md 1.2)
_STREAM, _WHOLE = (b":streamGenerateContent?alt=sse", 0.0), (b":generateContent", PICTURE_SILENCE)
#: what of ``generationConfig``, and which tool, official upstreams alone know
_OFFICIAL_CONFIG, _OFFICIAL_TOOL = frozenset({"modelConfig"}), b'{"mcpServers"'
#: which quirk cures a refusal whose message has these words, case and underscores aside; and for which models
_CURES: tuple[tuple[re.Pattern[str], Quirk, Callable[[Model], bool]], ...] = (
    (re.compile(r"stopsequences"), Quirk.NO_STOP_SEQUENCES, lambda model: True),
    (re.compile(r"presencepenalty"), Quirk.NO_PRESENCE_PENALTY, lambda model: True),
    (re.compile(r"frequencypenalty"), Quirk.NO_FREQUENCY_PENALTY, lambda model: True),
    (re.compile(r"logprobs"), Quirk.NO_LOGPROBS, lambda model: True),
    (re.compile(r"thinkingbudget|thinkinglevel"), Quirk.PLAIN_THINKING, lambda model: model.thinking is not None),
    (re.compile(r"response(json)?schema"), Quirk.SHORT_SCHEMA, lambda model: model.family != "claude"),
    (re.compile(r"^(?!.*invalid value).*servicetier", re.S), Quirk.NO_SERVICE_TIER, lambda model: True),
    (re.compile(r"image ?size"), Quirk.SMALLER_PICTURE, lambda model: model.image),
    (re.compile(r"prefill|must end with a user"), Quirk.NO_PREFILL, lambda model: model.takes_prefill),
    (re.compile(r"thoughtsignature|\bsignature\b|must be 'thinking'"), Quirk.LOST_SIGNATURES, lambda model: True),
)


def quirk_for(model: Model, message: str) -> Quirk | None:
    """The changes to a request that ``model`` refused with 400 and this message; None: nothing helps."""
    words = message.lower().replace("_", "")
    return next((quirk for pattern, quirk, fits in _CURES if fits(model) and pattern.search(words)), None)


class GenerationConfig(Sampling, frozen=True, rename="camel", omit_defaults=True):
    """``generationConfig``: the sampling settings and what is decided here."""

    thinking_config: ThinkingConfig | None = None
    response_mime_type: str = ""
    response_json_schema: Raw = ABSENT
    response_schema: Raw = ABSENT


class Request(Struct, frozen=True, rename="camel", omit_defaults=True):
    """The inner ``request``."""

    contents: list[Content]
    system_instruction: Content | None = None
    generation_config: Raw = ABSENT
    tools: tuple[Raw, ...] = ()
    tool_config: ToolConfig | None = None
    safety_settings: tuple[Raw, ...] = ()
    session_id: str = ""


class Prepared:
    """A request ready to be sent, again and again: ``body`` is the encoded inner request.

    ``opening`` identifies the conversation's opening, as the ``sessionId``; empty for a picture: each is its own.
    ``is_picture``: a picture is asked for. ``searches``: the model is to search the web. ``method``: what is
    called, ``silence``: the least patience with it, in seconds; pictures come whole, and late.
    """

    __slots__ = ("body", "is_picture", "method", "model", "opening", "restore", "searches", "silence")

    def __init__(
        self,
        model: Model,
        body: bytes,
        restore: Restore,
        opening: str = "",
        *,
        searches: bool = False,
        is_picture: bool = False,
        is_whole: bool = False,
    ) -> None:
        self.model = model
        self.body = body
        self.restore = restore
        self.opening = opening
        self.searches = searches
        self.is_picture = is_picture
        self.method, self.silence = _WHOLE if is_picture or is_whole else _STREAM


def prepare(
    call: Call,
    model: Model,
    quirks: frozenset[Fix] = frozenset(),
    conversation: str | None = None,
    *,
    official: bool = False,
) -> Prepared:
    """Makes the request; raises BadRequest for what can't be asked of any model.

    ``conversation`` is the call's ``conversation_id``, where that is known already. ``official``: for an upstream that
    takes the request bare, knows no ``sessionId``, and reads more (official-upstreams.md 4).
    """
    if not official and (call.extra_config or call.builtin_tools):
        call = _for_accounts(call)
    try:
        if call.speech is not None:
            return _prepare_speech(call, call.speech, model)
        if model.image:
            return _prepare_image(call, model, quirks, official)
        conversation = conversation_id(call) if conversation is None else conversation
        return _prepare(call, model, quirks, conversation, official)
    except RecursionError:  # a schema may be as deep as its decoder allowed
        raise BadRequest("The request is nested too deeply.") from None


def _prepare(call: Call, model: Model, quirks: frozenset[Fix], conversation: str, official: bool) -> Prepared:
    names = NameMap(function_names(call), model.family)
    contents = _contents(call, model, names, quirks)
    declared, wrapped = declarations(call, model, names) if call.tools else ([], _NONE)
    choice = (
        calling_config(call.tool_choice, model, names, {tool.name for tool in call.tools[:MAX_DECLARATIONS]})
        if declared or call.tool_choice.names
        else None
    )
    thinking = thinking_config(call.reasoning, model)
    if thinking is not None and model.family == "claude":
        forced = choice is not None and choice.mode == "ANY"
        if forced or Quirk.LOST_SIGNATURES in quirks or not turns.can_think(contents, model):
            thinking = None
    system = list(call.system)
    config = _generation_config(call, model, thinking, quirks, bool(declared), system)
    search = call.web_search and call.tool_choice.mode != "none" and (model.mixes_tools or not declared)
    tools = _tools(declared, search, call, mixes=model.mixes_tools)
    request = Request(
        contents=contents,
        system_instruction=_system(system, model) if system else None,
        generation_config=config,
        tools=tools,
        tool_config=_tool_config(choice, call, model, mixed=bool(declared) and len(tools) > 1),
        safety_settings=call.safety_settings,
        session_id="" if official else conversation,
    )
    restore = Restore(names, wrapped, only_first_call=not call.parallel_tool_calls)
    body = _body(request, call, model, quirks, official)
    return Prepared(model, body, restore, conversation, searches=search and len(tools) == 1)


def _for_accounts(call: Call) -> Call:
    """The call without the settings and tools that official upstreams alone know."""
    config = {name: value for name, value in call.extra_config.items() if name not in _OFFICIAL_CONFIG}
    builtin = tuple(tool for tool in call.builtin_tools if not bytes(tool).startswith(_OFFICIAL_TOOL))
    return replace(call, extra_config=config, builtin_tools=builtin)


def _body(request: Request, call: Call, model: Model, quirks: frozenset[Fix], official: bool) -> bytes:
    """The request with the fields beside it that Google's own models read at official upstreams."""
    body = msgspec.json.encode(request)
    if not (official and call.official and model.family == "gemini"):
        return body
    left_out = Quirk.NO_SERVICE_TIER.value if Quirk.NO_SERVICE_TIER in quirks else ""
    fields = {name: value for name, value in call.official.items() if name != left_out}
    return body[:-1] + b"," + msgspec.json.encode(fields)[1:] if fields else body


def _prepare_speech(call: Call, speech: Speech, model: Model) -> Prepared:
    """Text that is to be spoken (official-upstreams.md 8.4)."""
    text = "".join(part.text or "" for content in call.contents for part in content.parts)
    part: dict[str, object] = {"text": text}
    voice: dict[str, object] = {"voice": speech.voice}
    if not model.styles_speech:
        part["text"] = f"{speech.style}: {text}" if speech.style else text
        voice = {"prebuiltVoiceConfig": {"voiceName": speech.voice}}
    elif speech.style:
        part["speechMetadata"] = {"style": speech.style}
    config = {"responseModalities": ["AUDIO"], "speechConfig": {"voiceConfig": voice}}
    body = {"contents": [{"role": "user", "parts": [part]}], "generationConfig": config}
    restore = Restore(NameMap([], model.family), frozenset(), only_first_call=False)
    return Prepared(model, msgspec.json.encode(body), restore, is_whole=not (call.stream and model.streams_speech))


def _prepare_image(call: Call, model: Model, quirks: frozenset[Fix], official: bool) -> Prepared:
    """Image models take contents and the picture's form, of accounts nothing else (upstream.md 8.5)."""
    names = NameMap(function_names(call), model.family)
    contents = _contents(call, model, names, quirks)
    if (system := _system(list(call.system), model)) is not None:
        contents[0] = Content("user", system.parts + contents[0].parts)
    config = {"responseModalities": Raw(b'["TEXT","IMAGE"]')} if official else {"candidateCount": Raw(b"1")}
    if form := _picture_form(call, quirks):
        config["imageConfig"] = form
    safety = call.safety_settings if official else ()
    request = Request(contents, generation_config=Raw(msgspec.json.encode(config)), safety_settings=safety)
    body = _body(request, call, model, quirks, official)
    return Prepared(model, body, Restore(names, frozenset(), only_first_call=False), is_picture=True)


def _picture_form(call: Call, quirks: frozenset[Fix]) -> Raw:
    """``imageConfig``: the client's, else what the model's name says; one size smaller if this one was refused."""
    given = call.extra_config.get("imageConfig")
    if given is not None and Quirk.SMALLER_PICTURE not in quirks:
        return given
    try:
        form = pictures.of_name(call.model) if given is None else msgspec.json.decode(given, type=PictureForm)
    except msgspec.MsgspecError:
        return given or ABSENT
    if Quirk.SMALLER_PICTURE in quirks:
        form = replace(form, image_size=pictures.SMALLER.get(form.image_size, ""))
    return Raw(msgspec.json.encode(form)) if form != PictureForm() else ABSENT


def _contents(call: Call, model: Model, names: NameMap, quirks: frozenset[Fix]) -> list[Content]:
    lost, prefill = Quirk.LOST_SIGNATURES in quirks, Quirk.NO_PREFILL not in quirks
    return turns.arrange(call.contents, model, names, lost_signatures=lost, prefill=prefill)


def count_tokens_body(call: Call, model: Model) -> bytes:
    """The body of ``:countTokens``: contents alone, since it refuses more (upstream.md 4.5)."""
    contents = turns.arrange(call.contents, model, NameMap(function_names(call), model.family))
    spoken = [Content(turn.role, tuple(_spoken(part) for part in turn.parts)) for turn in contents]
    return msgspec.json.encode({"request": {"model": f"models/{model.id}", "contents": spoken}})


def _spoken(part: Part) -> Part:
    """A thought counts as plain text, which can't be empty; a signature isn't counted."""
    if not (part.thought or part.thought_signature):
        return part
    return replace(part, text=part.text or "." if part.text is not None else None, thought=False, thought_signature="")


def function_names(call: Call) -> list[str]:
    """Every function name of the call, the declared ones first."""
    names = [tool.name for tool in call.tools] if call.tools else []
    for content in call.contents:
        for part in content.parts:
            if part.function_call is not None:
                names.append(part.function_call.name)
            elif part.function_response is not None:
                names.append(part.function_response.name)
    return names


def _system(texts: list[str], model: Model) -> Content | None:
    """Texts that are empty are left out: for Claude white space too, which Anthropic refuses."""
    if not texts:
        return None
    says = str.strip if model.family == "claude" else str
    parts = tuple(Part(text=text) for text in texts if says(text))
    return Content("user", parts) if parts else None


def _tools(declared: list[Declaration], search: bool, call: Call, *, mixes: bool) -> tuple[Raw, ...]:
    """One element with all functions, or the Gemini dialect's own tools, or search: most models refuse a mixture."""
    if declared:
        functions = Raw(msgspec.json.encode({"functionDeclarations": declared}))
        return (functions, *_tools([], search, call, mixes=mixes)) if mixes else (functions,)
    if search and not any(bytes(tool).startswith(b'{"googleSearch"') for tool in call.builtin_tools):
        return (_SEARCH, *call.builtin_tools)
    return call.builtin_tools


def _tool_config(choice: CallingConfig | None, call: Call, model: Model, *, mixed: bool) -> ToolConfig | None:
    """``mixed``: functions go with the upstream's own tools, which has to be said (official-upstreams.md 4)."""
    settings = dict(call.tool_settings) if model.family == "gemini" else {}
    if mixed:
        settings.setdefault("includeServerSideToolInvocations", Raw(b"true"))
    if choice is None and not settings:
        return None
    return ToolConfig(
        choice, settings.get("retrievalConfig", ABSENT), settings.get("includeServerSideToolInvocations", ABSENT)
    )


def _generation_config(
    call: Call, model: Model, thinking: ThinkingConfig | None, quirks: frozenset[Fix], tools: bool, system: list[str]
) -> Raw:
    sampling = call.sampling
    output, thinking = fit_output(sampling.max_output_tokens, thinking, model)
    if thinking is not None and Quirk.PLAIN_THINKING in quirks:
        thinking = ThinkingConfig(thinking.include_thoughts)
    temperature, top_p, top_k = samplers(sampling, claude=model.family == "claude", thinks=thinking is not None)
    no_logprobs = Quirk.NO_LOGPROBS in quirks
    mime, json_schema, short_schema = "", ABSENT, ABSENT
    if call.output.kind != "text":
        mime, json_schema, short_schema = _output(call, model, quirks, tools, system)
    config = GenerationConfig(
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        max_output_tokens=output,
        stop_sequences=() if Quirk.NO_STOP_SEQUENCES in quirks else sampling.stop_sequences[:5],
        seed=sampling.seed,
        presence_penalty=None if Quirk.NO_PRESENCE_PENALTY in quirks else sampling.presence_penalty,
        frequency_penalty=None if Quirk.NO_FREQUENCY_PENALTY in quirks else sampling.frequency_penalty,
        response_logprobs=sampling.response_logprobs and not no_logprobs,
        logprobs=None if no_logprobs else sampling.logprobs,
        thinking_config=thinking,
        response_mime_type=mime,
        response_json_schema=json_schema,
        response_schema=short_schema,
    )
    text = msgspec.json.encode(config)
    if call.extra_config:
        text = msgspec.json.encode({**msgspec.json.decode(text, type=dict[str, Raw]), **call.extra_config})
    return Raw(text) if text != b"{}" else ABSENT


def samplers(sampling: Sampling, *, claude: bool, thinks: bool) -> tuple[float | None, float | None, int | None]:
    """Temperature, top-p and top-k as a model takes them: Claude one of the first two, and little while it thinks."""
    thinking_claude = claude and thinks
    temperature = None if thinking_claude or sampling.temperature is None else _within(sampling.temperature, 0, 2)
    top_p = None if sampling.top_p is None or (claude and temperature is not None) else _within(sampling.top_p, 0, 1)
    if thinking_claude and (top_p or 0) < 0.95:
        top_p = None
    top_k = None if thinking_claude or sampling.top_k is None else max(sampling.top_k, 1)
    return temperature, top_p, top_k


def _within(value: float, low: float, high: float) -> float:
    """Out of range is brought into it, as upstream would refuse it (upstream.md 8.4)."""
    return value if low <= value <= high else min(max(value, low), high)


def _output(call: Call, model: Model, quirks: frozenset[Fix], tools: bool, system: list[str]) -> tuple[str, Raw, Raw]:
    """Mime type, schema, schema by the short list.

    Where upstream has no field, the prompt says it (translation.md 2.5).
    """
    output = call.output
    if model.family == "claude" or (tools and not model.formats_beside_tools):
        system.append(output_in_words(output))
        return "", ABSENT, ABSENT
    if output.kind == "enum":
        return "text/x.enum", ABSENT, Raw(msgspec.json.encode(schema.clean_response(output.schema, short=True)))
    if output.kind == "json" or not isinstance(output.schema, dict):
        return "application/json", ABSENT, ABSENT
    if Quirk.SHORT_SCHEMA in quirks:
        short = schema.clean_response(output.schema, short=True)
        return "application/json", ABSENT, Raw(msgspec.json.encode(short))
    return "application/json", Raw(msgspec.json.encode(schema.clean_response(output.schema))), ABSENT


def output_in_words(output: OutputFormat) -> str:
    """The prompt for the form of an answer, for a model that has no field for it."""
    return _one_of(output.schema) if output.kind == "enum" else _in_words(output.schema)


def _one_of(wanted: Any) -> str:
    values = wanted.get("enum") if isinstance(wanted, dict) else None
    return f"Answer with exactly one of these texts, and nothing else: {msgspec.json.encode(values or []).decode()}"


def _in_words(wanted: Any) -> str:
    if not isinstance(wanted, dict):
        return "Answer with one JSON value only, no prose, no code fence."
    return (
        "Answer with one JSON value only, valid against this JSON Schema, no prose, no code fence:\n"
        + msgspec.json.encode(wanted).decode()
    )


def conversation_id(call: Call) -> str:
    """Stable for a conversation, as its ``sessionId``, so that upstream's prompt cache can hit (upstream.md 4.1).

    Made from what the client calls it, and from how it opens: the name may be its user's, who has several.
    """
    parts = call.contents[0].parts if call.contents else ()
    said = [part.text or (part.inline_data.data if part.inline_data is not None else "") for part in parts]
    digest = hashlib.sha256()
    for text in (call.session, *call.system, *said):
        digest.update(text[:4096].encode("utf-8", "replace"))
    return "-" + str(int.from_bytes(digest.digest()[:8], "big") >> 1)
