"""Google takes one value where a list is declared: so do its own examples for curl (translation.md 14)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity_proxy.canonical.call import Call
from antigravity_proxy.dialect.gemini import request
from antigravity_proxy.errors import BadRequest


def call(**fields: Any) -> Call:
    return request.decode(json.dumps(fields).encode(), "gemini-3-flash", stream=False, alt=None).call


def test_googles_example() -> None:
    one = call(system_instruction={"parts": {"text": "Meow."}}, contents={"parts": {"text": "Hello"}})
    many = call(system_instruction={"parts": [{"text": "Meow."}]}, contents=[{"parts": [{"text": "Hello"}]}])
    assert one == many


@pytest.mark.parametrize("snake", [False, True])
def test_every_list(snake: bool) -> None:
    declared = {"name": "f", "parameters": {"type": "OBJECT"}}
    calling = {"mode": "ANY", "allowed_function_names" if snake else "allowedFunctionNames": "f"}
    config = {
        "stop_sequences" if snake else "stopSequences": "END",
        "response_modalities" if snake else "responseModalities": "TEXT",
    }
    one = call(
        contents={"role": "user", "parts": {"text": "hi"}},
        tools={"function_declarations" if snake else "functionDeclarations": declared},
        toolConfig={"functionCallingConfig": calling},
        generationConfig=config,
        safetySettings={"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"},
    )
    many = call(
        contents=[{"role": "user", "parts": [{"text": "hi"}]}],
        tools=[{"functionDeclarations": [declared]}],
        toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        generationConfig={"stopSequences": ["END"], "responseModalities": ["TEXT"]},
        safetySettings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    )
    assert one == many


def test_the_clients_own_data_is_no_list() -> None:
    args = {"parts": {"text": "x"}, "tools": {"a": 1}, "stopSequences": "x"}
    contents = [
        {"role": "user", "parts": [{"text": "hi"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": args}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": args}}]},
    ]
    made = call(contents=contents).contents
    called, answered = made[1].parts[0].function_call, made[2].parts[0].function_response
    assert called is not None
    assert answered is not None
    assert json.loads(bytes(called.args)) == json.loads(bytes(answered.response)) == args


@pytest.mark.parametrize("fields", [{"contents": 5}, {"contents": {"parts": 5}}, {"contents": {"parts": {"text": 5}}}])
def test_nonsense_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as caught:
        call(**fields)
    assert (caught.value.param or "").startswith("contents")
