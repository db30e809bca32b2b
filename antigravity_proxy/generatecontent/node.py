"""One plain node of a JSON Schema, and what it is made of. Pure data (translation.md 2.4)."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

ANYTHING = "any JSON value"
#: keywords that give a schema its type
SHAPING = frozenset({"type", "properties", "items", "prefixItems", "enum", "const", "anyOf", "oneOf", "allOf", "$ref"})
_TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})

Schema = dict[str, Any]
Refs = tuple[str, ...]


class At(Struct, frozen=True, gc=False):
    """A schema of the document, and the references that lead to it."""

    value: Any
    refs: Refs = ()


class Many(Struct, frozen=True):
    """Several schemas that hold together, or of which any one does."""

    how: Literal["all", "any"]
    members: tuple[Source, ...]


Source = At | Many


class Flat:
    """A plain node. ``words`` are its keywords but for those that hold schemas, which have fields of their own.

    ``properties`` has for each name what holds together for it. ``unions`` are alternatives that are not united yet,
    a list for each ``anyOf`` or ``oneOf``. ``cycle`` is the reference of a node that occurs within itself;
    ``unfollowed`` that of any node which isn't followed, None for a node that is whole.
    """

    __slots__ = (
        "cycle",
        "hints",
        "items",
        "more",
        "nullable",
        "prefix",
        "properties",
        "required",
        "unfollowed",
        "unions",
        "words",
    )

    def __init__(self, words: Schema | None = None, cycle: str = "") -> None:
        self.words: Schema = words or {}
        self.properties: dict[str, list[Source]] | None = None
        self.required: dict[str, None] = {}
        self.items: list[Source] | None = None
        self.prefix: list[Source] | None = None
        self.more: Source | bool | None = None
        self.nullable = False
        self.unions: list[list[Flat]] = []
        self.hints: list[str] = []
        self.cycle = cycle
        self.unfollowed: str | None = None

    @property
    def is_shaped(self) -> bool:
        """Whether it says of which type a value is."""
        return bool(
            self.properties is not None
            or self.items is not None
            or self.prefix is not None
            or self.cycle
            or self.words.keys() & SHAPING
        )

    @property
    def is_null(self) -> bool:
        """Whether only null fits."""
        words = self.words
        return words.get("type") == "null" or words.get("enum") == [None] or words.get("const", 0) is None

    @property
    def takes_null(self) -> bool:
        """Whether null fits besides."""
        words, kinds = self.words, self.words.get("type")
        values = words.get("enum")
        return (
            self.nullable
            or words.get("nullable") is True
            or (isinstance(kinds, list) and "null" in kinds)
            or (isinstance(values, list) and None in values)
        )

    @property
    def literals(self) -> list[str]:
        """The texts of a node that is nothing but string constants; none otherwise."""
        words = self.words
        values = [words["const"]] if "const" in words else words.get("enum")
        return values if isinstance(values, list) and all(map(is_text, values)) else []


def kind(flat: Flat, hints: list[str]) -> tuple[str, bool]:
    """A plain node's one type, and whether it may be null."""
    words = flat.words
    named = words.get("type")
    if isinstance(named, str) and named in _TYPES and named != "null":  # as almost all are
        return named, False
    names = [name.lower() for name in (named if isinstance(named, list) else [named]) if isinstance(name, str)]
    names = [name for name in names if name in _TYPES]
    some = [name for name in names if name != "null"]
    nullable = len(some) < len(names)
    if len(some) > 1:
        hints.append(f"accepts: {' or '.join(some)}")
    if some:
        return some[0], nullable
    if nullable:
        return "string", True
    if flat.properties is not None or isinstance(flat.more, At | Many):
        return "object", False
    if flat.items is not None or flat.prefix is not None:
        return "array", False
    if "const" in words:
        return _kind_of([words["const"]]), False
    if isinstance(words.get("enum"), list):
        return _kind_of(words["enum"]), False
    hints.append(ANYTHING)
    return "string", False


def kinds(flat: Flat) -> list[str]:
    """All types that a plain node takes besides null, its one type first."""
    first, _ = kind(flat, [])
    named = flat.words.get("type")
    names = [name.lower() for name in named if isinstance(name, str)] if isinstance(named, list) else []
    return list(dict.fromkeys([first, *(name for name in names if name in _TYPES and name != "null")]))


def is_text(value: Any) -> bool:
    """Whether a value is a string."""
    return isinstance(value, str)


def one(how: Literal["all", "any"], sources: list[Source]) -> Source:
    """Several schemas as one."""
    return sources[0] if len(sources) == 1 else Many(how, tuple(sources))


def _kind_of(values: list[Any]) -> str:
    """The type of an enumeration's values."""
    some = [value for value in values if value is not None]
    numbers = [value for value in some if isinstance(value, int | float) and not isinstance(value, bool)]
    if some and all(isinstance(value, bool) for value in some):
        return "boolean"
    if some and len(numbers) == len(some):
        return "integer" if all(isinstance(value, int) for value in numbers) else "number"
    return "string"
