"""The parser knows names and types, and refuses everything else in the service's words."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity_proxy.simulator import wire
from antigravity_proxy.simulator.wire import Refused

ENVELOPE: dict[str, Any] = {
    "project": "p",
    "requestId": "agent-1",
    "model": "gemini-3-flash",
    "userAgent": "antigravity-proxy",
    "requestType": "agent",
    "request": {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}], "sessionId": "-1"},
}

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def part(value: dict[str, Any]) -> dict[str, Any]:
    return {"request": {"contents": [{"role": "user", "parts": [value]}]}}


def config(value: dict[str, Any]) -> dict[str, Any]:
    return {"request": {"contents": [], "generationConfig": value}}


def test_an_envelope_is_read() -> None:
    wire.ENVELOPE(ENVELOPE, "")


@pytest.mark.parametrize(
    ("body", "told", "field"),
    [
        ({"sessionId": "-1"}, 'Unknown name "sessionId": Cannot find field.', ""),
        ({"project_id": "p"}, 'Unknown name "project_id": Cannot find field.', ""),
        ({"request": {"cachedContent": "x"}}, "Unknown name \"cachedContent\" at 'request'", "request"),
        (config({"top_p": 1}), "Unknown name \"top_p\" at 'request.generationConfig'", "request.generationConfig"),
        (config({"thinkingConfig": {"effort": 1}}), 'Unknown name "effort" at \'request.generationConfig.th', None),
        (part({"text": "a", "cache_control": {}}), 'Unknown name "cache_control" at \'request.contents[0].parts', None),
        (part({"functionCall": {"name": "a", "arguments": {}}}), 'Unknown name "arguments" at \'request.cont', None),
    ],
)
def test_an_unknown_name_is_refused_with_its_place(body: dict[str, Any], told: str, field: str | None) -> None:
    with pytest.raises(Refused) as refused:
        wire.ENVELOPE(body, "")
    assert str(refused.value).startswith("Invalid JSON payload received. Unknown name")
    assert told in str(refused.value)
    assert field is None or refused.value.field == field


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {"model": 1},
        {"model": None},
        {"requestType": "chat"},
        {"enabledCreditTypes": ["MONEY"]},
        {"request": []},
        {"request": {"contents": {}}},
        {"request": {"contents": ["Hello"]}},
        {"request": {"labels": {"a": 1}}},
        {"request": {"safetySettings": [{"category": 1}]}},
        {"request": {"tools": [{"functionDeclarations": [{"parameters": "object"}]}]}},
        {"request": {"toolConfig": {"functionCallingConfig": {"mode": "auto"}}}},
        part({"functionCall": {"name": "a", "args": "{}"}}),
        part({"functionCall": {"name": "a", "args": []}}),
        part({"functionResponse": {"name": "a", "response": "text"}}),
        part({"text": "a", "thought": "yes"}),
        part({"text": "a", "thoughtSignature": "not base64!"}),
        part({"inlineData": {"mimeType": "image/png", "data": "not base64!"}}),
        part({"inlineData": {"mimeType": "image/png", "data": "_-8="}}),
        part({"inlineData": {"mimeType": "image/png", "data": ""}}),
        config({"temperature": "1"}),
        config({"temperature": True}),
        config({"topK": 1.5}),
        config({"seed": 2**31}),
        config({"stopSequences": "a"}),
        config({"responseMimeType": "json"}),
        config({"imageConfig": {"imageSize": "2k"}}),
        config({"thinkingConfig": {"thinkingLevel": "extreme"}}),
    ],
)
def test_a_wrong_type_is_refused(body: Any) -> None:
    with pytest.raises(Refused, match=r"Invalid value|missing"):
        wire.ENVELOPE(body, "")


@pytest.mark.parametrize("signature", ["QUJD", "_-8=", "+/8=", "skip_thought_signature_validator", ""])
def test_signatures_are_bytes_in_either_alphabet(signature: str) -> None:
    wire.ENVELOPE(part({"text": "a", "thoughtSignature": signature}), "")


@given(ANYTHING, st.sampled_from([wire.ENVELOPE, wire.COUNT, wire.LOAD, wire.ONBOARD, wire.MODELS, wire.PART]))
def test_nothing_but_a_refusal_comes_of_any_json(value: Any, kind: wire.Kind) -> None:
    with suppress(Refused):
        kind(value, "")
