"""Answers in Anthropic's form as chunks (official-upstreams.md 5)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from antigravity_proxy.canonical.chunk import Chunk, Usage
from antigravity_proxy.canonical.content import FunctionCall, Part
from antigravity_proxy.canonical.wire import EventTooLargeError, UnreadableEvent, UpstreamErrorEvent
from antigravity_proxy.generatecontent.sse import MAX_EVENT_BYTES
from antigravity_proxy.messages.events import EventReader

START = {
    "type": "message_start",
    "message": {
        "id": "msg_vrtx_1",
        "model": "claude-sonnet-4-6",
        "usage": {
            "input_tokens": 40,
            "cache_read_input_tokens": 7,
            "cache_creation_input_tokens": 3,
            "output_tokens": 1,
        },
    },
}
STOP = {"type": "message_stop"}


def end(reason: str, **usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}


def block(index: int, content: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": content},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def read(*events: dict[str, Any]) -> list[Chunk]:
    reader = EventReader()
    stream = b"".join(b"event: x\ndata: %s\n\n" % msgspec.json.encode(event) for event in events)
    chunks = [reader.read(payload) for payload in reader.feed(stream) + reader.close()]
    found = [chunk for chunk in chunks if chunk.candidates]
    for chunk in found:  # its JSON text says the same
        again = msgspec.json.decode(chunk.json, type=Chunk)
        assert (again.candidates, again.usage_metadata) == (chunk.candidates, chunk.usage_metadata)
    return found


def parts(chunks: list[Chunk]) -> list[Part]:
    return [part for chunk in chunks for candidate in chunk.candidates for part in candidate.content.parts]


def test_text_comes_in_pieces_with_the_counts_of_begin_and_end() -> None:
    said = block(
        0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Minus "}, {"type": "text_delta", "text": "3"}
    )
    first, second, last = read(START, {"type": "ping"}, *said, end("end_turn", output_tokens=6), STOP)
    assert parts([first, second, last]) == [Part(text="Minus "), Part(text="3")]
    assert first.usage_metadata is not None
    assert first.usage_metadata.input_tokens == 50
    assert second.usage_metadata is None
    assert (first.model_version, first.response_id) == ("claude-sonnet-4-6", "msg_vrtx_1")
    assert last.candidates[0].finish_reason == "STOP"
    assert last.usage_metadata == Usage(50, 6, 0, 7, 0, 56)


def test_an_answer_without_counts_has_none() -> None:
    (last,) = read({"type": "message_start"}, end("end_turn"), STOP)
    assert last.usage_metadata is None


def test_thinking_is_counted_apart() -> None:
    *_, last = read(START, end("end_turn", output_tokens=9, output_tokens_details={"thinking_tokens": 4}), STOP)
    assert last.usage_metadata is not None
    assert last.usage_metadata.thoughts_token_count == 4
    assert last.usage_metadata.output_tokens == 9


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "STOP"),
        ("stop_sequence", "STOP"),
        ("tool_use", "STOP"),
        ("pause_turn", "STOP"),
        ("max_tokens", "MAX_TOKENS"),
        ("model_context_window_exceeded", "MAX_TOKENS"),
        ("refusal", "SAFETY"),
    ],
)
def test_why_it_ended(reason: str, finish: str) -> None:
    assert read(START, end(reason), STOP)[-1].candidates[0].finish_reason == finish


def test_an_answer_without_its_last_event_has_not_ended() -> None:
    assert read(START, *block(0, {"type": "text", "text": "a"}), end("end_turn"))[-1].candidates[0].finish_reason == ""


def test_thoughts_and_their_signatures() -> None:
    thought = block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "hm"},
        {"type": "thinking_delta", "thinking": ""},
        {"type": "signature_delta", "signature": "c2ln"},
        {"type": "signature_delta", "signature": ""},
    )
    hidden = block(1, {"type": "redacted_thinking", "data": "ZGF0YQ=="}) + block(2, {"type": "redacted_thinking"})
    given = block(3, {"type": "thinking", "thinking": "so"})
    assert parts(read(START, *thought, *hidden, *given)) == [
        Part(text="hm", thought=True),
        Part(text="", thought=True, thought_signature="c2ln"),
        Part(text="", thought=True, thought_signature="redacted-thinking-ZGF0YQ=="),
        Part(text="so", thought=True),
    ]


def test_a_call_comes_whole_with_its_arguments_as_written() -> None:
    call = block(
        0,
        {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {}},
        {"type": "input_json_delta", "partial_json": ""},
        {"type": "input_json_delta", "partial_json": '{"a": 1.0,'},
        {"type": "input_json_delta", "partial_json": ' "b": 2}'},
    )
    bare = block(1, {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}})
    at_once = block(2, {"type": "tool_use", "id": "toolu_3", "name": "one", "input": {"x": 1}})
    found = parts(read(START, *call, *bare, *at_once, end("tool_use"), STOP))
    assert [part.function_call for part in found] == [
        FunctionCall("add", msgspec.Raw(b'{"a": 1.0, "b": 2}'), "toolu_1"),
        FunctionCall("now", msgspec.Raw(b"{}"), "toolu_2"),
        FunctionCall("one", msgspec.Raw(b'{"x":1}'), "toolu_3"),
    ]


@pytest.mark.parametrize("arguments", ['{"a": ', "[1]"])
@pytest.mark.parametrize(("reason", "finish"), [("max_tokens", "MAX_TOKENS"), ("tool_use", "MALFORMED_FUNCTION_CALL")])
def test_half_a_call_is_none(arguments: str, reason: str, finish: str) -> None:
    call = block(
        0, {"type": "tool_use", "id": "t", "name": "f"}, {"type": "input_json_delta", "partial_json": arguments}
    )
    chunks = read(START, *call, end(reason), STOP)
    assert parts(chunks) == []
    assert chunks[-1].candidates[0].finish_reason == finish


def test_arguments_without_end_are_refused() -> None:
    reader = EventReader()
    for event in block(0, {"type": "tool_use", "id": "t", "name": "f"})[:1]:
        reader.read(msgspec.json.encode(event))
    piece = {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "a" * (1 << 24)}}
    payload = msgspec.json.encode(piece)
    for _ in range(MAX_EVENT_BYTES >> 24):
        reader.read(payload)
    with pytest.raises(EventTooLargeError):
        reader.read(payload)


def test_a_search_becomes_grounding() -> None:
    pages = [{"type": "web_search_result", "url": "https://a.example", "title": "A", "encrypted_content": "x"}]
    citation = {"type": "web_search_result_location", "url": "https://a.example", "title": "A", "cited_text": "é"}
    events = [
        START,
        *block(0, {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "weather"}}),
        *block(1, {"type": "web_search_tool_result", "tool_use_id": "s", "content": pages}),
        *block(2, {"type": "text", "text": "é: "}),
        *block(
            3,
            {"type": "text", "text": "", "citations": []},
            {"type": "text_delta", "text": "sun"},
            {"type": "citations_delta", "citation": citation},
            {"type": "citations_delta", "citation": citation},
            {"type": "citations_delta", "citation": {"type": "char_location"}},
        ),
        end("end_turn"),
        STOP,
    ]
    last = read(*events)[-1].candidates[0]
    assert msgspec.json.decode(last.grounding_metadata) == {
        "webSearchQueries": ["weather"],
        "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}],
        "groundingSupports": [{"segment": {"startIndex": 4, "endIndex": 7}, "groundingChunkIndices": [0]}],
    }


def test_a_search_is_bounded() -> None:
    pages = [{"url": f"https://{i}.example"} for i in range(2000)]
    searches = [each for i in range(1100) for each in block(i, {"type": "server_tool_use", "input": {"query": "q"}})]
    cited = [
        each
        for i in range(1100)
        for each in block(i, {"type": "text", "text": "a", "citations": [{"url": "https://0.example"}, "nonsense"]})
    ]
    found = block(0, {"type": "web_search_tool_result", "content": [*pages, "nonsense"]})
    failed = block(0, {"type": "web_search_tool_result", "content": {"error_code": "unavailable"}})
    odd = block(0, {"type": "server_tool_use", "input": {"query": 1}})
    metadata = msgspec.json.decode(
        read(START, *searches, *odd, *failed, *found, *cited, STOP)[-1].candidates[0].grounding_metadata
    )
    assert {name: len(value) for name, value in metadata.items()} == {
        "webSearchQueries": 1024,
        "groundingChunks": 1024,
        "groundingSupports": 1024,
    }


def test_a_whole_message_says_the_same() -> None:
    message = {
        "type": "message",
        "id": "msg_1",
        "model": "claude-sonnet-4-6",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
            {"type": "thinking", "thinking": "unsigned"},
            {"type": "text", "text": "Hello"},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
            "nonsense",
        ],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 3, "output_tokens": 5},
    }
    reader = EventReader()
    (payload,) = reader.document(msgspec.json.encode(message))
    chunk = reader.read(payload)
    assert parts([chunk]) == [
        Part(text="hm", thought=True),
        Part(text="", thought=True, thought_signature="c2ln"),
        Part(text="unsigned", thought=True),
        Part(text="Hello"),
        Part(function_call=FunctionCall("f", msgspec.Raw(b'{"a":1}'), "t")),
    ]
    assert chunk.candidates[0].finish_reason == "STOP"
    assert chunk.usage_metadata == Usage(3, 5, 0, 0, 0, 8)
    assert EventReader().read(b'{"type":"message","content":null}').candidates[0].finish_reason == "STOP"


@pytest.mark.parametrize("body", [{"type": "error", "error": {"type": "overloaded_error"}}, {"error": {"code": 429}}])
def test_an_error_in_the_answer(body: dict[str, Any]) -> None:
    with pytest.raises(UpstreamErrorEvent) as raised:
        read(body)
    assert msgspec.json.decode(raised.value.body) == body


@pytest.mark.parametrize("payload", [b"{", b"[]", b"\xff"])
def test_what_is_no_object_is_skipped(payload: bytes) -> None:
    with pytest.raises(UnreadableEvent):
        EventReader().read(payload)


def test_fields_of_another_type_cost_nothing_else() -> None:
    odd = [
        {"type": "content_block_delta", "delta": 3},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": 3}},
        {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "{}"}},
        {"type": "content_block_start", "content_block": {"type": "text", "text": None}},
        {"type": "content_block_start", "content_block": {"type": "thinking"}},
        {"type": "content_block_start", "content_block": {"type": "container_upload"}},
        {"type": "message_delta", "usage": {"output_tokens": True, "output_tokens_details": {"thinking_tokens": "x"}}},
        {"type": "something new"},
        STOP,
    ]
    (last,) = read(START, *odd)
    assert parts([last]) == []
