"""Requests for messages as a whole: the golden second turn, and bodies that are wrong in every possible way."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.models import MODELS
from support.mutations import WRONG, Path, as_param, at, attempt, is_harmless, of_another_type, paths, replaced

from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.chunk import Candidate, Chunk
from antigravity_proxy.canonical.content import Content, Part
from antigravity_proxy.codeassist.wire import envelope as enveloped
from antigravity_proxy.dialect.anthropic.request import MessagesRequest, decode, decode_count
from antigravity_proxy.dialect.base import Answer, Decoded, Stamp
from antigravity_proxy.errors import BadRequest
from antigravity_proxy.generatecontent.request import prepare

STAMP = Stamp(1, lambda digits: "0" * digits)
USER = {"role": "user", "content": "hi"}


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "max_tokens": 100, "messages": [USER], **fields}).encode()


def call(**fields: Any) -> Call:
    return decode(body(**fields)).call


def answer(**fields: Any) -> Answer:
    return decode(body(**fields)).new_answer(STAMP)


def fed(*said: Part, **fields: Any) -> Any:
    """The document that comes of a chunk with these parts."""
    made = answer(**fields)
    made.feed([Chunk(candidates=(Candidate(content=Content("model", said)),))])
    return json.loads(made.close())


def test_the_golden_second_turn(golden: Callable[[str], bytes]) -> None:
    expected = json.loads(golden("turn2.upstream.from-anthropic.json"))
    decoded = decode(golden("turn2.anthropic.request.json")).call
    prepared = prepare(decoded, MODELS["gemini-3-flash"])
    found = json.loads(enveloped(prepared, expected["project"], expected["requestId"], expected["userAgent"]))
    for sent in (expected, found):
        assert int(sent["request"].pop("sessionId")) < 0
    assert found == expected
    assert decoded.stream


def test_null_is_absent_and_unknown_fields_are_ignored() -> None:
    ignored = {
        "cache_control": {"type": "ephemeral"},
        "service_tier": "auto",
        "container": "c",
        "context_management": {"edits": []},
        "mcp_servers": [],
        "inference_geo": "eu",
        "speed": "fast",
        "betas": ["x"],
    }
    nulls = {
        name: None for name in MessagesRequest.__struct_fields__ if name not in ("model", "messages", "max_tokens")
    }
    assert call(**ignored, **nulls) == call()


def test_max_tokens_are_needed_but_for_a_count() -> None:
    without = json.dumps({"model": "m", "messages": [USER], "max_tokens": None}).encode()
    with pytest.raises(BadRequest) as caught:
        decode(without)
    assert caught.value.param == "max_tokens"
    assert decode_count(without).contents == call().contents


def test_a_count_reads_the_same_body() -> None:
    assert decode_count(body(system="s", tools=[{"name": "f"}])) == call(system="s", tools=[{"name": "f"}])


def test_the_answer_is_of_the_form_that_was_asked_for() -> None:
    assert answer().content_type == b"application/json"
    assert answer(stream=False).content_type == b"application/json"
    assert answer(stream=True).content_type == b"text/event-stream; charset=utf-8"


def test_usage_can_be_estimated_from_the_request() -> None:
    usage = fed(messages=[{"role": "user", "content": "x" * 4000}])["usage"]
    assert usage["input_tokens"] == 1000


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({}, []),
        ({"thinking": {"type": "disabled"}}, []),
        ({"output_config": {"effort": "high"}}, []),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, ["hm"]),
        ({"thinking": {"type": "adaptive"}}, ["hm"]),
        ({"thinking": {"type": "adaptive", "display": "summarized"}}, ["hm"]),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, [""]),
    ],
)
def test_thoughts_are_shown_to_those_who_asked(fields: dict[str, Any], shown: list[str]) -> None:
    content = fed(Part(text="hm", thought=True), Part(text="x"), **fields)["content"]
    assert [block["thinking"] for block in content if block["type"] == "thinking"] == shown


@pytest.mark.parametrize(
    ("fields", "text"),
    [({"output_config": {"format": {"type": "json_schema", "schema": {}}}}, "{}"), ({}, "```json\n{}\n```")],
)
def test_json_that_was_asked_for_comes_without_a_code_fence(fields: dict[str, Any], text: str) -> None:
    assert fed(Part(text="```json\n{}\n```"), **fields)["content"][0]["text"] == text


SEARCH = {"type": "web_search_20250305", "name": "web_search"}


@pytest.mark.parametrize(
    ("fields", "waits"),
    [
        ({"tools": [SEARCH]}, True),
        ({"tools": [SEARCH, {"name": "f"}]}, False),
        ({"tools": [SEARCH], "tool_choice": {"type": "none"}}, False),
        ({}, False),
    ],
)
def test_only_the_text_of_a_search_waits_for_its_sources(fields: dict[str, Any], waits: bool) -> None:
    made = answer(stream=True, **fields)
    sent = made.feed([Chunk(candidates=(Candidate(content=Content("model", (Part(text="x"),))),))])
    assert (b"text_delta" not in sent) is waits


def test_a_warm_up_is_answered_at_once() -> None:
    decoded = decode(body(max_tokens=0))
    assert not decoded.asks_upstream
    document = json.loads(decoded.new_answer(STAMP).close())
    assert (document["content"], document["stop_reason"]) == ([], "max_tokens")
    assert document["usage"]["output_tokens"] == 0
    assert decode(body(max_tokens=1)).asks_upstream


# --- what is wrong ----------------------------------------------------------------------------------------------

IMAGE: dict[str, Any] = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
TEXT: dict[str, Any] = {"type": "text", "text": "a"}
RICH: dict[str, Any] = {
    "model": "m",
    "max_tokens": 100,
    "system": [{"type": "text", "text": "Be brief."}],
    "messages": [
        {"role": "system", "content": [TEXT]},
        {
            "role": "user",
            "content": [
                TEXT,
                IMAGE,
                {"type": "image", "source": {"type": "url", "url": "data:image/png;base64,AAAA"}},
                {"type": "document", "title": "t", "context": "c", "source": {"type": "text", "data": "x"}},
                {"type": "document", "source": {"type": "content", "content": [TEXT, IMAGE]}},
                {"type": "search_result", "source": "s", "title": "t", "content": [TEXT]},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "agp1.c.t.RXM="},
                {"type": "redacted_thinking", "data": "agp1.c.t.RXM="},
                {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}},
                {"type": "web_search_tool_result", "content": [{"url": "https://a.example", "title": "A"}]},
                {"type": "compaction", "content": "so far"},
                {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "c1",
                    "is_error": False,
                    "content": [TEXT, IMAGE, {"type": "tool_reference", "tool_name": "g"}],
                }
            ],
        },
    ],
    "tools": [
        {"type": "custom", "name": "f", "description": "d", "input_schema": {"type": "object"}},
        {"type": "bash_20250124", "name": "bash"},
        SEARCH,
    ],
    "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    "output_format": {"type": "json_schema", "schema": {}},
    "metadata": {"user_id": '{"session_id":"s"}'},
    "stream": True,
    "temperature": 1,
    "top_p": 0.5,
    "top_k": 40,
    "stop_sequences": ["END"],
}
PATHS = list(paths(RICH))
#: where JSON of any kind is data
FREE = ("input_schema", "schema", "input")


def test_the_rich_request_is_fine() -> None:
    assert isinstance(attempt(decode, RICH), Decoded)


@pytest.mark.parametrize("path", PATHS, ids=as_param)
def test_a_wrong_value_anywhere_is_a_400_or_harmless(path: Path) -> None:
    for wrong in WRONG:
        assert is_harmless(attempt(decode, replaced(RICH, path, wrong)))


def is_read(path: Path) -> bool:
    """Whether the decoder looks at this place, and takes not just anything there."""
    *way, last = path
    if set(FREE) & set(way) or path[:5] == ("messages", 2, "content", 3, "content"):
        return False
    return path[:4] != ("messages", 2, "content", 2) or last == "type" or len(path) == 4


@pytest.mark.parametrize("path", [path for path in PATHS if is_read(path)], ids=as_param)
def test_a_wrong_type_is_refused_and_its_place_named(path: Path) -> None:
    with pytest.raises(BadRequest) as caught:
        decode(json.dumps(replaced(RICH, path, of_another_type(at(RICH, path)))).encode())
    assert caught.value.param == as_param(path)


@pytest.mark.parametrize("missing", ["model", "messages"])
def test_what_must_be_there_is_named(missing: str) -> None:
    request = json.loads(body())
    del request[missing]
    with pytest.raises(BadRequest, match=f"missing required field `{missing}`"):
        decode(json.dumps(request).encode())


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_any_value = st.sampled_from([*WRONG, *(at(RICH, path) for path in PATHS)]) | _json


@given(_json | st.binary(max_size=40) | st.fixed_dictionaries({"model": _json, "max_tokens": _json, "messages": _json}))
def test_no_json_raises_anything_but_a_400(value: Any) -> None:
    sent = value if isinstance(value, bytes) else json.dumps(value).encode()
    with contextlib.suppress(BadRequest):
        decode(sent)


@given(st.data())
def test_values_from_anywhere_at_several_places_do_no_harm(data: st.DataObject) -> None:
    request = RICH
    for _ in range(data.draw(st.integers(1, 4))):
        request = replaced(request, data.draw(st.sampled_from(list(paths(request)))), data.draw(_any_value))
    assert is_harmless(attempt(decode, request))


@pytest.mark.parametrize("field", ["tools", "messages"])
def test_deep_bodies_are_taken_or_refused(field: str) -> None:
    deep: Any = {
        "tools": [{"name": "f", "input_schema": {"enum": "DEEP"}}],
        "messages": [
            USER,
            {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "f", "input": {"a": "DEEP"}}]},
        ],
    }[field]
    request = body(**{field: deep})
    taken, depths = [], [*range(1, 1000), 3000, 100_000]
    for depth in depths:
        try:
            decode(request.replace(b'"DEEP"', b"[" * depth + b"]" * depth))
        except BadRequest as e:
            if e.message not in ("The body is nested too deeply.", "The input is not JSON."):
                raise
        else:
            taken.append(depth)
    assert taken == depths[: len(taken)]  # how many depends on the version of Python
    assert 200 < len(taken) < len(depths)


@pytest.mark.parametrize("raw", [b"\xff", b"\\u12", b"\x01"])
def test_text_that_is_no_text_is_refused(raw: bytes) -> None:
    with pytest.raises(BadRequest):
        decode(body(messages=[{"role": "user", "content": "RAW"}]).replace(b"RAW", raw))


@pytest.mark.parametrize(
    "wrong",
    [
        {"messages": 5},
        {"messages": [5]},
        {"messages": [{"role": "user"}, {"role": 5}]},
        {"messages": [{"role": "user", "content": [5, {"type": ["x_tool_result"]}]}]},
    ],
)
def test_a_refused_body_without_foreign_blocks_stays_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        decode(body(**wrong))


def test_a_large_image_costs_little() -> None:
    request = body(messages=[{"role": "user", "content": [IMAGE]}]).replace(b"AAAA", b"A" * 4_000_000)
    begun = time.process_time()
    decoded = decode(request)
    assert time.process_time() - begun < 0.5  # some 20 ms; a pass in Python code would take seconds
    blob = decoded.call.contents[0].parts[0].inline_data
    assert blob is not None
    assert len(blob.data) == 4_000_000
