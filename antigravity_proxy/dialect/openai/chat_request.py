"""Decodes ``POST /v1/chat/completions`` (translation.md 3.1, 2). Pure."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from antigravity_proxy.canonical.call import Call, OutputFormat, Reasoning, ToolChoice
from antigravity_proxy.canonical.estimate import input_tokens
from antigravity_proxy.dialect.base import Decoded
from antigravity_proxy.dialect.limits import SMALL_BODY
from antigravity_proxy.dialect.openai.chat_answer import ChatDocument, ChatStream
from antigravity_proxy.dialect.openai.chat_forms import in_chats_own
from antigravity_proxy.dialect.openai.chat_messages import Message, check_counts, conversation
from antigravity_proxy.dialect.openai.chat_tools import (
    NO_TOOLS,
    Choice,
    Function,
    LegacyChoice,
    Tool,
    declared,
    tool_choice,
)
from antigravity_proxy.dialect.openai.chat_visitor import ChatOptions
from antigravity_proxy.dialect.openai.settings import ChatSettings, choices, output_format, reasoning, sampling, tier
from antigravity_proxy.dialect.parse import parse
from antigravity_proxy.dialect.session import session_name
from antigravity_proxy.errors import BadRequest


class ChatRequest(ChatSettings, kw_only=True):
    """The body; unknown fields are ignored, null is absent."""

    model: str
    messages: list[Message]
    tools: list[Tool] | None = None
    functions: list[Function] | None = None
    tool_choice: Choice = None
    function_call: LegacyChoice = None
    parallel_tool_calls: bool | None = None
    modalities: list[Literal["text", "image", "audio"]] | None = None
    web_search_options: dict[str, Any] | None = None
    prompt_cache_key: Any = None
    metadata: Any = None
    service_tier: Any = None
    user: Any = None


class _Wishes(Struct, frozen=True):
    """What few requests say anything about, as a call has it."""

    tool_choice: ToolChoice = ToolChoice()
    output: OutputFormat = OutputFormat()
    reasoning: Reasoning = Reasoning()
    official: dict[str, Raw] = {}
    choices: int = 1
    session: str = ""


_decoder = msgspec.json.Decoder(ChatRequest)
#: the wishes of most requests
_UNSAID = _Wishes()


def decode(body: bytes) -> Decoded:
    """The request as a call; raises BadRequest with the ``param`` at fault."""
    try:
        return _decoded(body)
    except BadRequest:
        understood = in_chats_own(body)
        if understood is None:
            raise
        body = understood
    return _decoded(body)


def _decoded(body: bytes) -> Decoded:
    request = parse(body, _decoder)
    if request.modalities is not None and "audio" in request.modalities:
        raise BadRequest("Audio output is not supported here.", param="modalities")
    tools, custom = declared(request.tools, request.functions) if request.tools or request.functions else NO_TOOLS
    if len(body) > SMALL_BODY:
        check_counts(request.messages)
    contents, system = conversation(request.messages)
    legacy = request.tools is None and request.functions is not None
    sampled = sampling(request)
    wishes = _UNSAID if _says_nothing_rare(request) else _wishes(request)
    stream, web_search = bool(request.stream), request.web_search_options is not None
    call = Call(
        model=request.model,
        contents=contents,
        system=system,
        tools=tools,
        web_search=web_search,
        tool_choice=wishes.tool_choice,
        parallel_tool_calls=request.parallel_tool_calls is not False and not legacy,  # which has room for one only
        sampling=sampled,
        output=wishes.output,
        reasoning=wishes.reasoning,
        official=wishes.official,
        choices=wishes.choices,
        stream=stream,
        session=wishes.session,
    )
    options = ChatOptions(  # holds nothing of the conversation: the answer outlives it
        model=request.model,
        stream=stream,
        include_usage=request.stream_options is not None and request.include_usage,
        legacy_functions=legacy,
        custom_tools=custom,
        show_thoughts=wishes.reasoning.show,
        keep_text=web_search,
        json=wishes.output.kind != "text",
        input_estimate=input_tokens(call),
    )
    return Decoded(call, partial(ChatStream if stream else ChatDocument, options))


def _says_nothing_rare(request: ChatRequest) -> bool:
    """Whether all fields are absent that `_wishes` reads."""
    return (
        request.tool_choice is None
        and request.function_call is None
        and request.response_format is None
        and request.reasoning_effort is None
        and request.reasoning is None
        and request.thinking is None
        and request.google is None
        and request.extra_body is None
        and request.service_tier is None
        and request.n is None
        and request.prompt_cache_key is None
        and request.metadata is None
        and request.user is None
    )


def _wishes(request: ChatRequest) -> _Wishes:
    """Raises BadRequest."""
    return _Wishes(
        tool_choice(request.tool_choice, request.function_call),
        output_format(request),
        reasoning(request),
        tier(request.service_tier) if request.service_tier else {},
        choices(request),
        session_name(request.prompt_cache_key, request.metadata, request.user),
    )
