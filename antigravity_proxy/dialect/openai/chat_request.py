"""Decodes ``POST /v1/chat/completions`` (translation.md 3.1, 2). Pure."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import msgspec

from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.estimate import input_tokens
from antigravity_proxy.dialect.base import Decoded
from antigravity_proxy.dialect.limits import SMALL_BODY
from antigravity_proxy.dialect.openai.chat_answer import new_answer
from antigravity_proxy.dialect.openai.chat_forms import in_chats_own
from antigravity_proxy.dialect.openai.chat_messages import Message, check_counts, conversation
from antigravity_proxy.dialect.openai.chat_tools import Choice, Function, LegacyChoice, Tool, declared, tool_choice
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


_decoder = msgspec.json.Decoder(ChatRequest)


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
    tools, custom = declared(request.tools, request.functions)
    if len(body) > SMALL_BODY:
        check_counts(request.messages)
    contents, system = conversation(request.messages)
    legacy = request.tools is None and request.functions is not None
    call = Call(
        model=request.model,
        contents=contents,
        system=system,
        tools=tools,
        web_search=request.web_search_options is not None,
        tool_choice=tool_choice(request.tool_choice, request.function_call),
        parallel_tool_calls=request.parallel_tool_calls is not False and not legacy,  # which has room for one only
        sampling=sampling(request),
        output=output_format(request),
        reasoning=reasoning(request),
        official=tier(request.service_tier) if request.service_tier else {},
        choices=choices(request),
        stream=bool(request.stream),
        session=session_name(request.prompt_cache_key, request.metadata, request.user),
    )
    options = ChatOptions(  # holds nothing of the conversation: the answer outlives it
        model=request.model,
        stream=call.stream,
        include_usage=request.include_usage,
        legacy_functions=legacy,
        custom_tools=custom,
        show_thoughts=call.reasoning.show,
        keep_text=call.web_search,
        json=call.output.kind != "text",
        input_estimate=input_tokens(call),
    )
    return Decoded(call, partial(new_answer, options))
