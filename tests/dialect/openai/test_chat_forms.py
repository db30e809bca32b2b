"""Chat requests in the forms of other dialects: understood where they are plain, else refused where they are wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity_proxy.canonical.call import Call
from antigravity_proxy.dialect.openai.chat_forms import in_chats_own
from antigravity_proxy.dialect.openai.chat_request import decode
from antigravity_proxy.errors import BadRequest

HI = {"role": "user", "content": "hi"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
OWN_TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}


def call(**fields: Any) -> Call:
    return decode(json.dumps({"model": "m", **fields}).encode()).call


OWN: dict[str, Any] = {"messages": [HI], "tools": [OWN_TOOL]}


@pytest.mark.parametrize(
    "tool",
    [
        {"name": "f", "description": "d", "input_schema": SCHEMA},
        {"type": "custom", "name": "f", "description": "d", "input_schema": SCHEMA},
        {"type": "function", "name": "f", "description": "d", "parameters": SCHEMA, "strict": True},
        {"name": "f", "description": "d", "parameters": SCHEMA},
    ],
)
def test_tools(tool: dict[str, Any]) -> None:
    assert call(messages=[HI], tools=[tool]) == call(**OWN)


def test_a_free_text_tool_beside_its_type() -> None:
    flat = {"type": "custom", "name": "p", "description": "d"}
    assert call(messages=[HI], tools=[flat]) == call(
        messages=[HI], tools=[{"type": "custom", "custom": {"name": "p", "description": "d"}}]
    )


@pytest.mark.parametrize(
    ("choice", "own"),
    [
        ({"type": "auto"}, "auto"),
        ({"type": "none"}, "none"),
        ({"type": "any"}, "required"),
        ({"type": "required"}, "required"),
        ({"type": "tool", "name": "f"}, {"type": "function", "function": {"name": "f"}}),
        ({"type": "function", "name": "f"}, {"type": "function", "function": {"name": "f"}}),
    ],
)
def test_tool_choices(choice: Any, own: Any) -> None:
    assert call(**OWN, tool_choice=choice) == call(**OWN, tool_choice=own)


def test_one_call_at_a_time() -> None:
    once = {"type": "auto", "disable_parallel_tool_use": True}
    assert not call(**OWN, tool_choice=once).parallel_tool_calls
    assert call(**OWN, tool_choice=once, parallel_tool_calls=True).parallel_tool_calls


def test_anthropics_blocks() -> None:
    foreign = [
        {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "x"},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "c", "name": "f", "input": {"a": "x"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "found"}]},
                {"type": "tool_result", "tool_use_id": "d", "content": "also"},
                {"type": "text", "text": "go on"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {"type": "image", "source": {"type": "url", "url": "data:image/png;base64,AAAA"}},
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
            ],
        },
        {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "x"}]},
    ]
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":"x"}'}}]
    own = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "I look.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c", "content": "found"},
        {"role": "tool", "tool_call_id": "d", "content": "also"},
        {"role": "user", "content": [{"type": "text", "text": "go on"}, image, image, image]},
    ]
    assert call(messages=foreign).contents == call(messages=own).contents


def test_the_items_of_responses() -> None:
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {"type": "reasoning", "summary": []},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a":"x"}'},
        {"type": "function_call_output", "call_id": "c", "output": "found"},
    ]
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":"x"}'}}]
    own = [
        {"role": "system", "content": "Be brief."},
        HI,
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c", "content": "found"},
    ]
    made, expected = call(input=items, instructions="Be brief."), call(messages=own)
    assert (made.contents, made.system) == (expected.contents, expected.system)
    assert call(input="hi") == call(messages=[HI])


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": 5}, "messages"),
        ({"messages": [5]}, "messages[0]"),
        ({"input": 5}, None),
        ({"input": [5]}, None),
        ({"messages": [HI], "tools": [5]}, "tools[0]"),
        ({"messages": [HI], "tools": [{"type": "function"}]}, "tools[0].function"),
        ({"messages": [HI], "tools": 5}, "tools"),
        ({"messages": [HI], "tool_choice": {"type": "strange"}}, "tool_choice.type"),
        ({"messages": [{"role": "user", "content": [{"type": "strange"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": ["text"]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result", "content": [5]}]}]}, None),
        ({"messages": [HI], "tools": [{"type": "strange", "name": "x", "function": 5}]}, "tools[0].function"),
    ],
)
def test_nonsense_is_refused_where_it_is(fields: dict[str, Any], param: str | None) -> None:
    with pytest.raises(BadRequest) as caught:
        call(**fields)
    if param is not None:
        assert caught.value.param == param


def test_what_is_chats_own_is_left_alone() -> None:
    own = {"messages": [HI, {"role": "user", "content": [{"type": "text", "text": "x"}]}], "tools": [OWN_TOOL]}
    assert in_chats_own(json.dumps(own).encode()) is None
    assert in_chats_own(b"{") is None
    assert in_chats_own(b"[]") is None
    assert (
        in_chats_own(b'{"messages": [{"role": "user", "content": []}], "tools": [{"type": "x", "name": "y"}]}')
        is not None
    )
