"""Messages: golden files, how they end, and the rule that the document is the stream accumulated."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from antigravity_proxy.canonical.chunk import FILTERED, Candidate, Chunk, PromptFeedback, Usage
from antigravity_proxy.canonical.content import Blob, Content, FunctionCall, Part
from antigravity_proxy.dialect.anthropic.answer import MessageDocument, MessageStream, new_answer, render_count
from antigravity_proxy.dialect.anthropic.visitor import MessageOptions
from antigravity_proxy.dialect.base import Stamp
from antigravity_proxy.errors import ContextOverflow, UpstreamOverloaded

MakeStamp = Callable[..., Stamp]
ReadChunks = Callable[[str], list[Chunk]]
Golden = Callable[[str], bytes]

OPTIONS = MessageOptions("claude-opus-4-8")
QUIET = MessageOptions("claude-opus-4-8", show_thoughts=False)
SIGNED = "c2ln"


def one(*parts: Part, finish: str = "", usage: Usage | None = None, model: str = "", **more: Any) -> Chunk:
    candidate = Candidate(content=Content("model", parts), finish_reason=finish, **more)
    return Chunk(candidates=(candidate,), usage_metadata=usage, model_version=model)


def text(value: str, **more: Any) -> Chunk:
    return one(Part(text=value), **more)


def thought(value: str = "hm", signature: str = "") -> Part:
    return Part(text=value, thought=True, thought_signature=signature)


def call(name: str = "f", args: bytes = b"{}", signature: str = "", **more: Any) -> Part:
    return Part(function_call=FunctionCall(name, Raw(args), **more), thought_signature=signature)


def counting_stamp() -> Stamp:
    ids = iter(range(1000))
    return Stamp(1790000000, lambda digits: f"{next(ids):0{digits}x}", "req_1")


def streamed(chunks: list[Chunk], options: MessageOptions = OPTIONS, stamp: Stamp | None = None) -> bytes:
    answer = MessageStream(options, stamp or counting_stamp())
    return answer.feed(chunks) + answer.close()


def document(chunks: list[Chunk], options: MessageOptions = OPTIONS, stamp: Stamp | None = None) -> dict[str, Any]:
    answer = MessageDocument(options, stamp or counting_stamp())
    assert answer.feed(chunks) == b""
    decoded: dict[str, Any] = json.loads(answer.close())
    return decoded


def events(stream: bytes) -> list[dict[str, Any]]:
    """The JSON of every event; fails if one isn't framed as it should be."""
    *framed, rest = stream.split(b"\n\n")
    assert rest == b""
    found = []
    for event in framed:
        name, data = event.split(b"\n")
        found.append(json.loads(data.removeprefix(b"data: ")))
        assert name == b"event: " + found[-1]["type"].encode()
    return found


def blocks(chunks: list[Chunk], options: MessageOptions = OPTIONS) -> list[Any]:
    content: list[Any] = document(chunks, options)["content"]
    assert accumulated(streamed(chunks, options))["content"] == content
    return content


def accumulated(stream: bytes) -> dict[str, Any]:
    """The document that a client puts together from a stream; fails if the order of events isn't the promised one."""
    message: dict[str, Any] = {}
    content: list[dict[str, Any]] = []
    pieces = ""
    state = "outside"
    for event in events(stream):
        kind = event["type"]
        assert state != "over"
        if kind == "message_start":
            assert not message
            message = event["message"]
        elif kind == "content_block_start":
            assert (state, event["index"]) == ("outside", len(content))
            state, pieces = "inside", ""
            content.append(event["content_block"])
        elif kind == "content_block_delta":
            assert (state, event["index"]) == ("inside", len(content) - 1)
            delta, block = event["delta"], content[-1]
            match delta["type"]:
                case "text_delta":
                    block["text"] += delta["text"]
                case "thinking_delta":
                    assert not block["signature"]
                    block["thinking"] += delta["thinking"]
                case "signature_delta":
                    assert not block["signature"]
                    block["signature"] = delta["signature"]
                case "citations_delta":
                    block["citations"].append(delta["citation"])
                case "input_json_delta":
                    pieces += delta["partial_json"]
                    block["input"] = json.loads(pieces)
                case unknown:
                    raise AssertionError(unknown)
        elif kind == "content_block_stop":
            assert (state, event["index"]) == ("inside", len(content) - 1)
            state = "outside"
        elif kind == "message_delta":
            assert state == "outside"
            message |= event["delta"] | {"content": content, "usage": event["usage"]}
            state = "closing"
        else:
            assert (kind, state) == ("message_stop", "closing")
            state = "over"
    assert state == "over"
    return message


# --- golden files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("upstream", "sent", "model", "letters"),
    [
        ("golden-a.upstream.sse", "golden-a.anthropic.sse", "claude-opus-4-8", "AAB"),
        ("golden-b.claude-upstream.sse", "golden-b.anthropic.sse", "claude-sonnet-4-5", "B"),
    ],
)
def test_the_golden_streams_byte_for_byte(
    stamp: MakeStamp, chunks: ReadChunks, golden: Golden, upstream: str, sent: str, model: str, letters: str
) -> None:
    assert streamed(chunks(upstream), MessageOptions(model, stream=True), stamp(letters)) == golden(sent)


def test_the_golden_document_byte_for_byte(stamp: MakeStamp, chunks: ReadChunks, golden: Golden) -> None:
    answer = new_answer(OPTIONS, stamp("AAB"))
    answer.feed(chunks("golden-a.upstream.sse"))
    assert answer.close() == msgspec.json.format(golden("golden-a.anthropic.json"), indent=-1)


def test_every_event_leaves_with_the_chunk_that_brought_it(chunks: ReadChunks) -> None:
    answer = MessageStream(OPTIONS, counting_stamp())
    sent = [answer.feed([chunk]) for chunk in chunks("golden-a.upstream.sse")]
    assert [len(events(data)) for data in sent] == [3, 5, 10, 0]


def test_an_error_in_the_stream_ends_it() -> None:
    answer = MessageStream(OPTIONS, counting_stamp())
    begun = events(answer.feed([text("Checking "), text("the weather …")]))
    assert [event["type"] for event in begun] == ["message_start", "content_block_start", *["content_block_delta"] * 2]
    assert answer.fail(UpstreamOverloaded("The service is currently unavailable.")) == (
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error",'
        b'"message":"The service is currently unavailable."},"request_id":"req_1"}\n\n'
    )


def test_a_collected_answer_can_be_told_of_an_error_too() -> None:
    failed = json.loads(MessageDocument(OPTIONS, counting_stamp()).fail(ContextOverflow("too much")))
    assert failed["error"] == {"type": "invalid_request_error", "message": "prompt is too long"}


def test_content_types_and_keepalives() -> None:
    stream = new_answer(MessageOptions("m", stream=True), counting_stamp())
    whole = new_answer(OPTIONS, counting_stamp())
    assert (stream.content_type, whole.content_type) == (b"text/event-stream; charset=utf-8", b"application/json")
    assert [event["type"] for event in events(stream.keepalive)] == ["ping"]
    assert whole.keepalive == b""


def test_a_token_count() -> None:
    rendered = render_count(42)
    assert (rendered.status, json.loads(rendered.body)) == (200, {"input_tokens": 42})


# --- how messages end -------------------------------------------------------------------------------------------

FINISHES = [
    ("STOP", False, "end_turn"),
    ("", False, "end_turn"),
    ("OTHER", False, "end_turn"),
    ("SOMETHING_NEW", False, "end_turn"),
    ("MAX_TOKENS", False, "max_tokens"),
    ("MAX_TOKENS", True, "tool_use"),
    ("STOP", True, "tool_use"),
    ("SAFETY", True, "tool_use"),
    *((reason, False, "refusal") for reason in sorted(FILTERED)),
]


@pytest.mark.parametrize(("upstream", "calls", "expected"), FINISHES)
def test_stop_reasons(upstream: str, calls: bool, expected: str) -> None:
    told = [one(Part(text="x"), *([call()] if calls else []), finish=upstream)]
    details = {"type": "refusal", "category": None, "explanation": None} if expected == "refusal" else None
    for message in (document(told), accumulated(streamed(told))):
        assert (message["stop_reason"], message["stop_sequence"], message["stop_details"]) == (expected, None, details)


def test_a_blocked_prompt_is_a_refusal_not_an_error() -> None:
    told = [Chunk(prompt_feedback=PromptFeedback("PROHIBITED_CONTENT"))]
    for message in (document(told), accumulated(streamed(told))):
        assert (message["stop_reason"], message["content"]) == ("refusal", [])
    assert document([Chunk(prompt_feedback=PromptFeedback())])["stop_reason"] == "end_turn"


def test_nothing_at_all_is_an_empty_message() -> None:
    assert [event["type"] for event in events(streamed([]))] == ["message_start", "message_delta", "message_stop"]
    assert document([])["content"] == []


def test_a_warm_up_says_that_it_reached_its_limit() -> None:
    options = MessageOptions("m", warm_up=True, input_estimate=5)
    for message in (document([], options), accumulated(streamed([], options))):
        assert (message["stop_reason"], message["content"]) == ("max_tokens", [])
        assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (5, 0)


# --- content ----------------------------------------------------------------------------------------------------


def said(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def mind(value: str, signature: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": value, "signature": signature}


def used(name: str = "f", **args: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": "t", "name": name, "input": args}


def test_text_is_neither_trimmed_nor_changed() -> None:
    odd = '  \n\t"\\ </script> \u2028 é 😀\x00 '
    assert blocks([text(odd), text(""), text(" ")]) == [said(odd + " ")]


CLAUDE, GEMINI = "claude-sonnet-4-6", "gemini-3-flash"
CONTENT: list[tuple[str, list[Part], list[dict[str, Any]]]] = [
    # a kind change closes the open block, and what stays of a kind stays in one
    (GEMINI, [thought("a"), thought("b"), Part(text="c")], [mind("ab", "agp1.g.n."), said("c")]),
    (GEMINI, [Part(text="a"), thought("b")], [said("a"), mind("b", "agp1.g.n.")]),
    (GEMINI, [thought(""), Part(text=""), Part()], []),
    # the signature of a thought closes it for more
    (CLAUDE, [thought("a"), thought("", SIGNED)], [mind("a", "agp1.c.t.c2ln")]),
    (CLAUDE, [thought("a", SIGNED), thought("b")], [mind("a", "agp1.c.t.c2ln"), mind("b", "agp1.c.n.")]),
    (CLAUDE, [thought("", SIGNED), thought("", SIGNED)], [mind("", "agp1.c.t.c2ln"), mind("", "agp1.c.t.c2ln")]),
    (GEMINI, [thought("a", SIGNED), call(id="t")], [mind("a", "agp1.g.t.c2ln"), used()]),
    # the signature of a call stands right before it
    (GEMINI, [call(id="t", signature=SIGNED)], [mind("", "agp1.g.f.c2ln"), used()]),
    (GEMINI, [thought("a"), call(id="t", signature=SIGNED)], [mind("a", "agp1.g.f.c2ln"), used()]),
    (
        GEMINI,
        [thought("a", SIGNED), call(id="t", signature=SIGNED)],
        [mind("a", "agp1.g.t.c2ln"), mind("", "agp1.g.f.c2ln"), used()],
    ),
    (
        GEMINI,
        [Part(text="a"), call(id="t", signature=SIGNED), call(id="t")],
        [said("a"), mind("", "agp1.g.f.c2ln"), used(), used()],
    ),
    # of a text it goes nowhere
    (GEMINI, [Part(text="a", thought_signature=SIGNED), Part(text="", thought_signature=SIGNED)], [said("a")]),
    (GEMINI, [call("g", b' {"b": 1.0,\n "a": "\xc3\xb8"}', id="t")], [used("g", b=1.0, a="ø")]),
    (GEMINI, [call(args=b"", id="t"), Part(text="a")], [used(), said("a")]),
    (
        GEMINI,
        [Part(text="See "), Part(inline_data=Blob("image/png", "AAAA"))],
        [said("See ![image](data:image/png;base64,AAAA)")],
    ),
    (GEMINI, [Part(executable_code=Raw(b'{"language":"PYTHON","code":"1"}'))], [said("\n```python\n1\n```\n")]),
    (GEMINI, [Part(code_execution_result=Raw(b"5"))], []),
    (GEMINI, [Part(thought=True, inline_data=Blob("image/png", "AAAA"))], []),
]


@pytest.mark.parametrize(("model", "parts", "expected"), CONTENT)
def test_content_blocks(model: str, parts: list[Part], expected: list[dict[str, Any]]) -> None:
    assert blocks([one(*parts, model=model)]) == expected
    assert blocks([one(part, model=model) for part in parts]) == expected


def test_nobody_who_did_not_ask_sees_thoughts_or_signatures() -> None:
    told = [one(thought("a"), thought("", SIGNED), Part(text="x"), call(id="t", signature=SIGNED))]
    assert blocks(told, QUIET) == [said("x"), used()]


def test_thoughts_without_their_text_keep_their_signatures() -> None:
    options = MessageOptions("m", hide_text=True)
    told = [one(thought("a"), thought("b"), thought("", SIGNED), thought("c"), Part(text="x"), model=CLAUDE)]
    assert blocks(told, options) == [mind("", "agp1.c.t.c2ln"), mind("", "agp1.c.n."), said("x")]


def test_a_silent_upstream_is_of_the_family_that_was_asked_for() -> None:
    assert blocks([one(thought("a"))]) == [mind("a", "agp1.c.n.")]
    assert blocks([one(thought("a"))], MessageOptions("gpt-5")) == [mind("a", "agp1.g.n.")]


def test_ids_of_calls_are_upstreams_own_or_made_anew() -> None:
    told = [one(call(id="toolu_vrtx_01"), call(), call(id="a.b"))]
    ids = [block["id"] for block in blocks(told)]
    assert ids == ["toolu_vrtx_01", "toolu_" + "0" * 23 + "1", "toolu_" + "0" * 23 + "2"]


def test_only_the_first_candidate_is_told() -> None:
    assert blocks([text("b", index=1), text("a")]) == [said("a")]


def test_asked_for_json_loses_its_fence_in_the_document() -> None:
    assert document([text("```json\n{}\n```")], MessageOptions("m", json=True))["content"] == [said("{}")]


# --- web search -------------------------------------------------------------------------------------------------

GROUNDING = Raw(
    b'{"webSearchQueries":["one","two"],"groundingChunks":[{"web":{"uri":"https://a.example","title":"A"}}],'
    b'"groundingSupports":[{"segment":{"startIndex":3,"endIndex":6},"groundingChunkIndices":[0]}]}'
)
SEARCH = MessageOptions("m", search=True)


def test_a_searchs_answer_names_its_sources_first() -> None:
    told = [one(thought("hm")), text("é a"), text("bc."), one(finish="STOP", grounding_metadata=GROUNDING)]
    page = {"url": "https://a.example", "title": "A"}
    found = {"type": "web_search_result", **page, "encrypted_content": "", "page_age": None}
    cited = {"type": "web_search_result_location", **page, "cited_text": "abc", "encrypted_index": ""}
    identity = "srvtoolu_" + "0" * 23 + "1"
    assert blocks(told, SEARCH) == [
        mind("hm", "agp1.g.n."),
        {"type": "server_tool_use", "id": identity, "name": "web_search", "input": {"query": "one, two"}},
        {"type": "web_search_tool_result", "tool_use_id": identity, "content": [found]},
        said("é "),
        {"type": "text", "text": "abc", "citations": [cited]},
        said("."),
    ]
    assert document(told, SEARCH)["usage"]["server_tool_use"] == {"web_search_requests": 2, "web_fetch_requests": 0}
    assert Message.model_validate(document(told, SEARCH)).content[4].type == "text"


def test_a_search_that_was_not_needed_leaves_plain_text() -> None:
    for told in ([text("a"), text("b")], [text("ab", grounding_metadata=Raw(b"5"))]):
        assert blocks(told, SEARCH) == [said("ab")]
        assert document(told, SEARCH)["usage"]["server_tool_use"] is None
    assert blocks([], SEARCH) == []


def test_grounding_that_nobody_asked_for_changes_nothing() -> None:
    assert blocks([text("ab", grounding_metadata=GROUNDING)]) == [said("ab")]


# --- usage ------------------------------------------------------------------------------------------------------


def test_the_last_usage_counts_and_the_cache_is_apart() -> None:
    told = [
        text("a", usage=Usage(prompt_token_count=10, cached_content_token_count=4, total_token_count=10)),
        text(
            "b",
            usage=Usage(
                prompt_token_count=12,
                cached_content_token_count=4,
                candidates_token_count=5,
                thoughts_token_count=3,
                total_token_count=20,
            ),
        ),
        Chunk(usage_metadata=Usage()),
    ]
    first = {"input_tokens": 6, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 4, "output_tokens": 1}
    assert events(streamed(told))[0]["message"]["usage"] == first
    last = first | {
        "input_tokens": 8,
        "output_tokens": 8,
        "output_tokens_details": {"thinking_tokens": 3},
        "server_tool_use": None,
    }
    assert accumulated(streamed(told))["usage"] == last
    assert document(told)["usage"] == last | {"service_tier": "standard"}


def test_usage_is_estimated_where_upstream_gave_none() -> None:
    options = MessageOptions("m", input_estimate=7)
    told = [one(thought("hm"), Part(text="ééé"), call(args=b'{"a":1}'))]  # 2 + 6 + 7 bytes
    assert events(streamed(told, options))[0]["message"]["usage"]["input_tokens"] == 7
    for message in (document(told, options), accumulated(streamed(told, options))):
        assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (7, 4)


def test_usage_is_never_nothing() -> None:
    assert document([])["usage"]["input_tokens"] == 1


def test_more_cached_than_read_is_no_negative_number() -> None:
    usage = Usage(prompt_token_count=1, cached_content_token_count=5, total_token_count=2)
    assert document([text("a", usage=usage)])["usage"]["input_tokens"] == 0


# --- both forms agree -------------------------------------------------------------------------------------------

_texts = st.sampled_from(["a", " ", "é\n", "😀", '"', ""])
_signatures = st.sampled_from(["", "", SIGNED])
_parts = st.one_of(
    st.builds(Part, text=_texts, thought=st.booleans(), thought_signature=_signatures),
    st.builds(call, st.just("f"), st.sampled_from([b"{}", b'{"a": 1}', b"", b"[]"]), _signatures),
    st.just(call("g", b'{"b":[1]}', id="call-1")),
    st.just(Part(inline_data=Blob("image/png", "AAAA"))),
    st.just(Part(executable_code=Raw(b'{"language":"PYTHON","code":"1"}'))),
)
_candidates = st.builds(
    lambda index, parts, finish, grounding: Candidate(
        index=index, content=Content("model", tuple(parts)), finish_reason=finish, grounding_metadata=grounding
    ),
    st.sampled_from([0, 0, 0, 1]),
    st.lists(_parts, max_size=4),
    st.sampled_from(["", "", "STOP", "MAX_TOKENS", "SAFETY"]),
    st.sampled_from([Raw(), GROUNDING]),
)
_chunks = st.lists(
    st.builds(
        lambda candidates, usage, feedback, model: Chunk(tuple(candidates), usage, feedback, model),
        st.lists(_candidates, max_size=2),
        st.sampled_from([None, Usage(prompt_token_count=3, candidates_token_count=2, total_token_count=5)]),
        st.sampled_from([None, None, PromptFeedback("SAFETY")]),
        st.sampled_from(["", CLAUDE, GEMINI]),
    ),
    max_size=6,
)
_options = st.builds(
    MessageOptions,
    model=st.just("claude-opus-4-8"),
    stream=st.just(True),
    show_thoughts=st.booleans(),
    hide_text=st.booleans(),
    search=st.booleans(),
    warm_up=st.booleans(),
    input_estimate=st.just(9),
)


def officially_accumulated(stream: bytes) -> Any:
    snapshot: Any = None
    buffers: dict[int, bytes] = {}
    for event in events(stream):
        snapshot = accumulate_event(event=event, current_snapshot=snapshot, json_bufs=buffers)  # type: ignore[arg-type]
    return snapshot


@given(_chunks, _options)
def test_the_document_is_the_stream_accumulated(chunks: list[Chunk], options: MessageOptions) -> None:
    stream, whole = streamed(chunks, options), document(chunks, options)
    assert whole["usage"].pop("service_tier") == "standard"  # a stream has no place for it
    assert accumulated(stream) == whole
    official = json.loads(officially_accumulated(stream).to_json(exclude_unset=False))
    wanted = json.loads(Message.model_validate(whole).to_json(exclude_unset=False))
    assert {key: official[key] for key in wanted} == wanted


@given(_chunks, _options, st.data())
def test_how_chunks_are_fed_makes_no_difference(
    chunks: list[Chunk], options: MessageOptions, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(chunks)), max_size=4)))
    answer = MessageStream(options, counting_stamp())
    sent = b""
    for begin, end in zip([0, *cuts], [*cuts, len(chunks)], strict=True):
        sent += answer.feed(chunks[begin:end])
    assert sent + answer.close() == streamed(chunks, options)


# --- size -------------------------------------------------------------------------------------------------------


def test_an_answer_in_progress_keeps_nothing_of_what_it_sent() -> None:
    answer = MessageStream(OPTIONS, counting_stamp())
    answer.feed([text("x" * 100_000)])
    held = [getattr(answer, name) for cls in type(answer).__mro__ for name in getattr(cls, "__slots__", ())]
    assert sum(map(sys.getsizeof, held)) < 2000
    assert not hasattr(answer, "__dict__")
