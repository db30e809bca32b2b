"""Messages as turns: blocks, system texts, thoughts, calls and results."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest

from antigravity_proxy.canonical.content import Blob, Content, FileData, FunctionCall, FunctionResponse, Part
from antigravity_proxy.dialect.anthropic.request import decode_count
from antigravity_proxy.errors import BadRequest

USER = {"role": "user", "content": "hi"}
HI = Content("user", (Part(text="hi"),))
DATA = base64.b64encode(b"%PDF-1.7 and more").decode()
TEXT = base64.b64encode("naïve".encode()).decode()


def decoded(*messages: Any, **fields: Any) -> tuple[tuple[Content, ...], tuple[str, ...]]:
    call = decode_count(json.dumps({"model": "m", "messages": messages, **fields}).encode())
    return call.contents, call.system


def parts(*blocks: Any, role: str = "user") -> tuple[Part, ...]:
    """The parts of one message after a user's."""
    found = decoded(USER, {"role": role, "content": list(blocks)})[0]
    assert found[0] == HI
    return found[1].parts if len(found) > 1 else ()


def refused(*messages: Any, **fields: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        decoded(*messages, **fields)
    return caught.value


def use(identity: str = "1", name: str = "f", **more: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": identity, "name": name, "input": {}, **more}


def result(identity: str = "1", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": identity, **more}


def thinking(signature: str | None, text: str = "hm") -> dict[str, Any]:
    return {"type": "thinking", "thinking": text, "signature": signature}


# --- system -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("system", "texts"),
    [
        (None, ()),
        ("", ()),
        ("Be brief.", ("Be brief.",)),
        ([], ()),
        (
            [
                {"type": "text", "text": "x-anthropic-billing-header: cc_version=1"},
                {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
                {"type": "text", "text": ""},
                {"type": "text", "text": "b"},
            ],
            ("a", "b"),
        ),
    ],
)
def test_system_texts(system: Any, texts: tuple[str, ...]) -> None:
    assert decoded(USER, system=system) == ((HI,), texts)


def test_system_messages_before_the_first_user_message_are_hoisted_behind_the_system_field() -> None:
    early = [{"role": "system", "content": "b"}, {"role": "assistant", "content": "example"}]
    listed = {"role": "system", "content": [{"type": "text", "text": "c"}, {"type": "text", "text": ""}]}
    contents, system = decoded(*early, listed, USER, system="a")
    assert (contents, system) == ((Content("model", (Part(text="example"),)), HI), ("a", "b", "c"))


def test_later_system_messages_stay_where_they_stand() -> None:
    later = {"role": "system", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    contents, system = decoded(USER, later, {"role": "system", "content": ""}, {"role": "system", "content": None})
    assert (contents, system) == ((HI, Content("user", (Part(text="<system>a\nb</system>"),))), ())


def test_system_messages_alone_become_the_users() -> None:
    assert decoded({"role": "system", "content": "a"}, system="s") == ((Content("user", (Part(text="a"),)),), ("s",))


def test_a_system_message_holds_text_only() -> None:
    assert refused({"role": "system", "content": [use()]}).param == "messages[0].content[0].type"


@pytest.mark.parametrize(
    "messages",
    [[], [{"role": "assistant", "content": "a"}], [{"role": "user", "content": ""}], [{"role": "user", "content": []}]],
)
def test_without_a_user_message_there_is_nothing_to_answer(messages: list[Any]) -> None:
    assert refused(*messages).param == "messages"


# --- what users show --------------------------------------------------------------------------------------------

MEDIA: list[tuple[Any, tuple[Part, ...]]] = [
    ({"type": "text", "text": " a\n"}, (Part(text=" a\n"),)),
    ({"type": "text", "text": "a", "citations": [{"type": "x"}], "cache_control": {}}, (Part(text="a"),)),
    ({"type": "text", "text": ""}, ()),
    (
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpg", "data": "AAAA"}},
        (Part(inline_data=Blob("image/jpeg", "AAAA")),),
    ),
    (
        {"type": "image", "source": {"type": "base64", "media_type": "IMAGE/WEBP", "data": "AA_-"}},
        (Part(inline_data=Blob("image/webp", "AA/+")),),
    ),
    (
        {"type": "image", "source": {"type": "url", "url": "data:image/png;base64,AAAA"}},
        (Part(inline_data=Blob("image/png", "AAAA")),),
    ),
    (
        {"type": "image", "source": {"type": "url", "url": "gs://bucket/x.png"}},
        (Part(file_data=FileData("gs://bucket/x.png")),),
    ),
    (
        {"type": "document", "title": "T", "source": {"type": "base64", "media_type": "application/pdf", "data": DATA}},
        (Part(inline_data=Blob("application/pdf", DATA)),),
    ),
    (
        {"type": "document", "source": {"type": "base64", "data": DATA}},
        (Part(inline_data=Blob("application/pdf", DATA)),),
    ),
    (
        {"type": "document", "title": 'a"b', "source": {"type": "base64", "media_type": "text/plain", "data": TEXT}},
        (Part(text='<document title="a&quot;b">\nnaïve\n</document>'),),
    ),
    (
        {
            "type": "document",
            "title": "T",
            "context": "Mine.",
            "source": {"type": "text", "media_type": "text/plain", "data": "x"},
            "citations": {"enabled": True},
        },
        (Part(text="Mine."), Part(text='<document title="T">\nx\n</document>')),
    ),
    ({"type": "document", "source": {"type": "text", "data": "x"}}, (Part(text="x"),)),
    ({"type": "document", "source": {"type": "content", "content": "x"}}, (Part(text="x"),)),
    (
        {
            "type": "document",
            "source": {
                "type": "content",
                "content": [
                    {"type": "text", "text": "x"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                ],
            },
        },
        (Part(text="x"), Part(inline_data=Blob("image/png", "AAAA"))),
    ),
    (
        {"type": "search_result", "source": "S", "title": "T", "content": [{"type": "text", "text": t} for t in "ab"]},
        (Part(text="[search result: T, S]\na\nb"),),
    ),
]


@pytest.mark.parametrize(("block", "expected"), MEDIA)
def test_what_a_user_shows(block: Any, expected: tuple[Part, ...]) -> None:
    assert parts(block) == expected


@pytest.mark.parametrize(
    ("block", "param"),
    [
        ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "*"}}, "source.data"),
        ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": ""}}, "source.data"),
        ({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": 5}}, "source.data"),
        ({"type": "image", "source": {"type": "base64", "media_type": "image/png"}}, "source"),
        ({"type": "image", "source": {"type": "base64", "media_type": 5, "data": "AAAA"}}, "source.media_type"),
        ({"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}}, "source.url"),
        ({"type": "image", "source": {"type": "url", "url": "/etc/passwd"}}, "source.url"),
        ({"type": "image", "source": {"type": "url", "url": "file:///etc/passwd"}}, "source.url"),
        ({"type": "image", "source": {"type": "file", "file_id": "file_1"}}, "source.type"),
        ({"type": "image", "source": {"type": "ftp"}}, "source.type"),
        ({"type": "image", "source": "AAAA"}, "source"),
        ({"type": "document", "source": {"type": "file", "file_id": "file_1"}}, "source.type"),
        ({"type": "document", "title": 5, "source": {"type": "text", "data": ""}}, "title"),
        (
            {
                "type": "document",
                "source": {"type": "content", "content": [{"type": "image", "source": {"type": "file"}}]},
            },
            "source.content[0].source.type",
        ),
        ({"type": "search_result", "source": "S", "title": "T", "content": "a"}, "content"),
        ({"type": "text"}, ""),
        ({"type": "text", "text": None}, "text"),
        ({"type": "video", "source": {}}, "type"),
        ({"type": "tool_use", "id": "1", "name": "f", "input": [1]}, "input"),
        ({"type": "tool_use", "id": "1", "name": "f", "input": "x"}, "input"),
        ({"type": "tool_use", "id": 1, "name": "f", "input": {}}, "id"),
        ({"type": "tool_result", "tool_use_id": "1", "content": [{"type": "audio"}]}, "content[0].type"),
        ({"type": "tool_result", "tool_use_id": "1", "content": 5}, "content"),
        ({"type": "tool_result", "tool_use_id": "1", "is_error": "no"}, "is_error"),
        (
            {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "image", "source": {"type": "file"}}]},
            "content[0].source.type",
        ),
        ({"text": "a"}, ""),
        ("a", ""),
    ],
)
@pytest.mark.parametrize("role", ["user", "assistant"])
def test_what_is_wrong_is_named(block: Any, param: str, role: str) -> None:
    text = {"type": "text", "text": "a"}
    wrong = refused(USER, {"role": role, "content": [text, block]})
    assert wrong.param == "messages[1].content[1]" + (f".{param}" if param else "")


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "tool", "content": "a"}, "messages[0].role"),
        ({"content": "a"}, "messages[0]"),
        ({"role": "user", "content": 5}, "messages[0].content"),
        ("a", "messages[0]"),
    ],
)
def test_wrong_messages_are_named(message: Any, param: str) -> None:
    assert refused(message).param == param


# --- what ran elsewhere -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        "web_fetch_tool_result",
        "code_execution_tool_result",
        "bash_code_execution_tool_result",
        "tool_search_tool_result",
        "some_future_tool_result",
        "mcp_tool_use",
        "mcp_tool_result",
        "container_upload",
        "fallback",
        "computer_click_tool_use",
    ],
)
def test_blocks_of_tools_that_ran_elsewhere_are_dropped(kind: str) -> None:
    blocks = [{"type": "text", "text": "a"}, {"type": kind, "content": {"any": "thing"}}, {"type": "text", "text": "b"}]
    assert parts(*blocks, role="assistant") == (Part(text="a"), Part(text="b"))


def test_what_is_wrong_besides_them_keeps_its_place() -> None:
    blocks = [{"type": "mcp_tool_use"}, {"type": "text", "text": 5}]
    assert refused(USER, {"role": "assistant", "content": blocks}).param == "messages[1].content[1].text"


def test_a_searchs_pages_stay_as_text() -> None:
    blocks = [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
        {
            "type": "web_search_tool_result",
            "tool_use_id": "srvtoolu_1",
            "content": [
                {"type": "web_search_result", "url": "https://a.example", "title": "A", "encrypted_content": "x"},
                {"type": "web_search_result", "url": "https://b.example", "title": None},
                {"type": "web_search_result"},
            ],
        },
        {"type": "text", "text": "So."},
    ]
    listed = "[web search results]\nA: https://a.example\n: https://b.example"
    assert parts(*blocks, role="assistant") == (Part(text=listed), Part(text="So."))


@pytest.mark.parametrize("content", [None, [], {"type": "web_search_tool_result_error", "error_code": "unavailable"}])
def test_a_search_that_brought_nothing_is_dropped(content: Any) -> None:
    assert parts({"type": "web_search_tool_result", "content": content}, role="assistant") == ()


@pytest.mark.parametrize(("content", "expected"), [("So far …", (Part(text="So far …"),)), (None, ()), ("", ())])
def test_a_compaction_is_its_text(content: Any, expected: tuple[Part, ...]) -> None:
    assert parts({"type": "compaction", "content": content}, role="assistant") == expected


# --- thoughts ---------------------------------------------------------------------------------------------------


def thought(signature: str, text: str = "hm") -> Part:
    return Part(text=text, thought=True, thought_signature=signature)


def called(signature: str = "", identity: str = "1", name: str = "f") -> Part:
    return Part(function_call=FunctionCall(name, msgspec.Raw(b"{}"), identity), thought_signature=signature)


THOUGHTS: list[tuple[list[Any], tuple[Part, ...]]] = [
    ([thinking("agp1.c.t.RXM="), use()], (thought("claude:RXM="), called())),
    ([thinking("agp1.c.t.RXM=", ""), use()], (thought("claude:RXM=", ""), called())),
    ([thinking("agp1.g.t.R2Vt")], (thought("gemini:R2Vt"),)),
    ([{"type": "redacted_thinking", "data": "agp1.c.t.RXM="}], (thought("claude:RXM=", ""),)),
    # of the call that follows, and of that one alone
    ([thinking("agp1.g.f.R2Vt"), use(), use("2")], (called("gemini:R2Vt"), called("", "2"))),
    (
        [thinking("agp1.g.f.R2Vt", ""), {"type": "text", "text": "so"}, use()],
        (Part(text="so"), called("gemini:R2Vt")),
    ),
    (
        [thinking("agp1.g.f.QQ=="), use(), thinking("agp1.g.f.Qg=="), use("2")],
        (called("gemini:QQ=="), called("gemini:Qg==", "2")),
    ),
    ([thinking("agp1.g.f.R2Vt")], ()),
    # what can go back only if its signature is remembered, and what can't
    ([thinking("agp1.g.n."), use()], (thought(""), called())),
    ([thinking("EqQBCgIYAhIM"), use()], (thought(""), called())),
    (
        [thinking(None), thinking(""), {"type": "redacted_thinking", "data": "EmwKAhgB"}, use()],
        (thought(""),) * 2 + (called(),),
    ),
    ([thinking("agp1.g.x.R2Vt"), use()], (thought(""), called())),
    ([thinking("agp1.g.n.", ""), use()], (called(),)),
]


@pytest.mark.parametrize(("blocks", "expected"), THOUGHTS)
def test_thoughts_of_earlier_turns(blocks: list[Any], expected: tuple[Part, ...]) -> None:
    assert parts(*blocks, role="assistant") == expected


def test_a_users_thoughts_are_nobodys() -> None:
    assert parts(thinking("agp1.c.t.RXM="), {"type": "text", "text": "a"}) == (Part(text="a"),)


def test_a_signature_does_not_outlive_its_message() -> None:
    first = {"role": "assistant", "content": [thinking("agp1.g.f.R2Vt"), {"type": "text", "text": "a"}]}
    contents, _ = decoded(USER, first, {"role": "assistant", "content": [use()]})
    assert contents[2].parts == (called(),)


# --- calls and results ------------------------------------------------------------------------------------------


def calling(given: bytes) -> bytes:
    """A body with a call of these arguments."""
    block = b'{"type":"tool_use","id":"1","name":"f","input":%s}' % given
    return b'{"model":"m","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[%s]}]}' % block


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ('{ "b": [1, 2.50],  "a": "\\u00f8" }', '{ "b": [1, 2.50],  "a": "\\u00f8" }'),
        ("{}", "{}"),
        ("null", "{}"),
    ],
)
def test_arguments_stay_byte_for_byte(given: str, sent: str) -> None:
    call = decode_count(calling(given.encode())).contents[1].parts[0].function_call
    assert call is not None
    assert bytes(call.args) == sent.encode()


def test_a_call_without_input_has_no_arguments() -> None:
    block = {"type": "tool_use", "id": "1", "name": "f"}
    assert parts(block, role="assistant") == (called(),)
    assert parts(block) == (called(),)


def test_arguments_that_are_no_text_are_refused() -> None:
    with pytest.raises(BadRequest) as caught:
        decode_count(calling(b'{"a":"\xff"}'))
    assert caught.value.param == "messages[1].content[0].input"


PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
PNG_PART = Part(inline_data=Blob("image/png", "AAAA"))
RESULTS: list[tuple[dict[str, Any], str, tuple[Part, ...]]] = [
    ({"content": "4 C"}, '{"output":"4 C"}', ()),
    ({"content": '{"a": 1}'}, '{"output":"{\\"a\\": 1}"}', ()),
    ({}, '{"output":""}', ()),
    ({"content": None}, '{"output":""}', ()),
    ({"content": []}, '{"output":""}', ()),
    ({"content": "no", "is_error": True}, '{"error":"no"}', ()),
    ({"content": "yes", "is_error": False, "cache_control": {"type": "ephemeral"}}, '{"output":"yes"}', ()),
    ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, '{"output":"a\\nb"}', ()),
    ({"content": [{"type": "text", "text": "see"}, PNG]}, '{"output":"see"}', (PNG_PART,)),
    ({"content": [PNG]}, '{"output":""}', (PNG_PART,)),
    ({"content": [{"type": "tool_reference", "tool_name": "g"}]}, '{"output":"g"}', ()),
    (
        {
            "content": [
                {"type": "search_result", "source": "S", "title": "T", "content": [{"type": "text", "text": "x"}]}
            ]
        },
        '{"output":"[search result: T, S]\\nx"}',
        (),
    ),
    ({"content": [{"type": "document", "source": {"type": "text", "data": "x"}}]}, '{"output":"x"}', ()),
    (
        {"content": [{"type": "document", "source": {"type": "base64", "data": DATA}}]},
        '{"output":""}',
        (Part(inline_data=Blob("application/pdf", DATA)),),
    ),
]


@pytest.mark.parametrize(("fields", "response", "files"), RESULTS)
def test_results(fields: dict[str, Any], response: str, files: tuple[Part, ...]) -> None:
    contents, _ = decoded(
        USER,
        {"role": "assistant", "content": [use(name="get")]},
        {"role": "user", "content": [result(**fields), {"type": "text", "text": "go on"}]},
    )
    expected = FunctionResponse("get", msgspec.Raw(response.encode()), "1", files)
    assert contents[2].parts == (Part(function_response=expected), Part(text="go on"))


def test_a_result_whose_call_was_cut_off_the_history_is_text() -> None:
    lost = result("9", content=[{"type": "text", "text": "4 C"}, PNG])
    assert parts(lost) == (Part(text="[result of an unknown tool call 9]\n4 C"), PNG_PART)


# --- answers in history -----------------------------------------------------------------------------------------


def test_images_in_our_own_markdown_become_images_again() -> None:
    markdown = "See: ![image](data:image/png;base64,AAAA) there"
    expected = (Part(text="See: "), PNG_PART, Part(text=" there"))
    assert parts({"type": "text", "text": markdown}, role="assistant") == expected
    assert parts({"type": "text", "text": markdown}) == (Part(text=markdown),)
