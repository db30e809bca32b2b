"""Chat tools and tool choice."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from antigravity_proxy.canonical.call import FunctionDeclaration, ToolChoice
from antigravity_proxy.dialect.openai.chat_tools import Choice, Function, LegacyChoice, Tool, declared, tool_choice
from antigravity_proxy.errors import BadRequest

FREE_TEXT = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}


def tools(*given: dict[str, Any]) -> tuple[tuple[FunctionDeclaration, ...], frozenset[str]]:
    return declared(msgspec.convert(list(given), list[Tool]), None)


def choice(given: Any, legacy: Any = None) -> ToolChoice:
    return tool_choice(msgspec.convert(given, Choice), msgspec.convert(legacy, LegacyChoice))


def test_functions_keep_their_order_and_their_schema_untouched() -> None:
    schema = {"type": "object", "additionalProperties": False, "properties": {"a": {"$ref": "#/x"}}}
    found, custom = tools(
        {"type": "function", "function": {"name": "b", "description": "d", "parameters": schema, "strict": True}},
        {"function": {"name": "a", "description": None, "parameters": None}},
    )
    assert found == (FunctionDeclaration("b", "d", schema), FunctionDeclaration("a"))
    assert custom == frozenset()


def test_legacy_functions_are_declared_too() -> None:
    functions = [Function("f", "d", {"type": "object"})]
    assert declared(None, functions)[0] == (FunctionDeclaration("f", "d", {"type": "object"}),)


def test_nothing_declared() -> None:
    assert declared(None, None) == ((), frozenset())


@pytest.mark.parametrize(
    ("custom", "description"),
    [
        ({}, ""),
        ({"description": "d"}, "d"),
        ({"description": "d", "format": {"type": "text"}}, "d"),
        (
            {"description": "d", "format": {"type": "grammar", "grammar": {"definition": "start: x"}}},
            "d\nThe input follows this grammar:\nstart: x",
        ),
        ({"format": {"grammar": {"definition": "start: x"}}}, "The input follows this grammar:\nstart: x"),
    ],
)
def test_a_free_text_tool_is_a_function_of_one_string(custom: dict[str, Any], description: str) -> None:
    found, names = tools({"type": "custom", "custom": {"name": "patch", **custom}})
    assert found == (FunctionDeclaration("patch", description, FREE_TEXT),)
    assert names == {"patch"}


def test_kinds_of_tools_that_mean_nothing_upstream_are_dropped() -> None:
    assert tools({"type": "web_search"}, {"type": "tool_search", "parameters": {}}) == ((), frozenset())


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ({"type": "function"}, "tools[0].function"),
        ({}, "tools[0].function"),
        ({"type": "custom"}, "tools[0].custom"),
    ],
)
def test_a_tool_without_its_declaration_is_refused(tool: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        tools(tool)
    assert caught.value.param == param


F, P = {"type": "function", "function": {"name": "f"}}, {"type": "custom", "custom": {"name": "p"}}


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (None, ToolChoice()),
        ("auto", ToolChoice()),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("any")),
        (F, ToolChoice("any", ("f",))),
        (P, ToolChoice("any", ("p",))),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [F, P]}},
            ToolChoice("validated", ("f", "p")),
        ),
        ({"type": "allowed_tools", "allowed_tools": {"tools": [F]}}, ToolChoice("validated", ("f",))),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [F]}}, ToolChoice("any", ("f",))),
    ],
)
def test_tool_choice_in_all_forms(given: Any, meant: ToolChoice) -> None:
    assert choice(given) == meant


@pytest.mark.parametrize(
    ("given", "meant"),
    [("auto", ToolChoice()), ("none", ToolChoice("none")), ({"name": "f"}, ToolChoice("any", ("f",)))],
)
def test_the_legacy_choice_counts_where_there_is_no_other(given: Any, meant: ToolChoice) -> None:
    assert choice(None, given) == meant
    assert choice("required", given) == ToolChoice("any")
