"""Brings JSON Schema of any draft down to what upstream knows. Pure, total, bounded (translation.md 2.4, 2.5).

Only schema positions are touched: a property that is named like a keyword is data and stays. What can't be said in the
subset is told to the model as a hint in the description.
"""

from __future__ import annotations

from typing import Any

from antigravity_proxy.generatecontent.flatten import (
    ANYTHING,
    MAX_DEPTH,
    SHAPING,
    Flattener,
    Refs,
    Schema,
    is_text,
    kind,
)

MAX_HINT = 300

#: constraints that are told as hints
_CONSTRAINTS = (
    "pattern", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "format",
)  # fmt: skip
#: of these, the ones that a response schema may keep
_KEPT_IN_RESPONSES = {"minItems": int, "maxItems": int, "minimum": int | float, "maximum": int | float, "format": str}


def clean_parameters(schema: Any, *, ordering: bool = True) -> tuple[Schema, bool]:
    """A tool's parameters as upstream takes them, and whether they had to be wrapped.

    A root that is no object becomes ``{"input": …}``; calls are then unwrapped. ``ordering``: may ``propertyOrdering``
    be kept. Never raises; the input is not changed.
    """
    if isinstance(schema, dict) and not schema.keys() & SHAPING:
        schema = {**schema, "type": "object"}
    cleaned = _Cleaner(schema, ordering=ordering).clean(schema)
    if cleaned["type"] != "object":
        return {"type": "object", "properties": {"input": cleaned}, "required": ["input"]}, True
    return cleaned, False


def clean_response(schema: Any, *, short: bool = False) -> Schema:
    """A response schema; ``short``: by the short list of keywords that every model takes."""
    return _Cleaner(schema, ordering=not short, response=not short).clean(schema)


class _Cleaner:
    """One cleaning: a schema for a response, or else for a tool's parameters."""

    def __init__(self, root: Any, *, ordering: bool, response: bool = False) -> None:
        self._flattener = Flattener(root, keep_alternatives=response)
        self._ordering = ordering
        self._response = response

    def clean(self, node: Any, depth: int = 0, refs: Refs = ()) -> Schema:
        """The node and all below it; ``refs`` are the references that led here."""
        if not isinstance(node, dict):
            return {"type": "string", "description": ANYTHING}
        hints: list[str] = []
        node, refs = self._flattener.flat(node, hints, depth, refs)
        if "anyOf" in node:
            return self._alternatives(node, depth, refs)
        out: Schema = {}
        out["type"], nullable = kind(node, hints)
        nullable = self._enum(node, out, hints) or nullable
        if out["type"] == "object":
            self._object(node, out, hints, depth, refs)
        elif out["type"] == "array":
            out["items"] = self._items(node, hints, depth, refs)
        if nullable or node.get("nullable") is True:
            out["nullable"] = True
        self._constrain(node, out, hints)
        if description := _described(node.get("description"), hints):
            out["description"] = description
        return out

    def _alternatives(self, node: Schema, depth: int, refs: Refs) -> Schema:
        """Those that a response schema keeps."""
        out: Schema = {"anyOf": [self.clean(branch, depth + 1, refs) for branch in node["anyOf"]]}
        if node.get("nullable") is True:
            out["nullable"] = True
        if isinstance(node.get("description"), str):
            out["description"] = node["description"]
        return out

    def _enum(self, node: Schema, out: Schema, hints: list[str]) -> bool:
        """Sets ``enum`` for strings, hints at other values; returns whether null is among them."""
        values = node.get("enum")
        if not isinstance(values, list):
            if "const" not in node:
                return False
            values = [node["const"]]
        some = [value for value in values if value is not None]
        if some and all(isinstance(value, str) for value in some):
            out["type"] = "string"
            if texts := [text for text in dict.fromkeys(some) if text]:
                out["enum"] = texts
        elif some:
            hints.append(f"one of: {', '.join(map(_shown, some))}")
        return len(some) < len(values)

    def _object(self, node: Schema, out: Schema, hints: list[str], depth: int, refs: Refs) -> None:
        properties = node.get("properties")
        required = list(node["required"]) if isinstance(node.get("required"), list) else []
        more = node.get("additionalProperties")
        if isinstance(properties, dict) and properties:
            cleaned: Schema = {}
            for name, value in properties.items():
                if value is False:
                    continue
                if isinstance(value, dict) and value.get("required") is True:
                    required.append(name)
                cleaned[name] = self.clean(value, depth + 1, refs)
            names: dict[str, list[Any]] = {"required": required}
            if self._ordering and isinstance(node.get("propertyOrdering"), list):
                names["propertyOrdering"] = node["propertyOrdering"]
            if cleaned:
                out["properties"] = cleaned
            for key, listed in names.items():
                if known := [name for name in dict.fromkeys(filter(is_text, listed)) if name in cleaned]:
                    out[key] = known
        elif isinstance(more, dict):
            hints.append(f"map of string to {self.clean(more, depth + 1, refs).get('type', 'any')}")
        if self._response and more is False:
            out["additionalProperties"] = False

    def _items(self, node: Schema, hints: list[str], depth: int, refs: Refs) -> Schema:
        items = node.get("prefixItems") if isinstance(node.get("prefixItems"), list) else node.get("items")
        if isinstance(items, list) and items:
            cleaned = [self.clean(item, depth + 1, refs) for item in items[:MAX_DEPTH]]
            hints.append(f"tuple of {', '.join(item.get('type', 'any') for item in cleaned)}")
            return cleaned[0]
        return self.clean(items, depth + 1, refs) if isinstance(items, dict) and items else {"type": "string"}

    def _constrain(self, node: Schema, out: Schema, hints: list[str]) -> None:
        told = []
        for name in _CONSTRAINTS:
            value = node.get(name)
            if value is None or isinstance(value, dict | list):
                continue
            kept = _KEPT_IN_RESPONSES.get(name) if self._response else None
            if kept is not None and isinstance(value, kept) and not isinstance(value, bool):
                out[name] = value
            else:
                told.append(f"{name}: {_shown(value)}")
        if "not" in node:
            told.append("not everything of this type")
        if told:
            hints.append(", ".join(told))


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
