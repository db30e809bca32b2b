"""Chat messages as turns."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from antigravity_proxy.canonical.content import Blob, Content, FileData, Part
from antigravity_proxy.dialect.openai.chat_messages import Message, conversation
from antigravity_proxy.errors import BadRequest

USER = {"role": "user", "content": "hi"}
HI = Content("user", (Part(text="hi"),))
PIXEL = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
BLOB = Part(inline_data=Blob("image/png", "AAAA"))


def said(*messages: dict[str, Any]) -> tuple[tuple[Content, ...], tuple[str, ...]]:
    return conversation(msgspec.convert(list(messages), list[Message]))


def turns(*messages: dict[str, Any]) -> tuple[Content, ...]:
    return said(*messages)[0]


def parts(**message: Any) -> tuple[Part, ...]:
    """The parts of one message after a user's."""
    found = turns(USER, message)
    assert found[0] == HI
    return found[1].parts if len(found) > 1 else ()


def refused(*messages: dict[str, Any]) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        turns(*messages)
    return caught.value


def asked(name: str = "f", arguments: Any = "{}", **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "tool_calls": [{"function": {"name": name, "arguments": arguments}, **more}]}


# --- system -----------------------------------------------------------------------------------------------------


def test_system_messages_before_the_first_user_message_are_hoisted_in_order() -> None:
    found = said(
        {"role": "system", "content": "a"},
        {"role": "assistant", "content": "example"},
        {"role": "developer", "content": [{"type": "text", "text": "b"}, {"type": "text", "text": "c"}]},
        {"role": "system", "content": None},
        {"role": "system", "content": ""},
        USER,
    )
    assert found == ((Content("model", (Part(text="example"),)), HI), ("a", "b", "c"))


def test_later_system_messages_stay_where_they_stand() -> None:
    found = said(
        USER,
        {"role": "system", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "developer", "content": ""},
    )
    assert found == ((HI, Content("user", (Part(text="<system>a\nb</system>"),))), ())


def test_system_messages_alone_become_the_user_turn() -> None:
    found = said({"role": "system", "content": "a"}, {"role": "developer", "content": "b"})
    assert found == ((Content("user", (Part(text="a"), Part(text="b"))),), ())


def test_a_system_message_holds_text_only() -> None:
    assert refused({"role": "system", "content": [PIXEL]}).param == "messages[0].content[0].type"


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "user", "content": []}],
        [{"role": "user"}],
        [{"role": "assistant", "content": "x"}],
        [{"role": "system", "content": "x"}, {"role": "assistant", "content": "x"}],
    ],
)
def test_without_a_user_message_there_is_nothing_to_answer(messages: list[dict[str, Any]]) -> None:
    error = refused(*messages)
    assert (error.param, error.message) == ("messages", "There is no user message.")


# --- users ------------------------------------------------------------------------------------------------------


def test_parts_keep_their_order() -> None:
    content = [{"type": "text", "text": " a "}, PIXEL, {"type": "text", "text": "b"}, PIXEL]
    assert parts(role="user", content=content) == (Part(text=" a "), BLOB, Part(text="b"), BLOB)


def test_an_image_url_may_be_a_plain_string() -> None:
    assert parts(role="user", content=[{"type": "image_url", "image_url": "data:image/png;base64,AAAA"}]) == (BLOB,)
    assert parts(role="user", content=[{"type": "image_url", "image_url": "gs://b/a.png"}]) == (
        Part(file_data=FileData("gs://b/a.png")),
    )


def test_an_image_that_would_have_to_be_fetched_is_refused_by_its_place() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    error = refused(USER, {"role": "user", "content": [{"type": "text", "text": "x"}, part]})
    assert error.param == "messages[1].content[1].image_url"
    assert "data URL" in error.message


def test_sound_by_its_format() -> None:
    for format_ in ("mp3", "wav", "ogg"):
        content = [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": format_}}]
        assert parts(role="user", content=content) == (Part(inline_data=Blob(f"audio/{format_}", "AAAA")),)
    bad = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "a/b;c"}}
    assert refused({"role": "user", "content": [bad]}).param == "messages[0].content[0].input_audio.format"
    bad = {"type": "input_audio", "input_audio": {"data": "****", "format": "mp3"}}
    assert refused({"role": "user", "content": [bad]}).param == "messages[0].content[0].input_audio.data"


@pytest.mark.parametrize(
    ("file", "part"),
    [
        ({"file_data": "data:application/pdf;base64,AAAA"}, Part(inline_data=Blob("application/pdf", "AAAA"))),
        ({"file_data": "AAAA", "filename": "A.PDF"}, Part(inline_data=Blob("application/pdf", "AAAA"))),
        ({"file_data": "JVBERi0x"}, Part(inline_data=Blob("application/pdf", "JVBERi0x"))),
        ({"file_data": "eA==", "filename": "a.txt"}, Part(text='<document title="a.txt">\nx\n</document>')),
        ({"file_data": "data:text/plain;base64,eA=="}, Part(text="x")),
    ],
)
def test_files(file: dict[str, str], part: Part) -> None:
    assert parts(role="user", content=[{"type": "file", "file": file}]) == (part,)


@pytest.mark.parametrize(
    ("file", "field"),
    [({"file_id": "file-1"}, "file_id"), ({}, "file_data"), ({"file_data": "****"}, "file_data")],
)
def test_a_file_that_is_not_there_is_refused(file: dict[str, str], field: str) -> None:
    error = refused({"role": "user", "content": [{"type": "file", "file": file}]})
    assert error.param == f"messages[0].content[0].file.{field}"


def test_names_are_told_only_if_there_are_several() -> None:
    ann, bob = {**USER, "name": "ann"}, {**USER, "name": "bob"}
    assert turns(ann, ann) == (HI, HI)
    assert [c.parts[0].text for c in turns(ann, bob, USER)] == ["ann: ", "bob: ", "hi"]


# --- the assistant ----------------------------------------------------------------------------------------------


def test_text_comes_before_images_and_calls() -> None:
    message = asked(id="c1")
    message |= {"content": "text", "refusal": "no", "images": [PIXEL], "reasoning_content": "hm", "audio": {}}
    found = parts(**message)
    assert found[:4] == (Part(text="hm", thought=True), Part(text="text"), Part(text="no"), BLOB)
    assert found[4].function_call is not None


@pytest.mark.parametrize("thought", [None, "", 5, ["hm"], {"text": "hm"}])
def test_what_is_no_thought_is_not_read(thought: Any) -> None:
    assert parts(role="assistant", content="text", reasoning_content=thought) == (Part(text="text"),)


def test_an_assistant_who_said_nothing_is_skipped() -> None:
    assert parts(role="assistant", content=None) == ()


def test_a_refusal_is_text() -> None:
    assert parts(role="assistant", content=[{"type": "refusal", "refusal": "no"}]) == (Part(text="no"),)


def test_images_in_our_own_markdown_become_images_again() -> None:
    text = "a ![image](data:image/png;base64,AAAA) b ![](data:image/png;base64,AAAA)"
    assert parts(role="assistant", content=text) == (Part(text="a "), BLOB, Part(text=" b "), BLOB)
    for plain in ("![x](data:image/png;base64,####)", "![x](https://example.com/a.png)"):
        assert parts(role="assistant", content=plain) == (Part(text=plain),)
        assert parts(role="user", content=text) == (Part(text=text),)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ('{"b": 1.50, "a": 12345678901234567890123}', b'{"b": 1.50, "a": 12345678901234567890123}'),
        ("", b"{}"),
        (" \n", b"{}"),
        (None, b"{}"),
        ("[1]", b'{"input":[1]}'),
        ("null", b"{}"),
        ("5", b'{"input":5}'),
        ('{"a":', b'{"input":"{\\"a\\":"}'),
        ('{"a":"\\ud800"}', b'{"input":"{\\"a\\":\\"\\\\ud800\\"}"}'),
        ("[" * 5000, None),
        ({"a": 1}, b'{"a":1}'),
        ([1], b'{"input":[1]}'),
    ],
)
def test_arguments_are_an_object_whatever_the_model_wrote(given: Any, kept: bytes | None) -> None:
    call = parts(**asked(arguments=given))[0].function_call
    assert call is not None
    assert bytes(call.args) == (kept if kept is not None else json.dumps({"input": given}).replace(" ", "").encode())


def test_a_signature_is_taken_from_either_place() -> None:
    inside = {"extra_content": {"google": {"thought_signature": "a"}}}
    for more, signature in (
        (inside, "a"),
        ({"thought_signature": "b"}, "b"),
        ({**inside, "thought_signature": "b"}, "a"),
        ({"extra_content": {}}, ""),
        ({"extra_content": {"google": {}}}, ""),
        ({}, ""),
    ):
        assert parts(**asked(**more))[0].thought_signature == signature


def test_calls_of_free_text_tools_carry_their_input() -> None:
    message = {
        "role": "assistant",
        "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "p", "input": "x"}}],
    }
    call = parts(**message)[0].function_call
    assert call is not None
    assert (call.name, bytes(call.args), call.id) == ("p", b'{"input":"x"}', "c")


def test_legacy_calls_have_no_id() -> None:
    call = parts(role="assistant", function_call={"name": "f", "arguments": '{"a":1}'})[0].function_call
    assert call is not None
    assert (call.name, bytes(call.args), call.id) == ("f", b'{"a":1}', "")


def test_a_call_of_nothing_is_refused() -> None:
    error = refused(USER, {"role": "assistant", "tool_calls": [{"id": "c"}]})
    assert error.param == "messages[1].tool_calls[0].function"


# --- results ----------------------------------------------------------------------------------------------------


def test_a_result_finds_its_name_by_its_id() -> None:
    found = turns(
        USER,
        asked("f", id="c1"),
        {"role": "tool", "tool_call_id": "c1", "content": '{"a": 1}'},
        asked("g", id="c1"),  # ids may start anew with every turn
        {"role": "tool", "tool_call_id": "c1", "content": None},
    )
    results = [part.function_response for content in found for part in content.parts if part.function_response]
    assert [(r.name, bytes(r.response), r.id) for r in results] == [
        ("f", b'{"output":"{\\"a\\": 1}"}', "c1"),
        ("g", b'{"output":""}', "c1"),
    ]


def test_texts_are_joined_and_files_stand_beside_them() -> None:
    content = [{"type": "text", "text": "a"}, PIXEL, {"type": "text", "text": "b"}]
    result = turns(USER, asked(id="c"), {"role": "tool", "tool_call_id": "c", "content": content})[2].parts[0]
    assert result.function_response is not None
    assert bytes(result.function_response.response) == b'{"output":"a\\nb"}'
    assert result.function_response.parts == (BLOB,)


def test_a_result_of_an_unknown_call_is_told_as_text_and_loses_nothing() -> None:
    content = [{"type": "text", "text": "a"}, PIXEL]
    found = turns({"role": "tool", "tool_call_id": "c9", "content": content}, USER)
    assert found == (Content("user", (Part(text="[result of an unknown tool call c9]\na"), BLOB)), HI)


def test_legacy_results_go_by_name() -> None:
    found = parts(role="function", name="f", content="x")[0].function_response
    assert found is not None
    assert (found.name, bytes(found.response), found.id) == ("f", b'{"output":"x"}', "")
    assert refused(USER, {"role": "function", "content": "x"}).param == "messages[1].name"
