"""A canonical call as one model takes it: everything that depends on the target, in one place. Pure (upstream.md 4).

The same call gives the same bytes, so that upstream's prompt cache can hit.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from antigravity_proxy.canonical import pictures
from antigravity_proxy.canonical.call import Call, Speech
from antigravity_proxy.canonical.content import ABSENT, Content, Part
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.pictures import PictureForm
from antigravity_proxy.canonical.wire import Fix, Quirk
from antigravity_proxy.errors import BadRequest
from antigravity_proxy.generatecontent import turns
from antigravity_proxy.generatecontent.config import generation_config
from antigravity_proxy.generatecontent.names import NO_NAMES, NameMap
from antigravity_proxy.generatecontent.restore import UNCHANGED, Restore
from antigravity_proxy.generatecontent.tools import (
    MAX_DECLARATIONS,
    CallingConfig,
    Declaration,
    ToolConfig,
    calling_config,
    declarations,
)
from antigravity_proxy.settings.limits import PICTURE_SILENCE

#: one object each for all requests without functions
_NONE: frozenset[str] = frozenset()
_NOTHING: Sequence[Declaration] = ()
_SEARCH = Raw(b'{"googleSearch":{}}')
#: characters of a text by which a conversation's opening is known
_TOLD = 4096
#: how an answer is asked for, piece by piece or in one (upstream.md 1.2)
_STREAM, _WHOLE = b":streamGenerateContent?alt=sse", b":generateContent"
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


class Request(Struct, frozen=True, rename="camel", omit_defaults=True):
    """The inner ``request``."""

    contents: Sequence[Content]
    system_instruction: Content | None = None
    generation_config: Raw = ABSENT
    tools: tuple[Raw, ...] = ()
    tool_config: ToolConfig | None = None
    safety_settings: tuple[Raw, ...] = ()
    session_id: str = ""


class Prepared(Struct, frozen=True):
    """A request ready to be sent, again and again: ``body`` is the encoded inner request.

    ``opening`` identifies the conversation's opening, as the ``sessionId``; empty for a picture: each is its own.
    ``is_picture``: a picture is asked for. ``searches``: the model is to search the web. ``method``: what is
    called, ``silence``: the least patience with it, in seconds; pictures come whole, and late.
    """

    model: Model
    body: bytes
    restore: Restore
    opening: str = ""
    searches: bool = False
    is_picture: bool = False
    method: bytes = _STREAM
    silence: float = 0.0


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
        if model.makes == "pictures":
            return _prepare_image(call, model, quirks, official)
        conversation = conversation_id(call) if conversation is None else conversation
        return _prepare(call, model, quirks, conversation, official)
    except RecursionError:  # a schema may be as deep as its decoder allowed
        raise BadRequest("The request is nested too deeply.") from None


def _prepare(call: Call, model: Model, quirks: frozenset[Fix], conversation: str, official: bool) -> Prepared:
    is_claude = model.family == "claude"
    names = NO_NAMES
    contents: Sequence[Content] = call.contents
    if call.tools or not turns.is_plain_talk(contents):
        names = NameMap(function_names(call), model.family)
        contents = _contents(call, model, names, quirks)
    declared, wrapped = declarations(call, model, names) if call.tools else (_NOTHING, _NONE)
    choice = (
        calling_config(call.tool_choice, model, names, {tool.name for tool in call.tools[:MAX_DECLARATIONS]})
        if declared or call.tool_choice.names
        else None
    )
    may_think = not is_claude or (
        not (choice is not None and choice.mode == "ANY")
        and Quirk.LOST_SIGNATURES not in quirks
        and turns.can_think(contents, model)
    )
    system = list(call.system)
    config = generation_config(call, model, quirks, may_think=may_think, tools=bool(declared), system=system)
    search = call.web_search and call.tool_choice.mode != "none" and (model.mixes_tools or not declared)
    tools = call.builtin_tools
    if declared or search:
        tools = _tools(declared, search, call, mixes=model.mixes_tools)
    request = Request(
        contents,
        _system(system, model) if system else None,
        config,
        tools,
        _tool_config(choice, call, model, mixed=bool(declared) and len(tools) > 1)
        if declared or choice is not None or call.tool_settings
        else None,
        call.safety_settings,
        "" if official else conversation,
    )
    restore = UNCHANGED
    if wrapped or not call.parallel_tool_calls or (names is not NO_NAMES and names.changed):
        restore = Restore(names, wrapped, only_first_call=not call.parallel_tool_calls)
    body = _body(request, call, model, quirks) if official and call.official else msgspec.json.encode(request)
    return Prepared(model, body, restore, conversation, searches=search and len(tools) == 1)


def _for_accounts(call: Call) -> Call:
    """The call without the settings and tools that official upstreams alone know."""
    config = {name: value for name, value in call.extra_config.items() if name not in _OFFICIAL_CONFIG}
    builtin = tuple(tool for tool in call.builtin_tools if not bytes(tool).startswith(_OFFICIAL_TOOL))
    return replace(call, extra_config=config, builtin_tools=builtin)


def _body(request: Request, call: Call, model: Model, quirks: frozenset[Fix]) -> bytes:
    """The request with the fields beside it that Google's own models read at official upstreams."""
    body = msgspec.json.encode(request)
    if model.family != "gemini":
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
    if call.stream and model.streams_speech:
        return Prepared(model, msgspec.json.encode(body), UNCHANGED)
    return Prepared(model, msgspec.json.encode(body), UNCHANGED, method=_WHOLE, silence=PICTURE_SILENCE)


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
    body = _body(request, call, model, quirks) if official and call.official else msgspec.json.encode(request)
    restore = Restore(names, _NONE, only_first_call=False) if names.changed else UNCHANGED
    return Prepared(model, body, restore, is_picture=True, method=_WHOLE, silence=PICTURE_SILENCE)


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
    if model.family == "claude":
        texts = [text for text in texts if not text.isspace()]
    parts = tuple([Part(text) for text in texts if text])
    return Content("user", parts) if parts else None


def _tools(declared: Sequence[Declaration], search: bool, call: Call, *, mixes: bool) -> tuple[Raw, ...]:
    """One element with all functions, or the Gemini dialect's own tools, or search: most models refuse a mixture."""
    if declared:
        functions = Raw(msgspec.json.encode({"functionDeclarations": declared}))
        return (functions, *_tools((), search, call, mixes=mixes)) if mixes else (functions,)
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


def conversation_id(call: Call) -> str:
    """Stable for a conversation, as its ``sessionId``, so that upstream's prompt cache can hit (upstream.md 4.1).

    Made from what the client calls it, and from how it opens: the name may be its user's, who has several.
    """
    parts = call.contents[0].parts if call.contents else ()
    said = [part.text or (part.inline_data.data if part.inline_data is not None else "") for part in parts]
    opening = "".join([text[:_TOLD] for text in (call.session, *call.system, *said)])
    digest = hashlib.sha256(opening.encode("utf-8", "replace")).digest()
    return "-" + str(int.from_bytes(digest[:8], "big") >> 1)
