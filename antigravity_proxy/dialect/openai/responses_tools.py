"""Tools and tool choice of the Responses API, and the way back from a call's name to its item (translation.md 5). Pure.

A namespace's functions are declared under joined names. What has no meaning upstream is dropped: agents declare kinds
of tools that are not even named.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from antigravity_proxy.canonical.call import FunctionDeclaration, ToolChoice
from antigravity_proxy.dialect.openai.custom_tools import FREE_TEXT, with_grammar
from antigravity_proxy.dialect.parse import convert

LOCAL_SHELL = "local_shell"
_SHELL_PARAMETERS = {
    "type": "object",
    "properties": {
        "command": {"type": "array", "items": {"type": "string"}, "description": "The program and its arguments."},
        "timeout_ms": {"type": "integer"},
        "working_directory": {"type": "string"},
        "env": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "required": ["command"],
}


class _Kind(Struct):
    type: str | None = None


class _Function(Struct):
    name: str | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _Format(Struct):
    definition: str | None = None


class _Custom(Struct):
    name: str | None = None
    description: str | None = None
    format: _Format | None = None


class _Namespace(Struct):
    name: str | None = None
    tools: list[dict[str, Any]] | None = None


class _Named(Struct):
    type: str
    name: str | None = None
    namespace: str | None = None


class _Chosen(_Named):
    mode: Literal["auto", "required"] | None = None
    tools: list[_Named] | None = None


#: what ``tool_choice`` may be, apart from an object
ChoiceWord = Literal["auto", "none", "required"]


class Origin(Struct, frozen=True):
    """What a declared name was in the request: its own name, its namespace, its kind."""

    name: str
    namespace: str = ""
    kind: Literal["function", "custom", "local_shell"] = "function"


class Tools(Struct, frozen=True):
    """A request's tools. ``origins`` holds those that are not plain functions under their own names."""

    declared: tuple[FunctionDeclaration, ...] = ()
    origins: dict[str, Origin] = {}
    web_search: bool = False


def read_tools(tools: list[dict[str, Any]] | None) -> Tools:
    """The declarations; raises BadRequest for wrong types in the tools that are understood."""
    declared: dict[str, FunctionDeclaration] = {}
    origins: dict[str, Origin] = {}
    search = False
    for i, tool in enumerate(tools or ()):
        where = f"tools[{i}]"
        kind = _kind(tool, where)
        if kind == "namespace":
            space = convert(tool, _Namespace, where)
            for j, inner in enumerate(space.tools or ()):
                place = f"{where}.tools[{j}]"
                _declare(inner, _kind(inner, place), space.name or "", place, declared, origins)
        elif kind is not None and kind.startswith("web_search"):
            search = True
        else:
            _declare(tool, kind, "", where, declared, origins)
    return Tools(tuple(declared.values()), origins, search)


def joined(namespace: str | None, name: str) -> str:
    """The name under which a namespace's function is declared."""
    return f"{namespace}__{name}" if namespace else name


def tool_choice(choice: ChoiceWord | dict[str, Any] | None) -> ToolChoice:
    """What the client wants called; tools that are not named functions leave it to the model. Raises BadRequest."""
    match choice:
        case None | "auto":
            return ToolChoice()
        case "none":
            return ToolChoice("none")
        case "required":
            return ToolChoice("any")
    chosen = convert(choice, _Chosen, "tool_choice")
    some = chosen.type == "allowed_tools"
    names = tuple(filter(None, map(_name, (chosen.tools or ()) if some else (chosen,))))
    if not names:
        return ToolChoice()
    return ToolChoice("validated" if some and chosen.mode != "required" else "any", names)


def _name(chosen: _Named) -> str:
    """The name under which a chosen tool is declared; empty: it isn't a function."""
    if chosen.type in ("function", "custom"):
        return joined(chosen.namespace, chosen.name or "")
    return LOCAL_SHELL if chosen.type == LOCAL_SHELL else ""


def _is(value: Any, kind: type) -> bool:
    return value is None or isinstance(value, kind)


def _kind(tool: dict[str, Any], where: str) -> str | None:
    kind = tool.get("type")
    return kind if kind is None or isinstance(kind, str) else convert(tool, _Kind, where).type


def _declare(
    tool: dict[str, Any],
    kind: str | None,
    namespace: str,
    where: str,
    declared: dict[str, FunctionDeclaration],
    origins: dict[str, Origin],
) -> None:
    """Declares one tool, if it is of a kind that can be, and named; of a name twice the first counts."""
    match kind:
        case "function":
            own, told, parameters = tool.get("name"), tool.get("description"), tool.get("parameters")
            if not (_is(own, str) and _is(told, str) and _is(parameters, dict)):
                convert(tool, _Function, where)  # says what is wrong
            description = told or ""
        case "custom":
            custom = convert(tool, _Custom, where)
            grammar = custom.format.definition if custom.format is not None else None
            own, description, parameters = custom.name, with_grammar(custom.description, grammar), FREE_TEXT
        case "local_shell" if not namespace:
            own, description, parameters = LOCAL_SHELL, "Runs a command on the user's machine.", _SHELL_PARAMETERS
        case _:
            return
    name = joined(namespace, own or "")
    if own and name not in declared:
        declared[name] = FunctionDeclaration(name, description, parameters)
        if namespace or kind != "function":
            origins[name] = Origin(own, namespace, kind)
