"""Chat tools and tool choice in all their forms (translation.md 2.3, 3.1). Pure."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from antigravity_proxy.canonical.call import FunctionDeclaration, ToolChoice
from antigravity_proxy.dialect.limits import MAX_TOOLS, at_most
from antigravity_proxy.dialect.openai.custom_tools import FREE_TEXT, with_grammar
from antigravity_proxy.errors import BadRequest


class Function(Struct):
    """A declared function; ``parameters`` is a JSON Schema."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _Grammar(Struct):
    definition: str


class _Format(Struct):
    grammar: _Grammar | None = None


class _Custom(Struct):
    name: str
    description: str | None = None
    format: _Format | None = None


class Tool(Struct):
    """One declared tool. Kinds that mean nothing upstream are dropped."""

    type: str | None = None
    function: Function | None = None
    custom: _Custom | None = None


class Named(Struct):
    """A function by its name."""

    name: str


class _ChosenFunction(Struct, tag_field="type", tag="function"):
    function: Named


class _ChosenCustom(Struct, tag_field="type", tag="custom"):
    custom: Named


class _Allowed(Struct):
    tools: list[_ChosenFunction | _ChosenCustom]
    mode: Literal["auto", "required"] | None = None


class _ChosenSome(Struct, tag_field="type", tag="allowed_tools"):
    allowed_tools: _Allowed


#: what ``tool_choice`` may be
Choice = Literal["auto", "none", "required"] | _ChosenFunction | _ChosenCustom | _ChosenSome | None
#: what the legacy ``function_call`` may be
LegacyChoice = Literal["auto", "none"] | Named | None

#: one object for all requests without such tools
_NONE: frozenset[str] = frozenset()
#: what is declared by a request without tools
NO_TOOLS: tuple[tuple[FunctionDeclaration, ...], frozenset[str]] = (), _NONE


def declared(
    tools: list[Tool] | None, functions: list[Function] | None
) -> tuple[tuple[FunctionDeclaration, ...], frozenset[str]]:
    """The declarations, and the names of free-text ("custom") tools among them. Raises BadRequest."""
    if not tools and not functions:
        return NO_TOOLS
    at_most(MAX_TOOLS, "tools", "tools" if tools else "functions", len(tools or ()), len(functions or ()))
    found: list[FunctionDeclaration] = []
    custom: set[str] = set()
    for i, tool in enumerate(tools or ()):
        if tool.function is not None:
            found.append(_declaration(tool.function))
        elif tool.custom is not None:
            custom.add(tool.custom.name)
            found.append(FunctionDeclaration(tool.custom.name, _custom_description(tool.custom), FREE_TEXT))
        elif tool.type in (None, "function", "custom"):
            kind = tool.type or "function"
            raise BadRequest(f"A tool of this type needs {kind!r}.", param=f"tools[{i}].{kind}")
    found += map(_declaration, functions or ())
    return tuple(found), frozenset(custom) if custom else _NONE


def tool_choice(choice: Choice, function_call: LegacyChoice) -> ToolChoice:
    """The client's tool choice; the legacy field counts where the other is absent."""
    match choice if choice is not None else function_call:
        case None | "auto":
            return ToolChoice()
        case "none":
            return ToolChoice("none")
        case "required":
            return ToolChoice("any")
        case _ChosenSome(allowed_tools=allowed):
            mode: Literal["any", "validated"] = "any" if allowed.mode == "required" else "validated"
            return ToolChoice(mode, tuple(map(_name, allowed.tools)))
        case chosen:
            return ToolChoice("any", (_name(chosen),))


def _name(chosen: _ChosenFunction | _ChosenCustom | Named) -> str:
    if isinstance(chosen, Named):
        return chosen.name
    return chosen.function.name if isinstance(chosen, _ChosenFunction) else chosen.custom.name


def _declaration(function: Function) -> FunctionDeclaration:
    return FunctionDeclaration(function.name, function.description or "", function.parameters)


def _custom_description(tool: _Custom) -> str:
    grammar = tool.format.grammar if tool.format is not None else None
    return with_grammar(tool.description, grammar.definition if grammar is not None else None)
