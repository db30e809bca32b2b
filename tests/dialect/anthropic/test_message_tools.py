"""Tools and tool choice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity_proxy.canonical.call import Call, FunctionDeclaration, ToolChoice
from antigravity_proxy.dialect.anthropic.request import decode_count
from antigravity_proxy.errors import BadRequest
from antigravity_proxy.generatecontent.schema import clean_parameters

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
OWN = {"name": "f", "description": "F", "input_schema": SCHEMA}
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}


def call(*tools: Any, **fields: Any) -> Call:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": tools, **fields}
    return decode_count(json.dumps(body).encode())


def refused(*tools: Any, **fields: Any) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        call(*tools, **fields)
    return caught.value


@pytest.mark.parametrize(
    ("tool", "declared"),
    [
        (OWN, FunctionDeclaration("f", "F", SCHEMA)),
        ({**OWN, "type": "custom", "strict": True, "cache_control": {}}, FunctionDeclaration("f", "F", SCHEMA)),
        ({**OWN, "type": None, "description": None}, FunctionDeclaration("f", "", SCHEMA)),
        ({"name": "f"}, FunctionDeclaration("f")),
        ({"name": "web_search", "input_schema": SCHEMA}, FunctionDeclaration("web_search", "", SCHEMA)),
    ],
)
def test_the_clients_own_tools(tool: Any, declared: FunctionDeclaration) -> None:
    found = call(tool)
    assert (found.tools, found.web_search) == ((declared,), False)


@pytest.mark.parametrize(
    ("kind", "name", "properties"),
    [
        ("bash_20250124", "bash", {"command", "restart"}),
        (
            "text_editor_20250728",
            "str_replace_based_edit_tool",
            {"command", "path", "old_str", "new_str", "insert_line", "insert_text", "file_text", "view_range"},
        ),
        ("text_editor_20250124", "str_replace_editor", {"command", "path", "view_range"}),
        ("memory_20250818", "memory", {"command", "path", "old_path", "new_path"}),
    ],
)
def test_client_tools_with_published_parameters(kind: str, name: str, properties: set[str]) -> None:
    (tool,) = call({"type": kind, "name": name}).tools
    assert tool.name == name
    assert tool.description
    assert properties <= tool.parameters["properties"].keys()
    cleaned, wrapped = clean_parameters(tool.parameters)
    assert cleaned["properties"].keys() == tool.parameters["properties"].keys()
    assert not wrapped


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "code_execution_20250825", "name": "code_execution"},
        {"type": "web_fetch_20250910", "name": "web_fetch"},
        {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"},
        {"type": "mcp_toolset", "mcp_server_name": "x"},
        {"type": "browser_toolset_20260801"},
        {"type": "something_new"},
    ],
)
def test_tools_that_would_run_elsewhere_are_dropped(tool: Any) -> None:
    found = call(tool, OWN, tool_choice={"type": "auto"})
    assert ([t.name for t in found.tools], found.web_search) == (["f"], False)


@pytest.mark.parametrize("kind", ["web_search_20250305", "web_search_20260209"])
def test_a_web_search(kind: str) -> None:
    found = call({**SEARCH, "type": kind})
    assert (found.tools, found.web_search) == ((), True)


@pytest.mark.parametrize("kind", ["computer_20250124", "computer_toolset_20260801"])
def test_computer_use_is_refused(kind: str) -> None:
    assert refused(OWN, {"type": kind, "name": "computer"}).param == "tools[1].type"


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ({"input_schema": SCHEMA}, "tools[0].name"),
        ({"type": "bash_20250124"}, "tools[0].name"),
        ({"name": 5}, "tools[0].name"),
        ({"name": "f", "input_schema": "x"}, "tools[0].input_schema"),
        ({"name": "f", "description": 5}, "tools[0].description"),
        ({"type": 5}, "tools[0].type"),
        ("f", "tools[0]"),
    ],
)
def test_wrong_tools_are_named(tool: Any, param: str) -> None:
    assert refused(tool).param == param


@pytest.mark.parametrize(
    ("choice", "expected", "parallel"),
    [
        (None, ToolChoice(), True),
        ({"type": "auto"}, ToolChoice(), True),
        ({"type": "auto", "disable_parallel_tool_use": True}, ToolChoice(), False),
        ({"type": "auto", "disable_parallel_tool_use": None}, ToolChoice(), True),
        ({"type": "any", "disable_parallel_tool_use": False}, ToolChoice("any"), True),
        ({"type": "any", "disable_parallel_tool_use": True}, ToolChoice("any"), False),
        ({"type": "tool", "name": "f"}, ToolChoice("any", ("f",)), True),
        ({"type": "tool", "name": "f", "disable_parallel_tool_use": True}, ToolChoice("any", ("f",)), False),
        ({"type": "tool", "name": "web_search"}, ToolChoice(), True),
        ({"type": "none"}, ToolChoice("none"), True),
    ],
)
def test_tool_choice(choice: Any, expected: ToolChoice, parallel: bool) -> None:
    found = call(OWN, SEARCH, tool_choice=choice)
    assert (found.tool_choice, found.parallel_tool_calls) == (expected, parallel)


@pytest.mark.parametrize(
    ("choice", "param"),
    [
        ({"type": "required"}, "tool_choice.type"),
        ({"type": "tool"}, "tool_choice"),
        ({"type": "auto", "disable_parallel_tool_use": "yes"}, "tool_choice.disable_parallel_tool_use"),
        ("auto", "tool_choice"),
    ],
)
def test_wrong_choices_are_named(choice: Any, param: str) -> None:
    assert refused(OWN, tool_choice=choice).param == param
