"""Tools and tool choice (translation.md 2.3, 2.8, 8.1). Pure."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from antigravity_proxy.canonical.call import FunctionDeclaration, ToolChoice
from antigravity_proxy.dialect.limits import MAX_TOOLS, at_most
from antigravity_proxy.errors import BadRequest


class Tool(Struct):
    """One declared tool. Without a type, or with ``custom``, it is the client's own."""

    type: str | None = None
    name: str | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None


class _Auto(Struct, tag_field="type", tag="auto"):
    disable_parallel_tool_use: bool | None = None


class _Any(Struct, tag_field="type", tag="any"):
    disable_parallel_tool_use: bool | None = None


class _Named(Struct, tag_field="type", tag="tool"):
    name: str
    disable_parallel_tool_use: bool | None = None


class _None(Struct, tag_field="type", tag="none"):
    disable_parallel_tool_use: bool | None = None


#: what ``tool_choice`` may be
Choice = _Auto | _Any | _Named | _None | None


class Declared(Struct, frozen=True):
    """The declarations for upstream. ``elsewhere``: names of tools that Anthropic's servers would run."""

    functions: tuple[FunctionDeclaration, ...] = ()
    web_search: bool = False
    elsewhere: frozenset[str] = frozenset()


_NOTHING = Declared()
_AUTO = ToolChoice()


def _object(required: tuple[str, ...], **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


_RANGE = {"type": "array", "items": {"type": "integer"}, "description": "First and last line to view, from 1."}
_EDIT: dict[str, Any] = {
    "path": {"type": "string", "description": "Absolute path of the file or directory."},
    "old_str": {"type": "string", "description": "For str_replace: the text to replace; it must occur once."},
    "new_str": {"type": "string", "description": "For str_replace: the text that replaces it."},
    "insert_line": {"type": "integer", "description": "For insert: the line after which to insert; 0: at the begin."},
    "insert_text": {"type": "string", "description": "For insert: the text to insert."},
    "file_text": {"type": "string", "description": "For create: the content of the file."},
    "view_range": _RANGE,
}

#: tools that the client runs under parameters that Anthropic publishes, by the beginning of their type
_PUBLISHED: dict[str, tuple[str, dict[str, Any]]] = {
    "bash_": (
        "Runs a command in a persistent shell.",
        _object(
            (),
            command={"type": "string", "description": "The command to run."},
            restart={"type": "boolean", "description": "True: restart the shell instead."},
        ),
    ),
    "text_editor_": (
        "Views, creates and edits files.",
        _object(
            ("command", "path"),
            command={"type": "string", "enum": ["view", "create", "str_replace", "insert"]},
            **_EDIT,
        ),
    ),
    "memory_": (
        "Reads and writes the files of the memory directory, /memories.",
        _object(
            ("command",),
            command={"type": "string", "enum": ["view", "create", "str_replace", "insert", "delete", "rename"]},
            old_path={"type": "string", "description": "For rename: the path now."},
            new_path={"type": "string", "description": "For rename: the path afterwards."},
            **_EDIT,
        ),
    ),
}


def declared(tools: list[Tool] | None) -> Declared:
    """The functions, and whether a web search is wanted; other tools of servers are dropped. Raises BadRequest."""
    if not tools:
        return _NOTHING
    at_most(MAX_TOOLS, "tools", "tools", len(tools))
    functions: list[FunctionDeclaration] = []
    elsewhere: set[str] = set()
    search = False
    for i, tool in enumerate(tools):
        kind = tool.type or "custom"
        if kind == "custom":
            functions.append(FunctionDeclaration(_name(tool, i), tool.description or "", tool.input_schema))
        elif kind.startswith("computer_"):
            raise BadRequest("The computer use tool is not supported.", param=f"tools[{i}].type")
        elif published := next((_PUBLISHED[begin] for begin in _PUBLISHED if kind.startswith(begin)), None):
            functions.append(FunctionDeclaration(_name(tool, i), *published))
        else:
            search = search or kind.startswith("web_search_")
            elsewhere.add(tool.name or "")
    return Declared(tuple(functions), search, frozenset(elsewhere))


def tool_choice(choice: Choice, tools: Declared) -> ToolChoice:
    """The client's tool choice. A tool that runs elsewhere can't be forced: the model decides."""
    if choice is None:
        return _AUTO
    match choice:
        case _None():
            return ToolChoice("none")
        case _Any():
            return ToolChoice("any")
        case _Named(name=name) if name not in tools.elsewhere:
            return ToolChoice("any", (name,))
        case _:
            return _AUTO


def in_parallel(choice: Choice) -> bool:
    """Whether several calls may come in one answer."""
    return choice is None or choice.disable_parallel_tool_use is not True


def _name(tool: Tool, index: int) -> str:
    if tool.name is None:
        raise BadRequest("A tool needs a name.", param=f"tools[{index}].name")
    return tool.name
