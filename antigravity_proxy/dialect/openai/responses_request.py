"""Decodes ``POST /v1/responses`` (translation.md 5.1, 2). Pure."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from antigravity_proxy.canonical.call import Call, OutputFormat, Reasoning, Sampling, ToolChoice
from antigravity_proxy.canonical.content import ABSENT
from antigravity_proxy.canonical.estimate import input_tokens
from antigravity_proxy.dialect.base import Decoded
from antigravity_proxy.dialect.effort import nearest_effort
from antigravity_proxy.dialect.numbers import Whole, whole
from antigravity_proxy.dialect.openai.responses_answer import CompactionDocument, ResponsesFrames, new_answer
from antigravity_proxy.dialect.openai.responses_compaction import summarising
from antigravity_proxy.dialect.openai.responses_document import ReasoningEcho, Response
from antigravity_proxy.dialect.openai.responses_items import NO_MEMORY, Memory, conversation, item_ids
from antigravity_proxy.dialect.openai.responses_tools import ChoiceWord, Tools, read_tools, tool_choice, tool_list
from antigravity_proxy.dialect.openai.responses_visitor import ResponsesOptions
from antigravity_proxy.dialect.openai.settings import (
    MAX_TOP_LOGPROBS,
    UNSAID,
    by_effort,
    temperature,
    tier,
    top_p,
)
from antigravity_proxy.dialect.parse import convert, parse, parse_at
from antigravity_proxy.dialect.session import session_name
from antigravity_proxy.errors import BadRequest, PreviousResponseNotFound

_ENCRYPTED = "reasoning.encrypted_content"


class _Format(Struct):
    type: Literal["text", "json_object", "json_schema"]
    schema: dict[str, Any] | None = None


class _Text(Struct):
    format: _Format | None = None
    verbosity: str | None = None


class _Reasoning(Struct):
    effort: str | None = None
    summary: Literal["auto", "concise", "detailed", "none"] | None = None


class ResponsesRequest(Struct, kw_only=True):
    """The body; unknown fields are ignored, null is absent. Fields that are only given back stay plain values."""

    model: str
    input: str | list[Raw] | None = None
    instructions: str | None = None
    stream: bool | None = None
    tools: Raw = ABSENT
    tool_choice: ChoiceWord | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: dict[str, Any] | None = None
    reasoning: _Reasoning | None = None
    include: list[str] | None = None
    max_output_tokens: Whole | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: Whole | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    store: bool | None = None
    conversation: Any = None
    prompt: Any = None
    metadata: dict[str, Any] | None = None
    user: str | None = None
    prompt_cache_key: str | None = None
    service_tier: Any = None
    safety_identifier: str | None = None


class _CountRequest(ResponsesRequest, kw_only=True):
    """The body of a token count."""

    model: str = ""


_decoder = msgspec.json.Decoder(ResponsesRequest)
_count_decoder = msgspec.json.Decoder(_CountRequest)


class References(Struct, frozen=True):
    """The references of a request: the id of an earlier response, empty if it continues none, and ids of items.

    ``last`` is the last id of any of its items, empty if none has one: a repeated conversation continues from there.
    """

    response: str
    items: list[str]
    last: str


class Understood(Struct, frozen=True):
    """A request as it is served, and its own input as it is to be stored."""

    decoded: Decoded
    own: list[Raw]


def read(body: bytes) -> ResponsesRequest:
    """The request in a body; raises BadRequest with the ``param`` at fault."""
    return _checked(parse(body, _decoder))


def _checked(request: ResponsesRequest) -> ResponsesRequest:
    if request.conversation is not None or request.prompt is not None:
        name = "prompt" if request.conversation is None else "conversation"
        raise BadRequest(f"{name} is not supported: send the whole input instead.", param=name)
    if request.background:
        raise BadRequest("Background responses are not supported.", param="background")
    return request


def read_count(body: bytes) -> ResponsesRequest:
    """The request in a body whose tokens are to be counted, in which everything may be left out; raises BadRequest."""
    return _checked(parse(body, _count_decoder))


def references(request: ResponsesRequest) -> References:
    """The references that must be remembered to understand it; raises BadRequest."""
    named, last = item_ids(request.input)
    return References(request.previous_response_id or "", named, last)


def decode(body: bytes) -> Decoded:
    """The request as a call, where nothing is remembered; raises BadRequest, NotFound."""
    return understand(read(body)).decoded


def understand(
    request: ResponsesRequest,
    memory: Memory = NO_MEMORY,
    *,
    stored: bool = False,
    framed: bool = False,
    generate: bool = True,
) -> Understood:
    """The request as a call, with what it refers to; raises BadRequest, NotFound.

    ``stored``: its answer is kept, and says so. ``framed``: it is streamed as one event in a line, whatever the request
    says. Unless ``generate`` no model is asked.
    """
    call, options, own = _understood(request, memory, stored=stored, compacts=False)
    if framed:
        call = replace(call, stream=True)
        return Understood(Decoded(call, lambda stamp: ResponsesFrames(options, stamp), asks_upstream=generate), own)
    return Understood(Decoded(call, partial(new_answer, options)), own)


def compaction(request: ResponsesRequest, memory: Memory) -> Decoded:
    """The request for a summary alone of what it says, whole; raises BadRequest, NotFound."""
    call, options, _ = _understood(request, memory, stored=False, compacts=True)
    return Decoded(replace(call, stream=False), lambda stamp: CompactionDocument(options, stamp))


def _understood(
    request: ResponsesRequest, memory: Memory, *, stored: bool, compacts: bool
) -> tuple[Call, ResponsesOptions, list[Raw]]:
    try:
        return _read(request, memory, stored, compacts)
    except RecursionError:  # what could be read may still be too deep to be written, further down the stack
        raise BadRequest("The body is nested too deeply.") from None


def _read(
    request: ResponsesRequest, memory: Memory, stored: bool, compacts: bool
) -> tuple[Call, ResponsesOptions, list[Raw]]:
    if request.previous_response_id and not memory.before:
        raise PreviousResponseNotFound(
            f"Previous response with id '{request.previous_response_id[:80]}' not found.", param="previous_response_id"
        )
    if request.input is None and not memory.before:
        raise BadRequest("The input is missing.", param="input")
    said = conversation(request.instructions, request.input, memory)
    tools = _tools(request.tools, said.tools) if request.tools or said.tools else _NO_TOOLS
    top_logprobs = whole(request.top_logprobs, "top_logprobs", 0, MAX_TOP_LOGPROBS) or 0
    call = Call(
        model=request.model,
        contents=said.contents,
        system=said.system,
        tools=tools.declared,
        web_search=tools.web_search,
        tool_choice=_AUTO if request.tool_choice is None else tool_choice(request.tool_choice),
        parallel_tool_calls=request.parallel_tool_calls is not False,
        sampling=_sampling(request, top_logprobs),
        output=_output_format(request),
        reasoning=_reasoning(request),
        official=tier(request.service_tier) if request.service_tier else {},
        stream=bool(request.stream),
        session=session_name(request.prompt_cache_key, request.metadata, request.user),
    )
    compacts = compacts or said.compacts
    if compacts:
        if memory.seal is None:
            raise BadRequest(
                "Compaction is not available: this proxy has no key to seal the summary with.", param="input"
            )
        call = summarising(call)
    options = ResponsesOptions(  # holds nothing of the conversation: the answer outlives it
        response=_response(request, call, top_logprobs, stored),
        stream=call.stream,
        origins=tools.origins,
        show_thoughts=call.reasoning.show,
        search=call.web_search and not call.tools and call.tool_choice.mode != "none",
        json=call.output.kind != "text",
        compact=memory.seal if compacts else None,
        input_estimate=input_tokens(call),
    )
    return call, options, said.own


def _tools(own: Raw, said: list[tuple[str, Raw]]) -> Tools:
    given = (("tools", own), *said)
    return read_tools(*((place, parse_at(raw, tool_list, place) if raw else None) for place, raw in given))


def _sampling(request: ResponsesRequest, top_logprobs: int) -> Sampling:
    if request.temperature is None and request.top_p is None and request.max_output_tokens is None and not top_logprobs:
        return UNSAID
    return Sampling(
        temperature=temperature(request.temperature),
        top_p=top_p(request.top_p),
        max_output_tokens=whole(request.max_output_tokens, "max_output_tokens", 1),
        response_logprobs=bool(top_logprobs),
        logprobs=top_logprobs or None,
    )


def _output_format(request: ResponsesRequest) -> OutputFormat:
    wanted = convert(request.text, _Text, "text").format if request.text is not None else None
    if wanted is None or wanted.type == "text":
        return _TEXT
    if wanted.type == "json_object":
        return OutputFormat("json")
    if wanted.schema is None:
        raise BadRequest("The JSON schema is missing.", param="text.format.schema")
    return OutputFormat("schema", wanted.schema)


def _reasoning(request: ResponsesRequest) -> Reasoning:
    """Thoughts are shown if a summary or their signatures are asked for (translation.md 2.7)."""
    said = request.reasoning
    if said is None:
        return _HIDDEN if request.include is None else Reasoning(show=_ENCRYPTED in request.include)
    show = said.summary not in (None, "none") or _ENCRYPTED in (request.include or ())
    return by_effort(said.effort, show=show) if said.effort is not None else Reasoning(show=show)


def _response(request: ResponsesRequest, call: Call, top_logprobs: int, stored: bool) -> Response:
    """The response object as far as the request makes it."""
    said = request.reasoning
    return Response(
        model=request.model,
        instructions=request.instructions,
        max_output_tokens=call.sampling.max_output_tokens,
        parallel_tool_calls=call.parallel_tool_calls,
        previous_response_id=request.previous_response_id or None,
        prompt_cache_key=request.prompt_cache_key,
        reasoning=_NO_ECHO
        if said is None
        else ReasoningEcho(None if said.effort is None else nearest_effort(said.effort), said.summary),
        safety_identifier=request.safety_identifier,
        store=stored,
        temperature=request.temperature,
        top_logprobs=top_logprobs,
        top_p=request.top_p,
        user=request.user,
        text=_text(request.text) if request.text else _PLAIN_TEXT,
        tool_choice=_raw(request.tool_choice) if request.tool_choice else _AUTO_WORD,
        tools=_as_given(request.tools) if request.tools else _EMPTY_LIST,
        metadata=_raw(request.metadata) if request.metadata else _EMPTY,
    )


def _text(given: dict[str, Any]) -> Raw:
    form = given.get("format")
    return _raw(given | {"format": {"type": "text"} if form is None else form})


def _as_given(tools: Raw) -> Raw:
    """The tools as the client wrote them, on one line: they may be large."""
    text = bytes(tools)
    if text == b"null":
        return _EMPTY_LIST
    return Raw(msgspec.json.format(text, indent=-1) if b"\n" in text else text)


def _raw(value: Any) -> Raw:
    return Raw(msgspec.json.encode(value))


# what is the same for all requests that say nothing of it

_NO_TOOLS = Tools()
_AUTO = ToolChoice()
_TEXT = OutputFormat()
_HIDDEN = Reasoning(show=False)
_NO_ECHO = ReasoningEcho()
_PLAIN_TEXT = _text({})
_AUTO_WORD, _EMPTY_LIST, _EMPTY = _raw("auto"), _raw([]), _raw({})
