"""What requests refer to, what is kept of them, and how it is shown again."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw
from openai.types.responses import ResponseItem
from pydantic import TypeAdapter

from antigravity_proxy.canonical.chunk import Candidate, Chunk
from antigravity_proxy.canonical.content import Content, Part
from antigravity_proxy.dialect.base import Rendered, Stamp
from antigravity_proxy.dialect.openai.responses_document import Response
from antigravity_proxy.dialect.openai.responses_items import Memory
from antigravity_proxy.dialect.openai.responses_listing import (
    document_of,
    read_document,
    render,
    render_count,
    render_deleted,
    render_items,
    sharing,
)
from antigravity_proxy.dialect.openai.responses_request import (
    References,
    Understood,
    read,
    read_count,
    references,
    understand,
)
from antigravity_proxy.errors import BadRequest

STAMP = Stamp(1, lambda digits: "0" * digits)
USER: dict[str, Any] = {"role": "user", "content": "hi"}
ANSWER = {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "yes"}]}
ITEM: TypeAdapter[Any] = TypeAdapter(ResponseItem)


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "input": "hi", **fields}).encode()


def raw(value: Any) -> Raw:
    return Raw(msgspec.json.encode(value))


def understood(memory: Memory, **fields: Any) -> Understood:
    return understand(read(body(**fields)), memory)


def said(found: Understood) -> list[tuple[str, str | None]]:
    return [(turn.role, turn.parts[0].text) for turn in found.decoded.call.contents]


# --- what is referred to ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, References("", [], "")),
        ({"previous_response_id": "resp_1"}, References("resp_1", [], "")),
        ({"previous_response_id": ""}, References("", [], "")),
        ({"input": None}, References("", [], "")),
        ({"input": [USER, {"type": "item_reference", "id": "fc_1"}]}, References("", ["fc_1"], "fc_1")),
        ({"input": [{"id": "rs_1"}, ANSWER, {**USER, "id": None}]}, References("", ["rs_1"], "msg_1")),
        ({"input": [{"type": "item_reference", "id": 5}]}, References("", [], "")),
    ],
)
def test_references(fields: dict[str, Any], expected: References) -> None:
    assert references(read(body(**fields))) == expected


def test_a_conversation_goes_on() -> None:
    memory = Memory(before=[raw(USER), raw(ANSWER)])
    found = understood(memory, previous_response_id="resp_1", instructions="Be brief.")
    assert said(found) == [("user", "hi"), ("model", "yes"), ("user", "hi")]
    assert found.decoded.call.system == ("Be brief.",)
    response = json.loads(found.decoded.new_answer(STAMP).close())
    assert (response["previous_response_id"], response["store"]) == ("resp_1", False)


def test_a_conversation_may_go_on_without_a_word() -> None:
    memory = Memory(before=[raw(USER)])
    assert said(understood(memory, previous_response_id="resp_1", input=None)) == [("user", "hi")]
    assert said(understood(memory, previous_response_id="resp_1", input=[])) == [("user", "hi")]


def test_an_item_stands_where_its_reference_does() -> None:
    memory = Memory(items={"msg_1": raw(ANSWER)})
    found = understood(memory, input=[USER, {"type": "item_reference", "id": "msg_1"}, USER])
    assert said(found) == [("user", "hi"), ("model", "yes"), ("user", "hi")]
    assert [json.loads(bytes(item)) for item in found.own] == [USER, ANSWER, USER]


def test_what_is_kept_of_a_text_is_the_message_that_it_is() -> None:
    (own,) = understood(Memory()).own
    assert json.loads(bytes(own)) == {"type": "message", "role": "user", "content": "hi"}
    assert understand(read(body(input=[json.loads(bytes(own))]))).decoded.call.contents == (
        Content("user", (Part(text="hi"),)),
    )


def test_an_answer_says_that_it_is_kept_and_tells_it_whole() -> None:
    told: list[Response] = []
    answer = understand(read(body()), stored=True).decoded.new_answer(
        msgspec.structs.replace(STAMP, completed=told.append)
    )
    document = json.loads(answer.close())
    assert document["store"] is True
    assert [json.loads(render(response).body) for response in told] == [document]


# --- counted ------------------------------------------------------------------------------------------------------


def test_a_count_may_leave_out_the_model() -> None:
    assert read_count(b"{}").model == ""
    assert read_count(b'{"input": "hi"}').input == "hi"
    with pytest.raises(BadRequest):
        read_count(b'{"input": 5}')
    assert json.loads(render_count(7).body) == {"object": "response.input_tokens", "input_tokens": 7}


# --- shown again --------------------------------------------------------------------------------------------------


def page(*items: dict[str, Any], **query: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(render_items(map(raw, items), "resp_ab", query).body)
    return found


def test_items_are_listed_as_openai_does() -> None:
    result = {"type": "function_call_output", "call_id": "c", "output": "x"}
    image = {"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,AAAA"}]}
    found = page(USER, ANSWER, result, image, {"role": "assistant", "content": "ok"}, order="asc")
    for item in found["data"]:
        ITEM.validate_python(item)
    assert [item["id"] for item in found["data"]] == [
        "msg_abi0000",
        "msg_1",
        "fco_abi0002",
        "msg_abi0003",
        "msg_abi0004",
    ]
    assert found["data"][0]["content"] == [{"type": "input_text", "text": "hi"}]
    assert (found["first_id"], found["last_id"], found["has_more"]) == ("msg_abi0000", "msg_abi0004", False)
    thought = {"type": "reasoning", "summary": []}
    assert page(thought)["data"] == [{"type": "reasoning", "id": "rs_abi0000", "summary": []}]
    assert page()["data"] == []


def test_pages() -> None:
    items = [{**USER, "content": str(n)} for n in range(25)]
    first = page(*items)
    assert [item["content"][0]["text"] for item in first["data"]] == [str(n) for n in range(24, 4, -1)]
    assert first["has_more"]
    last = page(*items, after=first["last_id"])
    assert [item["content"][0]["text"] for item in last["data"]] == ["4", "3", "2", "1", "0"]
    assert not last["has_more"]
    assert len(page(*items, limit="3", order="asc")["data"]) == 3


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"order": "up"}, "order"),
        ({"limit": "x"}, "limit"),
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "٣"}, "limit"),
        ({"after": "msg_none"}, "after"),
    ],
)
def test_what_no_page_is(query: dict[str, str], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        page(USER, **query)
    assert caught.value.param == param


def test_it_is_deleted() -> None:
    rendered: Rendered = render_deleted("resp_1")
    assert json.loads(rendered.body) == {"id": "resp_1", "object": "response", "deleted": True}


def response(**fields: Any) -> Response:
    given: dict[str, Any] = {"model": "m", "text": raw({}), "tool_choice": raw("auto"), "tools": raw([])}
    return Response(**(given | {"metadata": raw({})} | fields))


def test_what_two_responses_have_in_common_is_held_once() -> None:
    tools = [{"type": "function", "name": "f" * 1000}]
    earlier = response(tools=raw(tools), instructions="x" * 1000)
    alone, size = sharing(earlier, None)
    assert alone == earlier
    assert size == 1000 + sum(len(bytes(each)) for each in (earlier.tools, earlier.text, earlier.tool_choice, raw({})))
    later, size = sharing(response(tools=raw(tools), instructions="x" * 1000), earlier)
    assert later.tools is earlier.tools
    assert later.instructions is earlier.instructions
    assert size == 0
    other, size = sharing(response(), earlier)
    assert (bytes(other.tools), size) == (b"[]", 2)
    assert sharing(response(), response())[1] == 0


def test_an_object_goes_elsewhere_and_comes_back_whole() -> None:
    output = (raw(ANSWER),)
    kept = response(output=output, previous_response_id="resp_0", instructions="x")
    assert b"yes" not in document_of(kept)
    assert read_document(document_of(kept), output) == kept


# --- in frames ----------------------------------------------------------------------------------------------------


def test_frames_hold_the_events_of_a_stream() -> None:
    def told(framed: bool) -> bytes:
        decoded = understand(read(body(stream=True, reasoning={"summary": "auto"})), framed=framed).decoded
        assert decoded.call.stream
        answer = decoded.new_answer(STAMP)
        parts = (Part(text="hm", thought=True), Part(text="a\nb\u2028c"))
        candidate = Candidate(content=Content("model", parts), finish_reason="STOP")
        return answer.feed([Chunk(candidates=(candidate,))]) + answer.close()

    events = [event.partition(b"data: ")[2] for event in told(False).split(b"\n\n") if event]
    assert told(True) == b"".join(event + b"\n" for event in events)


def test_what_is_only_to_be_kept_asks_no_model() -> None:
    found = understand(read(body()), framed=True, generate=False)
    assert not found.decoded.asks_upstream
    assert found.decoded.call.stream


def test_an_input_there_must_be() -> None:
    with pytest.raises(BadRequest) as caught:
        understood(Memory(), input=None)
    assert caught.value.param == "input"
