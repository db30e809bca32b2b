"""Decodes ``POST /v1/messages`` and ``/v1/messages/count_tokens`` (translation.md 8.1, 8.4). Pure."""

from __future__ import annotations

import re
from functools import partial

import msgspec

from antigravity_proxy.canonical.call import Call, Original
from antigravity_proxy.canonical.estimate import input_tokens
from antigravity_proxy.dialect.anthropic.answer import new_answer
from antigravity_proxy.dialect.anthropic.events import MessageAnswer
from antigravity_proxy.dialect.anthropic.messages import Message, System, check_counts, conversation
from antigravity_proxy.dialect.anthropic.settings import (
    MessageSettings,
    hides_thoughts,
    output_format,
    reasoning,
    sampling,
)
from antigravity_proxy.dialect.anthropic.tools import Choice, Tool, declared, in_parallel, tool_choice
from antigravity_proxy.dialect.anthropic.visitor import MessageOptions
from antigravity_proxy.dialect.base import Decoded
from antigravity_proxy.dialect.limits import SMALL_BODY
from antigravity_proxy.dialect.parse import parse
from antigravity_proxy.dialect.session import session_name
from antigravity_proxy.dialect.signatures import thought_signature
from antigravity_proxy.errors import BadRequest

#: blocks of tools that ran elsewhere: what the model wrote after them usually suffices
_ELSEWHERE = re.compile(
    r"(?!web_search_).+_tool_(?:result|use)|mcp_.+|container_upload|fallback|tool_(?:addition|removal)"
)
_NOTHING = {"type": "text", "text": ""}


class MessagesRequest(MessageSettings, kw_only=True):
    """The body; unknown fields are ignored, null is absent."""

    model: str
    messages: list[Message]
    system: System = None
    stream: bool | None = None
    tools: list[Tool] | None = None
    tool_choice: Choice = None


_decoder = msgspec.json.Decoder(MessagesRequest)


def decode(body: bytes, headers: tuple[str, str] | None = None) -> Decoded:
    """A request for a message as a call; raises BadRequest with the ``param`` at fault.

    ``headers``: its ``anthropic-version`` and ``anthropic-beta``, where an upstream may take the request unchanged.
    """
    request = _read(body)
    if request.max_tokens is None:
        raise BadRequest("max_tokens is missing.", param="max_tokens")
    call = _call(request, _original(body, headers))
    options = MessageOptions(  # holds nothing of the conversation: the answer outlives it
        model=request.model,
        stream=call.stream,
        show_thoughts=call.reasoning.show,
        hide_text=hides_thoughts(request),
        search=call.web_search and not call.tools and call.tool_choice.mode != "none",
        json=call.output.kind != "text",
        warm_up=call.sampling.max_output_tokens == 0,
        input_estimate=input_tokens(call),
    )
    answers = new_answer if headers is None else MessageAnswer
    return Decoded(call, partial(answers, options), asks_upstream=not options.warm_up)


def decode_count(body: bytes, headers: tuple[str, str] | None = None) -> Call:
    """A request for a token count as a call; raises BadRequest. ``headers`` as `decode` has them."""
    return _call(_read(body), _original(body, headers))


def _original(body: bytes, headers: tuple[str, str] | None) -> Original | None:
    return None if headers is None else Original(body, *headers, signature=thought_signature)


def _call(request: MessagesRequest, original: Original | None) -> Call:
    contents, system = conversation(request.messages, request.system)
    tools = declared(request.tools)
    return Call(
        model=request.model,
        contents=contents,
        system=system,
        tools=tools.functions,
        web_search=tools.web_search,
        tool_choice=tool_choice(request.tool_choice, tools),
        parallel_tool_calls=in_parallel(request.tool_choice),
        sampling=sampling(request),
        output=output_format(request),
        reasoning=reasoning(request),
        stream=bool(request.stream),
        session=session_name(request.metadata.user_id) if request.metadata is not None else "",
        original=original,
    )


def _read(body: bytes) -> MessagesRequest:
    try:
        request = parse(body, _decoder)
    except BadRequest as e:
        known = _without_elsewhere(body)
        if known is None:
            raise e from None
        request = parse(known, _decoder)
    if len(body) > SMALL_BODY:
        check_counts(request.messages, request.system)
    return request


def _without_elsewhere(body: bytes) -> bytes | None:
    """A refused body with an empty text for each block of a tool that ran elsewhere; None if it has none of them."""
    found = False
    try:
        fields = msgspec.json.decode(body)
        for message in fields["messages"]:
            content = message.get("content")
            for i, block in enumerate(content if isinstance(content, list) else ()):
                if isinstance(block, dict) and _ELSEWHERE.fullmatch(str(block.get("type"))):
                    content[i], found = _NOTHING, True
        return msgspec.json.encode(fields) if found else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, LookupError, TypeError, AttributeError):
        return None
