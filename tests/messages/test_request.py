"""Calls of every dialect as Claude on Vertex takes them (official-upstreams.md 4)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from antigravity_proxy.canonical.call import (
    Call,
    FunctionDeclaration,
    OutputFormat,
    Reasoning,
    Sampling,
    ToolChoice,
)
from antigravity_proxy.canonical.content import Blob, Content, FileData, FunctionCall, FunctionResponse, Part
from antigravity_proxy.canonical.model_file import BUNDLED
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.wire import Beta, Quirk, is_lasting
from antigravity_proxy.errors import BadRequest
from antigravity_proxy.messages import manners
from antigravity_proxy.messages.request import prepare

SONNET = BUNDLED.official_model("claude-sonnet-4-6", "vertex")
NEWER = BUNDLED.official_model("claude-opus-4-8", "vertex")
NEWEST = BUNDLED.official_model("claude-opus-5-5", "vertex")
ASKED = (Content("user", (Part(text="Weather in Oslo?"),)),)
WEATHER = FunctionDeclaration(
    "weather", "now", {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
)


def call(contents: tuple[Content, ...] = ASKED, **more: Any) -> Call:
    return Call("claude-sonnet-4-6", contents, **more)


def body(asked: Call, model: Model = SONNET, *quirks: Quirk) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(prepare(asked, model, frozenset(quirks)).body)
    return found


def test_the_body_as_the_reference_has_it() -> None:
    asked = call(system=("Be brief.", " "), tools=(WEATHER,), sampling=Sampling(max_output_tokens=1024))
    assert body(asked) == {
        "anthropic_version": "vertex-2023-10-16",
        "max_tokens": 1024,
        "stream": True,
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Weather in Oslo?"}]}],
        "tools": [{"name": "weather", "description": "now", "input_schema": WEATHER.parameters}],
    }


def test_without_a_limit_it_is_the_models() -> None:
    assert body(call()) == {
        "anthropic_version": "vertex-2023-10-16",
        "max_tokens": SONNET.output,
        "stream": True,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Weather in Oslo?"}]}],
    }


def test_a_conversation_with_calls_results_and_thoughts() -> None:
    contents = (
        *ASKED,
        Content(
            "model",
            (
                Part(text="hm", thought=True, thought_signature="claude:c2ln"),
                Part(text="", thought=True, thought_signature="claude:redacted-thinking-ZGF0YQ=="),
                Part(function_call=FunctionCall("weather", Raw(b'{"city":"Oslo"}'), "t1")),
                Part(function_call=FunctionCall("weather", Raw(b'{"city":"Rome"}'), "t2")),
                Part(function_call=FunctionCall("weather", Raw(b'{"city":"Bonn"}'), "t3")),
            ),
        ),
        Content(
            "user",
            (
                Part(function_response=FunctionResponse("weather", Raw(b'{"output":"-3"}'), "t1")),
                Part(function_response=FunctionResponse("weather", Raw(b'{"error":{"code":7}}'), "t2")),
                Part(function_response=FunctionResponse("weather", Raw(b'{"c":1,"d":2}'), "t3")),
                Part(inline_data=Blob("image/png", "aWNv")),
                Part(inline_data=Blob("application/pdf", "cGRm")),
                Part(executable_code=Raw(b'{"code":"1"}')),
            ),
        ),
    )
    asked = call(contents, tools=(WEATHER,), reasoning=Reasoning("on", budget=2000))
    found = body(asked)
    assert found["thinking"] == {"type": "enabled", "budget_tokens": 2000}
    assert found["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "ZGF0YQ=="},
                {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Oslo"}},
                {"type": "tool_use", "id": "t2", "name": "weather", "input": {"city": "Rome"}},
                {"type": "tool_use", "id": "t3", "name": "weather", "input": {"city": "Bonn"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "-3"},
                {"type": "tool_result", "tool_use_id": "t2", "content": '{"code":7}', "is_error": True},
                {"type": "tool_result", "tool_use_id": "t3", "content": '{"c":1,"d":2}'},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aWNv"}},
                {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "cGRm"}},
                {"type": "text", "text": '{"code":"1"}'},
            ],
        },
    ]
    lost = body(asked, SONNET, Quirk.LOST_SIGNATURES)
    assert "thinking" not in lost
    assert [each["type"] for each in lost["messages"][1]["content"]] == ["tool_use"] * 3
    foreign = call((*ASKED, Content("model", contents[1].parts[2:3]), contents[2]), reasoning=Reasoning("auto"))
    assert "thinking" not in body(foreign)


@pytest.mark.parametrize(
    "part", [Part(inline_data=Blob("audio/wav", "AA==")), Part(file_data=FileData("gs://bucket/file"))]
)
def test_what_claude_cannot_read(part: Part) -> None:
    with pytest.raises(BadRequest):
        prepare(call((Content("user", (part,)),)), SONNET)


def test_a_schema_without_end_is_refused() -> None:
    deep: Any = {"type": "string"}
    for _ in range(200_000):
        deep = {"type": "object", "properties": {"a": deep}}
    with pytest.raises(BadRequest, match="nested"):
        prepare(call(tools=(FunctionDeclaration("f", "", deep),)), SONNET)


@pytest.mark.parametrize(
    ("choice", "parallel", "sent", "thinks"),
    [
        (ToolChoice(), True, None, True),
        (ToolChoice(), False, {"type": "auto", "disable_parallel_tool_use": True}, True),
        (ToolChoice("validated"), True, None, True),
        (ToolChoice("none"), False, {"type": "none"}, True),
        (ToolChoice("any"), True, {"type": "any"}, False),
        (
            ToolChoice("any", ("weather",)),
            False,
            {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
            False,
        ),
        (ToolChoice("any", ("weather", "time")), True, {"type": "any"}, False),
    ],
)
def test_tool_choice(choice: ToolChoice, parallel: bool, sent: dict[str, Any] | None, thinks: bool) -> None:
    tools = (WEATHER, FunctionDeclaration("time"), FunctionDeclaration("more"))
    asked = call(tools=tools, tool_choice=choice, parallel_tool_calls=parallel, reasoning=Reasoning("on", budget=2000))
    found = body(asked)
    assert found.get("tool_choice") == sent
    assert ("thinking" in found) is thinks
    names = [tool["name"] for tool in found["tools"]]
    assert names == (list(choice.names) or ["weather", "time", "more"])
    if choice.mode == "any":
        assert "tool_choice" not in body(asked, NEWEST) or not parallel


def test_names_and_arguments_find_their_way_back() -> None:
    from antigravity_proxy.canonical.chunk import Candidate, Chunk

    prepared = prepare(call(tools=(FunctionDeclaration("a.b", "", {"type": "string"}),)), SONNET)
    (tool,) = msgspec.json.decode(prepared.body)["tools"]
    assert tool["name"] == "a_b"
    assert tool["input_schema"]["properties"]["input"]["type"] == "string"
    answer = Chunk(
        (Candidate(content=Content("model", (Part(function_call=FunctionCall("a_b", Raw(b'{"input":{"c":1}}'))),))),)
    )
    raw = msgspec.json.encode(answer)
    restored = prepared.restore.fresh()(msgspec.structs.replace(answer, raw=raw))
    (part,) = restored.candidates[0].content.parts
    assert part.function_call == FunctionCall("a.b", Raw(b'{"c":1}'))


def test_a_search_is_anthropics_own() -> None:
    search = {"type": "web_search_20250305", "name": "web_search"}
    assert body(call(web_search=True))["tools"] == [search]
    assert body(call(web_search=True, tools=(WEATHER,)))["tools"][1:] == [search]
    assert "tools" not in body(call(web_search=True, tool_choice=ToolChoice("none")))


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (OutputFormat("json"), "one JSON value"),
        (OutputFormat("schema", {"type": "object"}), '{"type":"object"}'),
        (OutputFormat("enum", {"enum": ["a"]}), '["a"]'),
    ],
)
def test_the_form_of_the_answer_is_told_in_words(output: OutputFormat, words: str) -> None:
    assert words in body(call(output=output))["system"][0]["text"]


@pytest.mark.parametrize(
    ("reasoning", "model", "sent"),
    [
        (Reasoning(), SONNET, {}),
        (Reasoning("off"), SONNET, {}),
        (Reasoning("on", effort="low"), SONNET, {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        (Reasoning("on", effort="low"), NEWER, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
        (Reasoning("auto"), NEWEST, {"thinking": {"type": "adaptive"}}),
    ],
)
def test_thinking(reasoning: Reasoning, model: Model, sent: dict[str, Any]) -> None:
    found = body(call(reasoning=reasoning), model)
    assert {name: found[name] for name in ("thinking", "output_config") if name in found} == sent
    if sent:
        assert body(call(reasoning=reasoning), model, Quirk.PLAIN_THINKING)["thinking"] == {"type": "adaptive"}


def test_sampling_as_the_model_takes_it() -> None:
    sampling = Sampling(temperature=1.7, top_p=0.5, top_k=3, stop_sequences=("a", "  ", "b"))
    found = body(call(sampling=sampling))
    assert (found["temperature"], found.get("top_p"), found["top_k"]) == (1.0, None, 3)
    assert found["stop_sequences"] == ["a", "b"]
    for refused in (body(call(sampling=sampling), NEWER), body(call(sampling=sampling), SONNET, Quirk.NO_SAMPLING)):
        assert not {"temperature", "top_p", "top_k"} & refused.keys()
    assert "stop_sequences" not in body(call(sampling=sampling), SONNET, Quirk.NO_STOP_SEQUENCES)


def test_what_is_counted() -> None:
    asked = call(system=("Be brief.",), tools=(WEATHER,), tool_choice=ToolChoice("any"), stream=True)
    assert msgspec.json.decode(
        prepare(asked, BUNDLED.official_model("claude-haiku-4-5@20251001", "vertex")).count_body
    ) == {
        "anthropic_version": "vertex-2023-10-16",
        "model": "claude-haiku-4-5",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Weather in Oslo?"}]}],
        "system": [{"type": "text", "text": "Be brief."}],
        "tools": [{"name": "weather", "description": "now", "input_schema": WEATHER.parameters}],
        "tool_choice": {"type": "any"},
    }


@pytest.mark.parametrize(
    ("identity", "adaptive"),
    [
        ("claude-opus-4-6", False),
        ("claude-opus-4-7", True),
        ("claude-opus-4-10", True),
        ("claude-opus-4-20250514", False),
        ("claude-opus-4@20250514", False),
        ("claude-sonnet-4-5@20250929", False),
        ("claude-sonnet-5", True),
        ("claude-haiku-5-5", True),
        ("claude-3-5-sonnet@20241022", False),
    ],
)
def test_the_newer_models(identity: str, adaptive: bool) -> None:
    model = BUNDLED.official_model(identity, "vertex")
    assert manners.is_adaptive(model, frozenset()) is adaptive
    assert manners.takes_sampling(model, frozenset()) is not adaptive


@pytest.mark.parametrize(
    ("message", "quirk", "lasting"),
    [
        ("Unexpected value(s) for the anthropic-beta header", Quirk.NO_BETAS, False),
        ("messages.1.content.0: Invalid `signature` in `thinking` block", Quirk.LOST_SIGNATURES, False),
        ("Expected `thinking` or `redacted_thinking`, but found `tool_use`", Quirk.LOST_SIGNATURES, False),
        (
            '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive"',
            Quirk.PLAIN_THINKING,
            False,
        ),
        ("`temperature` is not supported for this model", Quirk.NO_SAMPLING, True),
        ("stop_sequences: each stop sequence must contain non-whitespace", Quirk.NO_STOP_SEQUENCES, False),
        ("This model does not support assistant message prefill", Quirk.NO_PREFILL, True),
        ("max_tokens: 99999 > 64000", None, False),
    ],
)
def test_what_cures_a_refusal(message: str, quirk: Quirk | None, lasting: bool) -> None:
    assert manners.fixes_for(message) == (frozenset() if quirk is None else {quirk})
    assert quirk is None or is_lasting(quirk, message) is lasting


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("`x-2026`", {"x-2026"}),
        ("`x-2026`, `y_1.b`", {"x-2026", "y_1.b"}),
        ("'x-2026, y'", {"x-2026", "y"}),
        ('"x-2026"', {"x-2026"}),
        ("`no beta`, `x-2026`", {"x-2026"}),
        ("that this model doesn't know, `x-2026`,", {"x-2026"}),
        ("x-2026-01-01, y-2025-12-31", {"x-2026-01-01", "y-2025-12-31"}),
    ],
)
def test_of_betas_those_alone_go_that_are_named(named: str, expected: set[str]) -> None:
    fixes = manners.fixes_for(f"Unexpected value(s) {named} for the `anthropic-beta` header.")
    assert fixes == {Beta(name) for name in expected}
    assert all(is_lasting(fix, "") and fix.value == "anthropic-beta" for fix in fixes)
    assert len(manners.fixes_for("anthropic-beta: " + ", ".join(f"`b{i}`" for i in range(99)))) == manners.MAX_BETAS
