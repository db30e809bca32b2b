"""Declarations and the choice among them."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest
from support.agent_tools import agent_tools
from support.models import MODELS

from antigravity_proxy.canonical.call import Call, FunctionDeclaration, ToolChoice
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.errors import BadRequest
from antigravity_proxy.generatecontent import tools
from antigravity_proxy.generatecontent.names import NameMap
from antigravity_proxy.generatecontent.tools import calling_config, declarations

GEMINI, CLAUDE = MODELS["gemini-3-flash"], MODELS["claude-sonnet-4-6"]
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "propertyOrdering": ["city"]}


def declared(*functions: FunctionDeclaration, target: Model = GEMINI) -> tuple[Any, frozenset[str]]:
    call = Call("m", (), tools=functions)
    found, wrapped = declarations(call, target, NameMap(f.name for f in functions))
    return msgspec.json.decode(msgspec.json.encode(found)), wrapped


def test_declarations_keep_their_order_and_the_first_of_a_name_counts() -> None:
    found, wrapped = declared(
        FunctionDeclaration("b", "B", CITY), FunctionDeclaration("a"), FunctionDeclaration("b", "another")
    )
    assert found == [{"name": "b", "description": "B", "parameters": CITY}, {"name": "a"}]
    assert wrapped == frozenset()


@pytest.mark.parametrize(
    "parameters", [None, {}, {"type": "object"}, {"type": "object", "properties": {}, "description": "d"}]
)
def test_no_parameters_are_left_out_but_claude_wants_an_object(parameters: Any) -> None:
    function = FunctionDeclaration("f", "", parameters)
    assert declared(function)[0] == [{"name": "f"}]
    assert declared(function, target=CLAUDE)[0] == [{"name": "f", "parameters": {"type": "object", "properties": {}}}]


def test_claude_gets_no_order_of_properties() -> None:
    assert "propertyOrdering" not in declared(FunctionDeclaration("f", "", CITY), target=CLAUDE)[0][0]["parameters"]


def test_parameters_that_are_no_object_are_wrapped() -> None:
    found, wrapped = declared(FunctionDeclaration("a b", "", {"type": "array"}))
    assert wrapped == {"a b"}
    assert found[0]["name"] == "a_b"
    assert found[0]["parameters"]["required"] == ["input"]


def test_upstream_takes_so_many() -> None:
    assert len(declared(*(FunctionDeclaration(f"f{i}") for i in range(600)))[0]) == tools.MAX_DECLARATIONS


@pytest.mark.parametrize(
    ("choice", "gemini", "claude"),
    [
        (ToolChoice(), None, ("VALIDATED", ())),
        (ToolChoice("none"), ("NONE", ()), ("NONE", ())),
        (ToolChoice("any"), ("ANY", ()), ("ANY", ())),
        (ToolChoice("any", ("a b",)), ("ANY", ("a_b",)), ("ANY", ("a_b",))),
        (ToolChoice("validated", ("a b", "c")), ("VALIDATED", ("a_b", "c")), ("VALIDATED", ("a_b", "c"))),
        (ToolChoice("none", ("c",)), ("NONE", ()), ("NONE", ())),
    ],
)
def test_the_choice_becomes(choice: ToolChoice, gemini: Any, claude: Any) -> None:
    names = NameMap(["a b", "c"])
    for target, expected in ((GEMINI, gemini), (CLAUDE, claude)):
        found = calling_config(choice, target, names, {"a b", "c"})
        assert (None if found is None else (found.mode, found.allowed_function_names)) == expected


def test_a_choice_of_what_is_not_declared_is_refused() -> None:
    with pytest.raises(BadRequest, match="not declared: x") as caught:
        calling_config(ToolChoice("any", ("x",)), GEMINI, NameMap(()), {"y"})
    assert caught.value.param == "tool_choice"


def test_the_tools_of_an_agent_cost_next_to_nothing() -> None:
    told = agent_tools()
    functions = [FunctionDeclaration(tool["name"], tool["description"], tool["input_schema"]) for tool in told]
    assert len(msgspec.json.encode(told)) > 80_000
    call, names = Call("m", (), tools=tuple(functions)), NameMap(function.name for function in functions)
    found, _ = declarations(call, GEMINI, names)
    assert all(tool.parameters for tool in found)

    def seconds() -> float:
        began = time.process_time()
        declarations(call, GEMINI, names)
        return time.process_time() - began

    assert min(seconds() for _ in range(10)) < 0.002


def test_a_schema_is_cleaned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    cleaned = []

    def clean(schema: Any, *, ordering: bool) -> Any:
        cleaned.append((schema["properties"]["p"]["pattern"], ordering))
        return {"type": "object", "properties": {}}, False

    monkeypatch.setattr(tools, "clean_parameters", clean)
    cache = tools._Cleaned(limit=1000)
    schemas = [{"properties": {"p": {"pattern": c * 200}}} for c in "abcd"]
    for i in (0, 1, 0, 2, 0, 1):
        cache.get(schemas[i], True)
    assert [pattern[0] for pattern, _ in cleaned] == ["a", "b", "c"]
    cache.get(schemas[3], True)  # the one not used for longest goes: c
    for i in (0, 1, 3, 2):
        cache.get(schemas[i], True)
    assert [pattern[0] for pattern, _ in cleaned] == ["a", "b", "c", "d", "c"]
    cache.get(schemas[2], False)
    assert cleaned[-1][1] is False
    cache.get({"properties": {"p": {"pattern": "x" * 2000}}}, True)  # too large to be kept
    assert cache._known == {}
    assert cache._size == 0
