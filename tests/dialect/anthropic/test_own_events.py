"""Answers of models that speak Anthropic's form themselves come back as they are."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from anthropic.types import Message
from hypothesis import given
from hypothesis import strategies as st

from antigravity_proxy.canonical.chunk import Candidate, Chunk, MessageChunk
from antigravity_proxy.canonical.content import Content, Part
from antigravity_proxy.canonical.wire import EventTooLargeError, UnreadableEvent, UpstreamErrorEvent
from antigravity_proxy.dialect.anthropic.events import MessageAnswer
from antigravity_proxy.dialect.anthropic.visitor import MessageOptions
from antigravity_proxy.dialect.base import Stamp
from antigravity_proxy.errors import UpstreamBroken
from antigravity_proxy.messages.events import MessageReader

Event = dict[str, Any]
STAMP = Stamp(1, lambda digits: "0" * digits, "req_1")
USAGE = {
    "input_tokens": 40,
    "cache_creation_input_tokens": 9,
    "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 5},
    "cache_read_input_tokens": 7,
    "output_tokens": 1,
}
START: Event = {
    "type": "message_start",
    "message": {
        "id": "msg_vrtx_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-6",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": USAGE,
    },
}
STOP: Event = {"type": "message_stop"}
CITATION = {
    "type": "web_search_result_location",
    "url": "https://a.example",
    "title": "A",
    "cited_text": "a",
    "encrypted_index": "RU5D",
}
PAGE = {
    "type": "web_search_result",
    "url": "https://a.example",
    "title": "A",
    "encrypted_content": "Q09OVEVOVA==",
    "page_age": None,
}


def block(index: int, content: Event, *deltas: Event) -> list[Event]:
    return [
        {"type": "content_block_start", "index": index, "content_block": content},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def arguments(*pieces: str) -> list[Event]:
    return [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]


THOUGHT = block(
    0,
    {"type": "thinking", "thinking": "", "signature": ""},
    {"type": "thinking_delta", "thinking": "h"},
    {"type": "thinking_delta", "thinking": "m"},
    {"type": "signature_delta", "signature": "c2ln"},
)
SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
EVENTS: list[Event] = [
    START,
    {"type": "ping"},
    *THOUGHT,
    *block(1, {"type": "redacted_thinking", "data": "c2VjcmV0"}),
    *block(2, SEARCH, *arguments('{"query":', '"a"}')),
    *block(3, {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [PAGE]}),
    *block(
        4,
        {"type": "text", "text": "", "citations": []},
        {"type": "text_delta", "text": "a says "},
        {"type": "citations_delta", "citation": CITATION},
        {"type": "text_delta", "text": '"signature_delta"'},
    ),
    *block(5, {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}, *arguments("", '{"x": 1', ".50}")),
    *block(6, {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}}),
    {
        "type": "message_delta",
        "delta": {"stop_reason": "stop_sequence", "stop_sequence": "END"},
        "usage": {"output_tokens": 20, "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0}},
    },
    STOP,
]


def ours(event: Event) -> Event:
    """An event with our words in it."""
    match event:
        case {"message": message}:
            return {**event, "message": {**message, "model": "asked-for"}}
        case {"delta": {"signature": signature}}:
            return {**event, "delta": {**event["delta"], "signature": f"agp1.c.t.{signature}"}}
    return event


def fed(events: list[Event], *, stream: bool) -> tuple[MessageAnswer, list[bytes]]:
    """An answer that has taken these, and what it sent for each."""
    reader, answer = MessageReader(), MessageAnswer(MessageOptions("asked-for", stream=stream), STAMP)
    sent = []
    for event in events:
        chunk = reader.read(msgspec.json.encode(event))
        sent.append(answer.feed([chunk]) if chunk.candidates else b"")
    return answer, sent


def told(sent: bytes) -> list[Event]:
    events = [each.split("\ndata: ") for each in sent.decode().split("\n\n") if each]
    assert all(head == f"event: {msgspec.json.decode(data)['type']}" for head, data in events)
    return [msgspec.json.decode(data) for _, data in events]


def test_a_stream_comes_back_as_it_is() -> None:
    answer, sent = fed(EVENTS, stream=True)
    assert told(b"".join(sent) + answer.close()) == [ours(event) for event in EVENTS if event["type"] != "ping"]


def test_nothing_is_sent_before_there_is_content_and_arguments_come_in_pieces() -> None:
    _, sent = fed(EVENTS, stream=True)
    assert not any(sent[:3])
    assert all(sent[3:])  # and from then on at once
    pieces = [at for at, event in enumerate(EVENTS) if "partial_json" in event.get("delta", ())]
    assert all(sent[at] for at in pieces)


def test_a_document_is_the_events_folded() -> None:
    answer, sent = fed(EVENTS, stream=False)
    assert not any(sent)
    found = msgspec.json.decode(answer.close())
    assert found == {
        **START["message"],
        "model": "asked-for",
        "stop_reason": "stop_sequence",
        "stop_sequence": "END",
        "usage": {**USAGE, "output_tokens": 20, "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0}},
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "agp1.c.t.c2ln"},
            {"type": "redacted_thinking", "data": "c2VjcmV0"},
            {**SEARCH, "input": {"query": "a"}},
            {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [PAGE]},
            {"type": "text", "text": 'a says "signature_delta"', "citations": [CITATION]},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"x": 1.5}},
            {"type": "tool_use", "id": "toolu_2", "name": "g", "input": {}},
        ],
    }
    assert Message.model_validate(found).content[5].type == "tool_use"


def test_a_call_that_was_cut_is_left_out_of_a_document() -> None:
    cut = block(0, {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}, *arguments('{"x": 1'))
    end = {"type": "message_delta", "delta": {"stop_reason": "max_tokens", "stop_sequence": None}, "usage": {}}
    answer, _ = fed([START, *cut, end, STOP], stream=False)
    assert msgspec.json.decode(answer.close())["content"] == []


def test_deltas_of_kinds_that_are_not_known_yet_are_folded_too() -> None:
    later = {"type": "later_delta", "said": "b", "list": [1]}
    start = {"type": "later", "said": None, "citations": None}
    answer, _ = fed(
        [START, *block(0, start, later, {"type": "citations_delta", "citation": CITATION}), STOP], stream=False
    )
    [found] = msgspec.json.decode(answer.close())["content"]
    assert found == {"type": "later", "said": "b", "list": [1], "citations": [CITATION]}


def test_a_failure_is_told_in_the_form() -> None:
    answer, _ = fed([START, *THOUGHT], stream=True)
    assert answer.fail(UpstreamBroken("no")).startswith(b'event: error\ndata: {"type":"error"')
    answer, _ = fed([START, *THOUGHT], stream=False)
    assert msgspec.json.decode(answer.fail(UpstreamBroken("no")))["type"] == "error"


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_in_another_form_is_translated(stream: bool) -> None:
    answer = MessageAnswer(MessageOptions("m", stream=stream), STAMP)
    said = Candidate(content=Content("model", (Part(text="Hi"),)), finish_reason="STOP")
    assert b'"Hi"' in answer.feed([Chunk((said,))]) + answer.close()


def test_a_whole_message_is_translated() -> None:
    whole = START["message"] | {"content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn"}
    chunk = MessageReader().read(msgspec.json.encode(whole))
    assert not isinstance(chunk, MessageChunk)
    assert chunk.candidates[0].content.parts == (Part(text="Hi"),)


def test_no_event_waits_for_ever() -> None:
    reader = MessageReader()
    chunks = [reader.read(b'{"type":"later_event",\n"n":1}') for _ in range(64)]
    [held] = [chunk for chunk in chunks if isinstance(chunk, MessageChunk)]
    assert held.events == (("later_event", b'{"type":"later_event","n":1}'),) * 64


KINDS = ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta"]
JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(
        ["type", "delta", "message", "model", "content_block", "signature", "signature_delta", "partial_json",
         "citation", "citations", "usage", "index", "text", "thinking"]), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(KINDS), JSON), max_size=6), st.booleans())
def test_whatever_comes_is_passed_on(events: list[tuple[str, Any]], stream: bool) -> None:
    shaped = [
        {"delta": {"type": "signature_delta"}, **(e if isinstance(e, dict) else {}), "type": k} for k, e in events
    ]
    try:
        answer, sent = fed([*shaped, STOP], stream=stream)
    except (UnreadableEvent, UpstreamErrorEvent, EventTooLargeError):
        return
    assert sent[-1] if stream else answer.close()
