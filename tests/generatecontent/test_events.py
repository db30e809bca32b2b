"""Upstream's events become chunks; what is wrong in one never costs the rest."""

from __future__ import annotations

import contextlib
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity_proxy.canonical.chunk import Chunk, in_envelope
from antigravity_proxy.canonical.wire import UnreadableEvent, UpstreamErrorEvent
from antigravity_proxy.generatecontent.events import read_event


def test_the_envelope_is_opened_and_the_text_kept_byte_for_byte() -> None:
    inner = b'{"candidates": [{"content":{"role":"model","parts":[{"text":"a \\u00e9"}]}}], "responseId":"r"}'
    chunk = read_event(b'{"response": ' + inner + b', "traceId":"t"}')
    assert chunk.json == inner
    assert chunk.candidates[0].content.parts[0].text == "a é"
    assert chunk.response_id == "r"


def test_an_answer_without_the_envelope_is_read_too() -> None:
    chunk = read_event(b'{"candidates":[{"finishReason":"STOP"}]}')
    assert chunk.candidates[0].finish_reason == "STOP"


def test_a_call_keeps_its_arguments_as_written() -> None:
    chunk = read_event(
        b'{"response":{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":'
        b'{"n": 1.0000000000000000001, "big": 12345678901234567890123}}}]}}]}}'
    )
    call = chunk.candidates[0].content.parts[0].function_call
    assert call is not None
    assert bytes(call.args) == b'{"n": 1.0000000000000000001, "big": 12345678901234567890123}'


@pytest.mark.parametrize("body", [b'{"error":{"code":503}}', b'{"response":{}, "error":"no"}'])
def test_an_error_object_is_raised_with_its_text(body: bytes) -> None:
    with pytest.raises(UpstreamErrorEvent) as e:
        read_event(body)
    assert e.value.body == body


@pytest.mark.parametrize(
    "body", [b"", b"garbage", b"[]", b"3", b'"text"', b'{"response":', b"\xff\xfe", b"[" * 100_000, b"null"]
)
def test_what_is_no_object_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableEvent):
        read_event(body)


@pytest.mark.parametrize(
    "wrong",
    [
        {"usageMetadata": "many"},
        {"usageMetadata": {"promptTokenCount": "3"}},
        {"modelVersion": 3},
        {"promptFeedback": []},
        {"candidates": [{"index": "0", "content": {"parts": [{"text": "kept"}]}}]},
        {"candidates": [{"content": {"parts": [{"text": 7}, {"text": "kept"}]}}]},
        {"candidates": [{"content": {"parts": [{"text": "kept", "functionCall": "f", "inlineData": 1}]}}]},
        {"candidates": [None, {"content": {"parts": [{"text": "kept"}]}, "finishReason": None}]},
    ],
)
def test_a_field_of_the_wrong_type_counts_as_absent(wrong: dict[str, object]) -> None:
    body = {"candidates": [{"content": {"parts": [{"text": "kept"}]}}]} | wrong
    chunk = read_event(json.dumps({"response": body}).encode())
    texts = [part.text for candidate in chunk.candidates for part in candidate.content.parts]
    assert "kept" in texts
    assert json.loads(chunk.json)["candidates"]


def test_too_many_wrong_fields_are_unreadable() -> None:
    parts = [{"text": 1}] * 40
    with pytest.raises(UnreadableEvent):
        read_event(json.dumps({"candidates": [{"content": {"parts": parts}}]}).encode())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(["response", "candidates", "content", "parts", "text", "usageMetadata", "index", "functionCall"])
answers = st.recursive(
    json_values, lambda inner: st.dictionaries(keys, inner | st.lists(inner, max_size=2)), max_leaves=12
)


@given(answers)
def test_no_json_raises_anything_else(value: object) -> None:
    with contextlib.suppress(UnreadableEvent, UpstreamErrorEvent):
        read_event(json.dumps(value).encode())


@given(st.dictionaries(keys.filter(lambda key: key != "response"), answers))
def test_an_envelope_makes_no_difference(value: dict[str, object]) -> None:
    text = json.dumps(value).encode()
    try:
        bare = read_event(text)
    except UnreadableEvent:
        with pytest.raises(UnreadableEvent):
            read_event(in_envelope(text))
        return
    inside = read_event(in_envelope(text))
    for name in set(Chunk.__struct_fields__) - {"raw"}:
        assert getattr(inside, name) == getattr(bare, name)
    assert inside.json == bare.json


@pytest.mark.parametrize("inner", [b"{}", b'{"response":{"responseId":"r"}}', b'{"response":7}'])
def test_an_envelope_within_an_envelope_is_content(inner: bytes) -> None:
    assert read_event(in_envelope(inner)) == Chunk(raw=in_envelope(inner))
    assert read_event(in_envelope(inner)).json == inner


@pytest.mark.parametrize("payload", [b'{"response":null}', b'{"response":[]}', b'{"response":"x"}'])
def test_an_envelope_without_an_answer(payload: bytes) -> None:
    assert read_event(payload).json == payload


@pytest.mark.parametrize("payload", [b'{"response":{"candidates":3},"error":null}', b'{"error":{},"response":null}'])
def test_an_error_beside_what_can_not_be_read(payload: bytes) -> None:
    with pytest.raises(UpstreamErrorEvent):
        read_event(payload)


@pytest.mark.parametrize("count", [-1, 2**53, 10**400, 1.5, "7"])
def test_what_is_no_number_of_tokens_is_absent(count: object) -> None:
    body = json.dumps({"candidates": [], "usageMetadata": {"promptTokenCount": 5, "totalTokenCount": count}})
    usage = read_event(body.encode()).usage_metadata
    assert usage is None or (usage.prompt_token_count, usage.total_token_count) == (5, 0)


def test_a_large_event_with_many_wrong_fields_is_not_read_again_and_again() -> None:
    parts = [{"text": 5}] * 100 + [{"text": "x" * 100}] * 200_000
    payload = json.dumps({"candidates": [{"content": {"parts": parts}}]}).encode()
    begin = time.process_time()
    with pytest.raises(UnreadableEvent):
        read_event(payload)
    assert time.process_time() - begin < 2
