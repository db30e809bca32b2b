"""Chat tools and tool choice in all their forms (translation.md 2.3, 3.1). Pure."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from antigravity_proxy.canonical.call import FunctionDeclaration, ToolChoice
from antigravity_proxy.dialect.parse import convert
from antigravity_proxy.errors import BadRequest


class _Function(Struct):
    name: str
    description: str | None = None
    parameters: Any = None


class _Custom(Struct):
    name: str
    description: str | None = None
    format: Any = None


class Tool(Struct):
    """One declared tool. Kinds that mean nothing upstream are dropped."""

    type: str = "function"
    function: _Function | None = None
    custom: _Custom | None = None


class _Named(Struct):
    name: str


class _AllowedTool(Struct):
    function: _Named | None = None
    custom: _Named | None = None


class _Allowed(Struct):
    mode: str = "auto"
    tools: list[_AllowedTool] = []


class _Choice(Struct):
    type: str = "function"
    function: _Named | None = None
    custom: _Named | None = None
    allowed_tools: _Allowed | None = None


_WORDS: dict[str, ToolChoice] = {
    "auto": ToolChoice(),
    "none": ToolChoice("none"),
    "required": ToolChoice("any"),
}
#: a free-text tool takes one string
_INPUT = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}


def declared(
    tools: list[Tool] | None, functions: list[Any] | None
) -> tuple[tuple[FunctionDeclaration, ...], frozenset[str]]:
    """The declarations, and the names of free-text ("custom") tools among them. Raises BadRequest."""
    found: list[FunctionDeclaration] = []
    custom: set[str] = set()
    for i, tool in enumerate(tools or ()):
        if tool.type == "function":
            if tool.function is None:
                raise BadRequest("A function tool needs a function.", param=f"tools[{i}].function")
            found.append(_function(tool.function))
        elif tool.type == "custom" and tool.custom is not None:
            custom.add(tool.custom.name)
            found.append(FunctionDeclaration(tool.custom.name, _custom_description(tool.custom), _INPUT))
    for i, function in enumerate(functions or ()):
        found.append(_function(convert(function, _Function, f"functions[{i}]")))
    return tuple(found), frozenset(custom)


def tool_choice(choice: Any, function_call: Any) -> ToolChoice:
    """What the client wants called, from ``tool_choice`` or the legacy ``function_call``. Raises BadRequest."""
    if choice is None:
        return _legacy_choice(function_call)
    if isinstance(choice, str):
        if choice not in _WORDS:
            raise BadRequest("tool_choice must be auto, none, required, or an object.", param="tool_choice")
        return _WORDS[choice]
    wanted = convert(choice, _Choice, "tool_choice")
    if wanted.allowed_tools is not None:
        names = [tool.function or tool.custom for tool in wanted.allowed_tools.tools]
        required = wanted.allowed_tools.mode == "required"
        return ToolChoice("any" if required else "validated", tuple(name.name for name in names if name))
    named = wanted.function or wanted.custom
    if named is None:
        raise BadRequest("tool_choice names no function.", param="tool_choice.function")
    return ToolChoice("any", (named.name,))


def _legacy_choice(function_call: Any) -> ToolChoice:
    if function_call is None or function_call == "auto":
        return ToolChoice()
    if function_call == "none":
        return ToolChoice("none")
    return ToolChoice("any", (convert(function_call, _Named, "function_call").name,))


def _function(function: _Function) -> FunctionDeclaration:
    return FunctionDeclaration(function.name, function.description or "", function.parameters)


def _custom_description(tool: _Custom) -> str:
    """The description, with the grammar of the text that is wanted."""
    text = tool.description or ""
    if isinstance(tool.format, dict):
        grammar = tool.format.get("grammar", tool.format)
        definition = grammar.get("definition") if isinstance(grammar, dict) else None
        if isinstance(definition, str):
            text = f"{text}\nThe input follows this grammar:\n{definition}".strip()
    return text
