"""Sampling, output format and reasoning of chat requests."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from antigravity_proxy.canonical.call import OutputFormat, Reasoning, Sampling
from antigravity_proxy.dialect.openai.settings import ChatSettings, choices, output_format, reasoning, sampling
from antigravity_proxy.errors import BadRequest


def given(**fields: Any) -> ChatSettings:
    return msgspec.json.decode(msgspec.json.encode(fields), type=ChatSettings)


@pytest.mark.parametrize(
    ("fields", "sampled"),
    [
        ({}, Sampling()),
        ({"temperature": 0, "top_p": 1}, Sampling(temperature=0.0, top_p=1.0)),
        ({"top_k": 40.0}, Sampling(top_k=40)),
        ({"max_tokens": 5}, Sampling(max_output_tokens=5)),
        ({"max_tokens": 5, "max_completion_tokens": 7.0}, Sampling(max_output_tokens=7)),
        ({"stop": "a"}, Sampling(stop_sequences=("a",))),
        ({"stop": ""}, Sampling()),
        ({"stop": ["a", "", "b", "c", "d", "e", "f"]}, Sampling(stop_sequences=("a", "b", "c", "d", "e"))),
        ({"seed": 7}, Sampling(seed=7)),
        ({"seed": -1}, Sampling(seed=0x7FFFFFFF)),
        ({"seed": 2**63 + 5}, Sampling(seed=5)),
        ({"presence_penalty": -2, "frequency_penalty": 2}, Sampling(presence_penalty=-2, frequency_penalty=2)),
        ({"logprobs": True}, Sampling(response_logprobs=True)),
        ({"logprobs": True, "top_logprobs": 20}, Sampling(response_logprobs=True, logprobs=20)),
        ({"logprobs": False, "top_logprobs": 5}, Sampling()),
    ],
)
def test_sampling(fields: dict[str, Any], sampled: Sampling) -> None:
    assert sampling(given(**fields)) == sampled


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 2.1),
        ("temperature", -0.1),
        ("top_p", 1.1),
        ("top_k", -1),
        ("top_k", 1.5),
        ("top_k", 1e300),
        ("max_tokens", 0),
        ("max_completion_tokens", -1),
        ("max_completion_tokens", 2**31),
        ("presence_penalty", 3),
        ("frequency_penalty", -3),
        ("top_logprobs", 21),
        ("seed", 0.5),
    ],
)
def test_sampling_out_of_range_is_refused(field: str, value: float) -> None:
    with pytest.raises(BadRequest) as caught:
        sampling(given(**{field: value}))
    assert caught.value.param == field
    assert caught.value.message.startswith(f"{field} must be")


def test_how_many_answers() -> None:
    assert [choices(given(**fields)) for fields in ({}, {"n": 1}, {"n": 8.0})] == [1, 1, 8]
    for n in (0, 9, -1, 1.5):
        with pytest.raises(BadRequest):
            choices(given(n=n))


@pytest.mark.parametrize(
    ("wanted", "form"),
    [
        (None, OutputFormat()),
        ({"type": "text"}, OutputFormat()),
        ({"type": "json_object"}, OutputFormat("json")),
        (
            {"type": "json_schema", "json_schema": {"name": "s", "strict": True, "schema": {"type": "array"}}},
            OutputFormat("schema", {"type": "array"}),
        ),
    ],
)
def test_output_formats(wanted: Any, form: OutputFormat) -> None:
    assert output_format(given(response_format=wanted)) == form


@pytest.mark.parametrize("more", [{}, {"json_schema": None}, {"json_schema": {"name": "s"}}])
def test_a_schema_must_be_given(more: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as caught:
        output_format(given(response_format={"type": "json_schema", **more}))
    assert caught.value.param == "response_format.json_schema.schema"


def google(**config: Any) -> dict[str, Any]:
    return {"google": {"thinking_config": config}}


OFF = Reasoning("off", show=False)


@pytest.mark.parametrize(
    ("fields", "meant"),
    [
        ({}, Reasoning()),
        ({"reasoning_effort": "high"}, Reasoning("on", effort="high")),
        ({"reasoning_effort": "none"}, OFF),
        ({"reasoning_effort": "low", "reasoning": {"effort": "high"}}, Reasoning("on", effort="low")),
        ({"reasoning": {"effort": "xhigh"}}, Reasoning("on", effort="xhigh")),
        ({"reasoning": {"effort": "max", "exclude": True}}, Reasoning("on", effort="max", show=False)),
        ({"reasoning": {"effort": "none"}}, OFF),
        ({"reasoning": {"max_tokens": 2000.0}}, Reasoning("on", 2000)),
        ({"reasoning": {"max_tokens": 0}}, OFF),
        ({"reasoning": {"exclude": True}}, Reasoning(show=False)),
        ({"reasoning": {}}, Reasoning()),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, Reasoning("on", 1024)),
        ({"thinking": {"type": "enabled"}}, Reasoning("on")),
        ({"thinking": {"type": "disabled"}}, OFF),
        ({"thinking": {"type": "adaptive"}}, Reasoning("auto")),
        (google(thinking_budget=100), Reasoning("on", 100)),
        ({"extra_body": google(thinking_budget=100, include_thoughts=True)}, Reasoning("on", 100)),
        (google(thinking_budget=0), OFF),
        (google(thinking_budget=-1, include_thoughts=False), Reasoning("auto", show=False)),
        (google(thinking_level="low"), Reasoning("on", effort="low")),
        (google(include_thoughts=True), Reasoning("on")),
        ({"google": {}}, Reasoning()),
        ({"extra_body": {}}, Reasoning()),
    ],
)
def test_reasoning_in_all_spellings(fields: dict[str, Any], meant: Reasoning) -> None:
    assert reasoning(given(**fields)) == meant


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"reasoning": {"max_tokens": -5}}, "reasoning.max_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1.5}}, "thinking.budget_tokens"),
        (google(thinking_budget=-2), "google.thinking_config.thinking_budget"),
    ],
)
def test_budgets_out_of_range_are_refused(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        reasoning(given(**fields))
    assert caught.value.param == param
