"""Tools and tool choice of the Responses API, and the way back from a call's name to its item (translation.md 5). Pure.

A namespace's functions are declared under joined names. Fields without a meaning upstream are dropped: agents declare
kinds of tools that are not even named.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from msgspec import Struct

from antigravity_proxy.canonical.call import FunctionDeclaration, ToolChoice
from antigravity_proxy.dialect.openai.custom_tools import FREE_TEXT, with_grammar
from antigravity_proxy.dialect.parse import convert

LOCAL_SHELL = "local_shell"
SHELL = "shell"
APPLY_PATCH = "apply_patch"
TOOL_SEARCH = "tool_search"
_LOCAL_SHELL_PARAMETERS = {
    "type": "object",
    "properties": {
        "command": {"type": "array", "items": {"type": "string"}, "description": "The program and its arguments."},
        "timeout_ms": {"type": "integer"},
        "working_directory": {"type": "string"},
        "env": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "required": ["command"],
}
_SHELL_PARAMETERS = {
    "type": "object",
    "properties": {
        "commands": {"type": "array", "items": {"type": "string"}, "description": "Shell commands, run in order."},
        "timeout_ms": {"type": "integer"},
        "max_output_length": {"type": "integer", "description": "Characters of output that are wanted at most."},
    },
    "required": ["commands"],
}
_APPLY_PATCH = (
    "Creates, changes or deletes one file of the user's. A diff is a V4A diff of that file's content: for a new file "
    "each line with + before it; for a change, hunks that begin with a line @@ (or @@ and a line to find), each line "
    "with a space (context), - (removed) or + (added) before it."
)
_APPLY_PATCH_PARAMETERS = {
    "type": "object",
    "properties": {
        "type": {"type": "string", "enum": ["create_file", "update_file", "delete_file"]},
        "path": {"type": "string", "description": "The file, relative to the workspace."},
        "diff": {"type": "string", "description": "Not for delete_file."},
    },
    "required": ["type", "path"],
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


class _ToolSearch(Struct):
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _Environment(Struct):
    type: str | None = None


class _Shell(Struct):
    environment: _Environment | None = None

    @property
    def is_the_clients(self) -> bool:
        """Whether the client runs the commands, not a container at OpenAI."""
        return self.environment is None or self.environment.type in (None, "local")


class _Named(Struct):
    type: str
    name: str | None = None
    namespace: str | None = None


class _Chosen(_Named):
    mode: Literal["auto", "required"] | None = None
    tools: list[_Named] | None = None


#: what ``tool_choice`` may be, apart from an object
ChoiceWord = Literal["auto", "none", "required"]


ToolKind = Literal["function", "custom", "local_shell", "shell", "apply_patch", "tool_search"]


class Origin(Struct, frozen=True):
    """A declared name's origin in the request: its own name, its namespace, its kind."""

    name: str
    namespace: str = ""
    kind: ToolKind = "function"


class Tools(Struct, frozen=True):
    """A request's tools. ``origins`` holds those that are not plain functions under their own names."""

    declared: tuple[FunctionDeclaration, ...] = ()
    origins: dict[str, Origin] = {}
    web_search: bool = False


#: reads a list of tools
tool_list = msgspec.json.Decoder(list[dict[str, Any]] | None)


def read_tools(*lists: tuple[str, list[dict[str, Any]] | None]) -> Tools:
    """The declarations in these lists, each with its place in the body; of a name twice the first counts.

    Raises BadRequest for wrong types in the tools that are understood.
    """
    declared: dict[str, FunctionDeclaration] = {}
    origins: dict[str, Origin] = {}
    search = False
    for place, tools in lists:
        for tool, kind, namespace, where in _each(tools, place):
            if kind is not None and kind.startswith("web_search") and not namespace:
                search = True
            else:
                _declare(tool, kind, namespace, where, declared, origins)
    return Tools(tuple(declared.values()), origins, search)


def names_of(tools: list[dict[str, Any]] | None, place: str) -> list[str]:
    """The names under which these tools are declared; raises BadRequest as ``read_tools``."""
    return [tool.name for tool in read_tools((place, tools)).declared]


def _each(tools: list[dict[str, Any]] | None, place: str) -> Iterator[tuple[dict[str, Any], str | None, str, str]]:
    """Each tool with its kind, its namespace and its place; those of a namespace one by one."""
    for i, tool in enumerate(tools or ()):
        where = f"{place}[{i}]"
        kind = _kind(tool, where)
        if kind != "namespace":
            yield tool, kind, "", where
            continue
        space = convert(tool, _Namespace, where)
        for j, inner in enumerate(space.tools or ()):
            within = f"{where}.tools[{j}]"
            yield inner, _kind(inner, within), space.name or "", within


def joined(namespace: str | None, name: str) -> str:
    """The name under which a namespace's function is declared."""
    return f"{namespace}__{name}" if namespace else name


def tool_choice(choice: ChoiceWord | dict[str, Any] | None) -> ToolChoice:
    """The client's tool choice; tools that are not named functions leave it to the model. Raises BadRequest."""
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
    return chosen.type if chosen.type in (LOCAL_SHELL, SHELL, APPLY_PATCH, TOOL_SEARCH) else ""


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
            nested = tool.get("function")
            if isinstance(nested, dict) and "name" not in tool:  # as in chat
                tool, where = nested, f"{where}.function"
            own, told, parameters = tool.get("name"), tool.get("description"), tool.get("parameters")
            if not (_is(own, str) and _is(told, str) and _is(parameters, dict)):
                convert(tool, _Function, where)  # says what is wrong
            description = told or ""
        case "custom":
            custom = convert(tool, _Custom, where)
            grammar = custom.format.definition if custom.format is not None else None
            own, description, parameters = custom.name, with_grammar(custom.description, grammar), FREE_TEXT
        case "tool_search" if not namespace and tool.get("execution") == "client":
            search = convert(tool, _ToolSearch, where)
            own, description, parameters = TOOL_SEARCH, search.description or "Finds tools to call.", search.parameters
        case "shell" if not namespace and convert(tool, _Shell, where).is_the_clients:
            own, description, parameters = SHELL, "Runs commands on the user's machine.", _SHELL_PARAMETERS
        case "local_shell" if not namespace:
            own, description, parameters = LOCAL_SHELL, "Runs a command on the user's machine.", _LOCAL_SHELL_PARAMETERS
        case "apply_patch" if not namespace:
            own, description, parameters = APPLY_PATCH, _APPLY_PATCH, _APPLY_PATCH_PARAMETERS
        case _:
            return
    name = joined(namespace, own or "")
    if own and name not in declared:
        declared[name] = FunctionDeclaration(name, description, parameters)
        if namespace or kind != "function":
            origins[name] = Origin(own, namespace, kind)
