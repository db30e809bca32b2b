"""Sampling, thinking, output format, session."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity_proxy.canonical.call import Call, OutputFormat, Reasoning, Sampling
from antigravity_proxy.dialect.anthropic.request import decode_count
from antigravity_proxy.errors import BadRequest

SCHEMA = {"type": "object", "properties": {"a": {"const": 1}}}


def call(**fields: Any) -> Call:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}
    return decode_count(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Sampling()),
        ({"max_tokens": 32000}, Sampling(max_output_tokens=32000)),
        ({"max_tokens": 64.0}, Sampling(max_output_tokens=64)),
        ({"max_tokens": 0}, Sampling(max_output_tokens=0)),
        ({"temperature": 1}, Sampling(temperature=1)),
        ({"temperature": 0.5, "top_p": 0, "top_k": 40}, Sampling(temperature=0.5, top_p=0, top_k=40)),
        ({"stop_sequences": ["", "END", " "]}, Sampling(stop_sequences=("END", " "))),
        ({"stop_sequences": list("abcdefg")}, Sampling(stop_sequences=tuple("abcde"))),
        ({"stop_sequences": None, "temperature": None, "top_k": None}, Sampling()),
    ],
)
def test_sampling(fields: dict[str, Any], expected: Sampling) -> None:
    assert call(**fields).sampling == expected


HIDDEN = Reasoning("off", show=False)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, HIDDEN),
        ({"thinking": None}, HIDDEN),
        ({"thinking": {"type": "disabled"}}, HIDDEN),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}}, HIDDEN),
        ({"thinking": {"type": "enabled", "budget_tokens": 31999}, "max_tokens": 32000}, Reasoning("on", 31999)),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024.0}, "max_tokens": 10}, Reasoning("on", 1024)),
        ({"thinking": {"type": "adaptive"}}, Reasoning("auto")),
        ({"thinking": {"type": "between_tools"}}, Reasoning("auto")),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, Reasoning("auto")),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, Reasoning("on", effort="max")),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": None}}, Reasoning("auto")),
        ({"output_config": {"effort": "low"}}, Reasoning("on", effort="low", show=False)),
    ],
)
def test_thinking(fields: dict[str, Any], expected: Reasoning) -> None:
    assert call(**fields).reasoning == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, OutputFormat()),
        ({"output_config": {}}, OutputFormat()),
        ({"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}, OutputFormat("schema", SCHEMA)),
        ({"output_format": {"type": "json_schema", "schema": SCHEMA}}, OutputFormat("schema", SCHEMA)),
        (
            {
                "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
                "output_format": {"type": "json_schema", "schema": {}},
            },
            OutputFormat("schema", SCHEMA),
        ),
    ],
)
def test_output_format(fields: dict[str, Any], expected: OutputFormat) -> None:
    assert call(**fields).output == expected


@pytest.mark.parametrize(
    ("metadata", "session"),
    [
        (None, ""),
        ({}, ""),
        ({"user_id": None}, ""),
        ({"user_id": "alice"}, "alice"),
        ({"user_id": json.dumps({"device_id": "d", "account_uuid": "", "session_id": "s-1"})}, "s-1"),
        ({"user_id": "user_d_account__session_s-1"}, "s-1"),
        ({"user_id": '{"session_id":5}'}, '{"session_id":5}'),
        ({"user_id": "[" * 100_000}, ""),
        ({"user_id": "5"}, "5"),
    ],
)
def test_a_session_is_what_the_metadata_say(metadata: Any, session: str) -> None:
    assert call(metadata=metadata).session == session


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_tokens": 2**31}, "max_tokens"),
        ({"temperature": 1.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"top_k": -1}, "top_k"),
        ({"stop_sequences": "END"}, "stop_sequences"),
        ({"stop_sequences": [5]}, "stop_sequences[0]"),
        ({"thinking": {"type": "enabled"}}, "thinking"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1023}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": "much"}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "always"}}, "thinking.type"),
        ({"thinking": {"type": "adaptive", "display": "loud"}}, "thinking.display"),
        ({"thinking": True}, "thinking"),
        ({"output_config": {"effort": 3}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "json_object"}}}, "output_config.format.type"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format"),
        ({"output_format": {"type": "json_schema", "schema": 5}}, "output_format.schema"),
        ({"metadata": {"user_id": 5}}, "metadata.user_id"),
        ({"metadata": "alice"}, "metadata"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        call(**fields)
    assert caught.value.param == param
