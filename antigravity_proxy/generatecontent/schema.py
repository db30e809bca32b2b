"""Brings JSON Schema of any draft down to what upstream knows. Pure, total, bounded (translation.md 2.4, 2.5).

Only schema positions are touched: a property that is named like a keyword is data and stays. What can't be expressed in
the subset becomes a hint in the description.
"""

from __future__ import annotations

import re
from typing import Any

from antigravity_proxy.generatecontent.flatten import Flattener
from antigravity_proxy.generatecontent.node import (
    ANYTHING,
    SHAPING,
    At,
    Flat,
    Many,
    Schema,
    Source,
    is_text,
    kind,
    one,
)

MAX_HINT = 300

_NO_NAME = re.compile(r"[^A-Za-z0-9_]+")
#: characters of a definition's name
_MAX_NAME = 40
#: constraints that become hints
_CONSTRAINTS = (
    "pattern", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "format",
)  # fmt: skip
_CONSTRAINING = frozenset({*_CONSTRAINTS, "not"})
#: of these, the ones that a response schema may keep
_KEPT_IN_RESPONSES = {"minItems": int, "maxItems": int, "minimum": int | float, "maximum": int | float, "format": str}


def clean_parameters(schema: Any, *, ordering: bool = True) -> tuple[Schema, bool]:
    """A tool's parameters as upstream takes them, and whether they had to be wrapped.

    A root that is not an object becomes ``{"input": …}``; calls are then unwrapped. ``ordering``: may
    ``propertyOrdering`` be kept. Never raises; the input is not changed.
    """
    if isinstance(schema, dict) and not schema.keys() & SHAPING:
        schema = {**schema, "type": "object"}
    cleaned = _Cleaner(schema, ordering=ordering).whole(schema)
    if cleaned["type"] != "object":
        return {"type": "object", "properties": {"input": cleaned}, "required": ["input"]}, True
    return cleaned, False


def clean_response(schema: Any, *, short: bool = False) -> Schema:
    """A response schema; ``short``: by the short list of keywords that every model takes."""
    return _Cleaner(schema, ordering=not short, response=not short).whole(schema)


class _Cleaner:
    """One cleaning: a schema for a response, or else for a tool's parameters.

    A response's may keep alternatives, maps, tuples, and nodes that contain themselves, as definitions.
    """

    def __init__(self, root: Any, *, ordering: bool, response: bool = False) -> None:
        self._flattener = Flattener(root)
        self._ordering = ordering
        self._response = response
        self._definitions: dict[str, str] = {}  # names by references

    def whole(self, schema: Any) -> Schema:
        """The whole document."""
        out = self._clean(At(schema), 0)
        definitions: Schema = {}
        for ref in self._definitions:  # cleaning one may find more
            definitions[self._definitions[ref]] = {}
        done = 0
        while done < len(self._definitions):
            ref = list(self._definitions)[done]
            definitions[self._definitions[ref]] = self._clean(self._flattener.target(ref), 1)
            done += 1
        return {**out, "$defs": definitions} if definitions else out

    def _clean(self, source: Source, depth: int) -> Schema:
        """A schema and all below it."""
        if isinstance(source, At) and not isinstance(source.value, dict):
            return {"type": "string", "description": ANYTHING}
        return self._plain(self._flattener.flat(source, depth), depth)

    def _plain(self, flat: Flat, depth: int) -> Schema:
        if self._response:
            if flat.cycle:
                return {"$ref": f"#/$defs/{self._defined(flat.cycle)}"}
            if (branches := self._flattener.alternatives(flat)) is not None:
                return self._alternatives(flat, branches, depth)
        flat = self._flattener.united(flat)
        out: Schema = {}
        hints: list[str] = []
        out["type"], nullable = kind(flat, hints)
        hints += flat.hints
        nullable = self._enum(flat, out, hints) or nullable or flat.nullable
        if out["type"] == "object":
            self._object(flat, out, hints, depth)
        elif out["type"] == "array":
            self._array(flat, out, hints, depth)
        if nullable or flat.words.get("nullable") is True:
            out["nullable"] = True
        self._constrain(flat, out, hints)
        if description := _described(flat.words.get("description"), hints):
            out["description"] = description
        return out

    def _alternatives(self, flat: Flat, branches: list[Flat], depth: int) -> Schema:
        """Those that a response schema keeps."""
        cleaned = [self._plain(branch, depth + 1) for branch in branches]
        nullable = flat.nullable or flat.words.get("nullable") is True
        if nullable and any("$ref" in branch for branch in cleaned):
            cleaned.append({"type": "null"})
            nullable = False
        out: Schema = {"anyOf": cleaned}
        if nullable:
            out["nullable"] = True
        if isinstance(flat.words.get("description"), str):
            out["description"] = flat.words["description"]
        return out

    def _defined(self, ref: str) -> str:
        """The name of the definition for a reference, which is one from now on."""
        name = self._definitions.get(ref)
        if name is None:
            plain = _NO_NAME.sub("_", ref.rpartition("/")[2])[:_MAX_NAME].strip("_") or "root"
            taken = set(self._definitions.values())
            name = plain if plain not in taken else f"{plain}_{len(taken)}"
            self._definitions[ref] = name
        return name

    def _enum(self, flat: Flat, out: Schema, hints: list[str]) -> bool:
        """Sets ``enum`` for strings, hints at other values; returns whether null is among them."""
        values = flat.words.get("enum")
        if not isinstance(values, list):
            if "const" not in flat.words:
                return False
            values = [flat.words["const"]]
        some = [value for value in values if value is not None]
        if some and all(isinstance(value, str) for value in some):
            out["type"] = "string"
            if texts := [text for text in dict.fromkeys(some) if text]:
                out["enum"] = texts
                if "" in some:  # which upstream refuses in an enumeration
                    hints.append('or: ""')
        elif some:
            hints.append(f"one of: {', '.join(map(_shown, some))}")
        return len(some) < len(values)

    def _object(self, flat: Flat, out: Schema, hints: list[str], depth: int) -> None:
        more = flat.more
        if flat.properties:
            cleaned = {name: self._clean(one("all", each), depth + 1) for name, each in flat.properties.items()}
            out["properties"] = cleaned
            if required := [name for name in flat.required if name in cleaned]:
                out["required"] = required
            ordering = flat.words.get("propertyOrdering")
            if self._ordering and isinstance(ordering, list):
                known = [name for name in dict.fromkeys(filter(is_text, ordering)) if name in cleaned]
                if known:
                    out["propertyOrdering"] = known
        if isinstance(more, At | Many):
            if self._response:
                out["additionalProperties"] = self._clean(more, depth + 1)
            else:
                which = "other properties:" if flat.properties else "map of string to"
                hints.append(f"{which} {_kind_shown(self._clean(more, depth + 1))}")
        elif more is True and flat.properties:
            hints.append(f"other properties: {ANYTHING}")
        elif self._response and more is False:
            out["additionalProperties"] = False

    def _array(self, flat: Flat, out: Schema, hints: list[str], depth: int) -> None:
        if not flat.prefix:
            out["items"] = self._clean(one("all", flat.items), depth + 1) if flat.items else {"type": "string"}
            return
        cleaned = [self._clean(each, depth + 1) for each in flat.prefix]
        if self._response:
            out["prefixItems"] = cleaned
            if flat.items:
                out["items"] = self._clean(one("all", flat.items), depth + 1)
            return
        hints.append(f"tuple of {', '.join(item.get('type', 'any') for item in cleaned)}")
        out["items"] = self._clean(Many("any", tuple(flat.prefix)), depth + 1)

    def _constrain(self, flat: Flat, out: Schema, hints: list[str]) -> None:
        if flat.words.keys().isdisjoint(_CONSTRAINING):
            return
        told = []
        for name in _CONSTRAINTS:
            value = flat.words.get(name)
            if value is None or isinstance(value, dict | list):
                continue
            kept = _KEPT_IN_RESPONSES.get(name) if self._response else None
            if kept is not None and isinstance(value, kept) and not isinstance(value, bool):
                out[name] = value
            else:
                told.append(f"{name}: {_shown(value)}")
        if "not" in flat.words:
            told.append("not everything of this type")
        if told:
            hints.append(", ".join(told))


def _kind_shown(cleaned: Schema) -> str:
    """A cleaned schema's type in a hint."""
    told = cleaned.get("description", "")
    return ANYTHING if ANYTHING in told else str(cleaned["type"])


def _shown(value: Any) -> str:
    """A value in a hint."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return str(value)


def _described(description: Any, hints: list[str]) -> str:
    """The description with the hints behind it."""
    text = description if isinstance(description, str) else ""
    if hints == [ANYTHING] and text in ("", ANYTHING):
        return ANYTHING
    told = " ".join(f"({hint})" for hint in hints)[:MAX_HINT]
    return f"{text} {told}" if text and told else text or told
