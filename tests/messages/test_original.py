"""An Anthropic client's own request goes to Claude with as little change as possible (official-upstreams.md 4)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from antigravity_proxy.canonical.call import Call, Original
from antigravity_proxy.canonical.model_file import BUNDLED
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.wire import Quirk
from antigravity_proxy.errors import BadRequest
from antigravity_proxy.messages.request import prepare

SONNET = BUNDLED.official_model("claude-sonnet-4-6", "vertex")
NEWER = BUNDLED.official_model("claude-opus-4-8", "vertex")
SIGNATURES = {
    "ours": "claude:c2ln",
    "gemini": "gemini:c2ln",
    "a call's": "",
    "hidden": "claude:redacted-thinking-ZGF0YQ==",
}


def sent(
    fields: dict[str, Any] | bytes, model: Model = SONNET, *quirks: Quirk, version: str = "", betas: str = ""
) -> Any:
    body = fields if isinstance(fields, bytes) else msgspec.json.encode(fields)
    original = Original(body, version, betas, lambda text: SIGNATURES.get(text))
    return prepare(Call("claude", (), original=original), model, frozenset(quirks))


def body(fields: dict[str, Any], model: Model = SONNET, *quirks: Quirk) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(sent(fields, model, *quirks).body)
    return found


def said(*content: dict[str, Any], role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": list(content)}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


HELLO = {"role": "user", "content": "Hello"}


def test_everything_else_is_passed_on_byte_for_byte() -> None:
    written = (
        b'{"model":"claude-x","max_tokens":5,"stream":false,"messages":[{"role":"user","content":"Hi \\u00e9"},'
        b'{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{"b":1.0,"a":12345678901234567890123}}]},'
        b'{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"x"}]}],'
        b'"tools":[{"name":"f","input_schema":{"type":"object","$defs":{"a":{}},"oneOf":[{}]}}],'
        b'"metadata":{"user_id":"u"},"context_management":{"edits":[]},"service_tier":"auto","top_k":null}'
    )
    prepared = sent(written)
    out = prepared.body
    for piece in (
        b'"content":"Hi \\u00e9"',
        b'"input":{"b":1.0,"a":12345678901234567890123}',
        b'"input_schema":{"type":"object","$defs":{"a":{}},"oneOf":[{}]}',
        b'"metadata":{"user_id":"u"}',
        b'"context_management":{"edits":[]}',
    ):
        assert piece in out
    fields = msgspec.json.decode(out)
    assert fields["anthropic_version"] == "vertex-2023-10-16"
    assert fields["stream"] is True
    assert not {"model", "service_tier", "top_k"} & fields.keys()
    counted = msgspec.json.decode(prepared.count_body)
    assert counted.keys() == {"anthropic_version", "model", "messages", "tools"}
    assert repr(Original(b"secret words")) == "<Original 12 bytes>"


@pytest.mark.parametrize(
    ("asked", "version"),
    [
        ("", "vertex-2023-10-16"),
        ("2023-06-01", "vertex-2023-10-16"),
        ("2026-10-21", "2026-10-21"),
        ("x", "vertex-2023-10-16"),
    ],
)
def test_versions(asked: str, version: str) -> None:
    prepared = sent({"messages": [HELLO]}, version=asked)
    assert prepared.fields["anthropic_version"] == version


def test_betas_are_passed_on_as_a_header() -> None:
    assert sent({"messages": [HELLO]}, betas="a-2025, b-2026,a-2025,x\ny").betas == "a-2025,b-2026"
    assert sent({"messages": [HELLO]}, SONNET, Quirk.NO_BETAS, betas="a-2025").betas == ""
    assert len(sent({"messages": [HELLO]}, betas=",".join(f"b{i}" for i in range(99))).betas.split(",")) == 32


def test_thoughts_go_back_as_claude_signed_them() -> None:
    thought = {"type": "thinking", "thinking": "hm"}
    messages = [
        HELLO,
        said(
            {**thought, "signature": "ours"},
            {"type": "thinking", "signature": "hidden", "thinking": ""},
            {**thought, "signature": "gemini"},
            {**thought, "signature": "a call's"},
            {**thought, "signature": "Anthropic's own"},
            {"type": "redacted_thinking", "data": "Anthropic's own"},
            thought,
            {"type": "tool_use", "id": "t", "name": "f", "input": {}},
            role="assistant",
        ),
        said({"type": "tool_result", "tool_use_id": "t", "content": [text("x")]}),
    ]
    asked = {"messages": messages, "thinking": {"type": "enabled", "budget_tokens": 2000}}
    found = body(asked)
    assert found["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "ZGF0YQ=="},
        {"type": "thinking", "thinking": "hm", "signature": "Anthropic's own"},
        {"type": "redacted_thinking", "data": "Anthropic's own"},
        messages[1]["content"][-1],
    ]
    assert found["thinking"] == asked["thinking"]
    lost = body(asked, SONNET, Quirk.LOST_SIGNATURES)
    assert [each["type"] for each in lost["messages"][1]["content"]] == ["tool_use"]
    assert "thinking" not in lost


@pytest.mark.parametrize(
    ("signature", "more", "thinks"),
    [("gemini", [], False), ("ours", [], True), ("gemini", [HELLO], True), ("gemini", [said(text("a"))], True)],
)
def test_a_foreign_thought_switches_thinking_off_for_its_turn(signature: str, more: list[Any], thinks: bool) -> None:
    called = said(
        {"type": "thinking", "thinking": "hm", "signature": signature},
        {"type": "tool_use", "id": "t", "name": "f", "input": {}},
        role="assistant",
    )
    result = said({"type": "tool_result", "tool_use_id": "t", "content": "x"})
    ended = [said(text("done"), role="assistant"), *more] if more else []
    found = body({"messages": [HELLO, called, result, *ended], "thinking": {"type": "adaptive"}})
    assert ("thinking" in found) is thinks


def test_a_message_of_nothing_but_foreign_thoughts_is_left_out() -> None:
    thought = said({"type": "thinking", "thinking": "hm", "signature": "gemini"}, role="assistant")
    assert body({"messages": [HELLO, thought]})["messages"] == [HELLO]


def test_models_that_refuse_a_budget_and_sampling() -> None:
    asked = {
        "messages": [HELLO],
        "temperature": 1,
        "top_p": 1,
        "stop_sequences": ["a"],
        "thinking": {"type": "enabled", "budget_tokens": 2000, "display": "omitted"},
    }
    assert body(asked)["temperature"] == 1
    found = body(asked, NEWER)
    assert found["thinking"] == {"type": "adaptive", "display": "omitted"}
    assert not {"temperature", "top_p"} & found.keys()
    assert body({**asked, "thinking": {"type": "disabled"}}, NEWER)["thinking"] == {"type": "disabled"}
    assert "stop_sequences" not in body(asked, SONNET, Quirk.NO_STOP_SEQUENCES)


@pytest.mark.parametrize("content", ["So", [text("So")]])
def test_a_prefill_is_kept_until_it_is_refused(content: Any) -> None:
    asked = {"messages": [HELLO, {"role": "assistant", "content": content}]}
    assert body(asked)["messages"] == asked["messages"]
    assert [each["role"] for each in body(asked, SONNET, Quirk.NO_PREFILL)["messages"]] == ["user", "assistant", "user"]
    assert body({"messages": [HELLO]}, SONNET, Quirk.NO_PREFILL)["messages"] == [HELLO]


def test_a_scope_of_the_cache_is_left_out_everywhere() -> None:
    cached = {"cache_control": {"type": "ephemeral", "scope": "global"}}
    plain = {"cache_control": {"type": "ephemeral"}}
    asked = {
        "system": [text("x-anthropic-billing-header: a"), text("Be brief.", **cached)],
        "tools": [{"name": "f", "input_schema": {}, **cached}, {"name": "g", "input_schema": {}, **plain}],
        "messages": [
            said(text("a", **cached), {"type": "search_result", "source": "s", "title": "t", "content": [], **cached}),
            said({"type": "tool_use", "id": "t", "name": "f", "input": {}, **cached}, role="assistant"),
            said({"type": "tool_result", "tool_use_id": "t", "content": [text("x", **cached)], **cached}),
        ],
    }
    found = body(asked)
    assert found["system"] == [text("Be brief.", **plain)]
    assert b"scope" not in sent(asked).body
    assert msgspec.json.encode(found).count(b"ephemeral") == 8
    assert body({"system": "Be brief.", "messages": [HELLO]})["system"] == "Be brief."


def test_tools_that_vertex_does_not_run() -> None:
    search = {"type": "web_search_20250305", "name": "web_search"}
    tools = [{"type": "code_execution_20250522", "name": "code_execution"}, {"type": "mcp_toolset"}]
    assert body({"messages": [HELLO], "tools": [*tools, search]})["tools"] == [search]
    found = body({"messages": [HELLO], "tools": tools, "tool_choice": {"type": "any"}})
    assert not {"tools", "tool_choice"} & found.keys()


def test_what_ran_elsewhere_is_left_out_of_history() -> None:
    ours = [
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "a"}},
        {
            "type": "web_search_tool_result",
            "tool_use_id": "s1",
            "content": [
                {"type": "web_search_result", "url": "https://a.example", "title": "A", "encrypted_content": ""}
            ],
        },
        text(
            "a",
            citations=[{"type": "web_search_result_location", "url": "https://a.example", "encrypted_index": ""}],
        ),
    ]
    place = {"type": "char_location", "cited_text": "b"}
    anthropics = [
        {"type": "server_tool_use", "id": "s2", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "s2", "content": [{"encrypted_content": "x"}]},
        text("b", citations=[{"type": "web_search_result_location", "encrypted_index": "x"}, place]),
    ]
    partly = text("c", citations=[{"type": "web_search_result_location"}, place])
    failed = {"type": "web_search_tool_result", "tool_use_id": "s3", "content": {"error_code": "unavailable"}}
    nothing = {"type": "web_search_tool_result", "tool_use_id": "s4", "content": [{"title": "no address"}]}
    gone = [
        {"type": "server_tool_use", "id": "s5", "name": "code_execution", "input": {}},
        {"type": "code_execution_tool_result", "tool_use_id": "s5", "content": {}},
        {"type": "mcp_tool_use", "id": "m"},
        {"type": "container_upload"},
    ]
    found = body({"messages": [HELLO, said(*ours, *anthropics, partly, failed, nothing, *gone, role="assistant")]})
    assert found["messages"][1]["content"] == [
        text("[web search results]\nA: https://a.example"),
        text("a"),
        *anthropics,
        text("c", citations=[place]),
        failed,
    ]


def test_files_stand_in_the_request() -> None:
    at_once = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aWNv"}}
    as_url = {"type": "image", "source": {"type": "url", "url": "data:image/PNG;base64,aWNv"}}
    assert body({"messages": [said(at_once, as_url)]})["messages"] == [said(at_once, at_once)]
    for url in ("https://a.example/a.png", "gs://bucket/a.png"):
        with pytest.raises(BadRequest):
            sent({"messages": [said({"type": "document", "source": {"type": "url", "url": url}})]})


def test_what_is_no_form_at_all_is_passed_on() -> None:
    odd = [HELLO, {"role": "user"}, said({"type": 3})]  # type: ignore[dict-item]
    assert body({"messages": odd, "system": [3], "tools": {}})["messages"] == odd


def test_a_systems_words_in_mid_conversation() -> None:
    call = said({"type": "tool_use", "id": "t", "name": "f", "input": {}}, role="assistant")
    result = said({"type": "tool_result", "tool_use_id": "t", "content": "x"})
    early, later = {"role": "system", "content": "early"}, {"role": "system", "content": [text("later")]}
    found = body({"system": "Be brief.", "messages": [early, HELLO, later, call, later, result]})
    assert found["system"] == [text("Be brief."), text("early")]
    marked = said(text("<system>later</system>"))
    assert found["messages"] == [HELLO, marked, call, result, marked]
    assert body({"messages": [early]})["messages"] == [said(text("early"))]
    assert body({"messages": [early, HELLO]})["system"] == [text("early")]
