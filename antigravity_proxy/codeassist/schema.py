"""Brings JSON Schema of any draft down to what upstream knows. Pure, total, bounded (translation.md 2.4, 2.5).

Only schema positions are touched: a property that is named like a keyword is data and stays. What can't be said in the
subset is told to the model as a hint in the description.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

MAX_DEPTH = 32
MAX_NODES = 10_000
MAX_HINT = 300

_TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})
_RANK = {"object": 2, "array": 1}
#: constraints that are told as hints
_CONSTRAINTS = (
    "pattern", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "format",
)  # fmt: skip
#: of these, the ones that a response schema may keep
_KEPT_IN_RESPONSES = frozenset({"minItems", "maxItems", "minimum", "maximum", "format"})
_ANY = {"type": "string", "description": "any JSON value"}

Schema = dict[str, Any]


def clean_parameters(schema: Any, *, ordering: bool = True) -> tuple[Schema, bool]:
    """A tool's parameters as upstream takes them, and whether they had to be wrapped.

    A root that is no object becomes ``{"input": …}``; calls are then unwrapped. ``ordering``: may ``propertyOrdering``
    be kept. Never raises; the input is not changed.
    """
    cleaned = _Cleaner(schema, ordering=ordering).clean(schema)
    if cleaned.get("type") != "object":
        return {"type": "object", "properties": {"input": cleaned}, "required": ["input"]}, True
    return cleaned, False


def clean_response(schema: Any, *, short: bool = False) -> Schema:
    """A response schema; ``short``: by the short list of keywords that every model takes."""
    return _Cleaner(schema, ordering=True, response=not short).clean(schema)


class _Cleaner:
    """One cleaning: the document for its references, and how many nodes it may still visit."""

    def __init__(self, root: Any, *, ordering: bool, response: bool = False) -> None:
        self._root = root
        self._ordering = ordering
        self._response = response
        self._nodes = 0

    def clean(self, node: Any, depth: int = 0, refs: tuple[str, ...] = ()) -> Schema:
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            return {"type": "object"}
        if not isinstance(node, dict):
            return dict(_ANY)
        node, refs, nested = self._resolved(node, refs)
        if nested is not None:
            return nested
        if isinstance(node.get("allOf"), list):
            node = self._merged(node, refs)
        hints: list[str] = []
        branches = node.get("anyOf") if isinstance(node.get("anyOf"), list) else node.get("oneOf")
        if isinstance(branches, list) and branches:
            if self._response and "type" not in node:
                return self._kept_branches(node, branches, depth, refs)
            node = self._branch(node, branches, hints, depth, refs)
        return self._plain(node, hints, depth, refs)

    def _plain(self, node: Schema, hints: list[str], depth: int, refs: tuple[str, ...]) -> Schema:
        """A node without references and alternatives."""
        kind, nullable = self._type(node, hints)
        out: Schema = {"type": kind}
        values = self._enum(node, out, hints)
        nullable = nullable or values
        if out["type"] == "object":
            self._object(node, out, hints, depth, refs)
        elif out["type"] == "array":
            out["items"] = self._items(node, hints, depth, refs)
        if nullable or node.get("nullable") is True:
            out["nullable"] = True
        self._constrain(node, out, hints)
        description = _described(node.get("description"), hints)
        if description:
            out["description"] = description
        return out

    def _resolved(self, node: Schema, refs: tuple[str, ...]) -> tuple[Schema, tuple[str, ...], Schema | None]:
        """Follows ``$ref`` within the document; a cycle or a dead end becomes a nested object, given as the third."""
        while isinstance(node.get("$ref"), str):
            ref = node["$ref"]
            target = self._target(ref)
            if ref in refs or not isinstance(target, dict):
                return node, refs, {"type": "object", "description": f"{ref.rpartition('/')[2] or 'value'}, nested"}
            refs = (*refs, ref)
            node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
        return node, refs, None

    def _target(self, ref: str) -> Any:
        if not ref.startswith("#"):
            return None
        found = self._root
        for step in filter(None, unquote(ref[1:]).split("/")):
            step = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict):
                found = found.get(step)
            elif isinstance(found, list) and step.isdigit() and int(step) < len(found):
                found = found[int(step)]
            else:
                return None
        return found

    def _merged(self, node: Schema, refs: tuple[str, ...]) -> Schema:
        """``allOf``: properties and required united, of everything else the first."""
        out = {key: value for key, value in node.items() if key != "allOf"}
        for part in node["allOf"][:MAX_DEPTH]:
            if not isinstance(part, dict):
                continue
            part, _, nested = self._resolved(part, refs)
            if nested is not None:
                continue
            if isinstance(part.get("allOf"), list) and len(refs) < MAX_DEPTH:
                part = self._merged(part, (*refs, "allOf"))
            for key, value in part.items():
                if key == "properties" and isinstance(out.get(key), dict) and isinstance(value, dict):
                    out[key] = {**value, **out[key]}
                elif key == "required" and isinstance(out.get(key), list) and isinstance(value, list):
                    out[key] = [*out[key], *(name for name in value if name not in out[key])]
                else:
                    out.setdefault(key, value)
        return out

    def _branch(self, node: Schema, branches: list[Any], hints: list[str], depth: int, refs: tuple[str, ...]) -> Schema:
        """The one alternative that is kept; the others are hinted at."""
        rest = {key: value for key, value in node.items() if key not in ("anyOf", "oneOf")}
        found = [self._resolved(b, refs)[0] for b in branches if isinstance(b, dict)]
        some = [b for b in found if b.get("type") != "null" and b.get("const", 0) is not None]
        if len(some) < len(found):
            rest["nullable"] = True
        literals = [_literals(b) for b in some]
        if some and all(texts is not None for texts in literals):
            rest["enum"] = [text for texts in literals if texts is not None for text in texts]
            return rest
        cleaned = [self.clean(b, depth + 1, refs) for b in some]
        if not cleaned:
            return rest
        best = max(range(len(cleaned)), key=lambda i: (_RANK.get(cleaned[i]["type"], 0), -i))
        others = dict.fromkeys(c["type"] for i, c in enumerate(cleaned) if i != best)
        if others:
            hints.append(f"or: {', '.join(others)}")
        return {**cleaned[best], **rest}

    def _kept_branches(self, node: Schema, branches: list[Any], depth: int, refs: tuple[str, ...]) -> Schema:
        out: Schema = {"anyOf": [self.clean(branch, depth + 1, refs) for branch in branches[:MAX_DEPTH]]}
        if isinstance(node.get("description"), str):
            out["description"] = node["description"]
        return out

    def _type(self, node: Schema, hints: list[str]) -> tuple[str, bool]:
        """The node's one type, and whether it may be null."""
        kind = node.get("type")
        names = [k.lower() for k in (kind if isinstance(kind, list) else [kind]) if isinstance(k, str)]
        names = [name for name in names if name in _TYPES]
        some = [name for name in names if name != "null"]
        nullable = len(some) < len(names)
        if len(some) > 1:
            hints.append(f"accepts: {' or '.join(some)}")
        if some:
            return some[0], nullable
        if nullable:
            return "string", True
        if isinstance(node.get("properties"), dict) or isinstance(node.get("additionalProperties"), dict):
            return "object", False
        if "items" in node or "prefixItems" in node:
            return "array", False
        if "const" in node:
            return _type_of([node["const"]]), False
        if isinstance(node.get("enum"), list):
            return _type_of(node["enum"]), False
        if node.get("description") != _ANY["description"]:
            hints.append(_ANY["description"])
        return "string", False

    def _enum(self, node: Schema, out: Schema, hints: list[str]) -> bool:
        """Sets ``enum`` for strings, hints at other values; returns whether null is among them."""
        values = node.get("enum")
        if not isinstance(values, list):
            if "const" not in node:
                return False
            values = [node["const"]]
        some = [value for value in values if value is not None]
        if some and all(isinstance(value, str) for value in some):
            texts = [text for text in dict.fromkeys(some) if text]
            if texts:
                out["type"] = "string"
                out["enum"] = texts
        elif some:
            hints.append(f"one of: {', '.join(str(value) for value in some)}")
        return len(some) < len(values)

    def _object(self, node: Schema, out: Schema, hints: list[str], depth: int, refs: tuple[str, ...]) -> None:
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
            out["properties"] = cleaned
            if names := [n for n in dict.fromkeys(r for r in required if isinstance(r, str)) if n in cleaned]:
                out["required"] = names
            order = node.get("propertyOrdering")
            if self._ordering and isinstance(order, list):
                out["propertyOrdering"] = [name for name in order if isinstance(name, str) and name in cleaned]
        elif isinstance(more, dict):
            hints.append(f"map of string to {self.clean(more, depth + 1, refs)['type']}")
        if self._response and more is False:
            out["additionalProperties"] = False

    def _items(self, node: Schema, hints: list[str], depth: int, refs: tuple[str, ...]) -> Schema:
        items = node.get("prefixItems") if isinstance(node.get("prefixItems"), list) else node.get("items")
        if isinstance(items, list):
            cleaned = [self.clean(item, depth + 1, refs) for item in items[:MAX_DEPTH]]
            if not cleaned:
                return {"type": "string"}
            hints.append(f"tuple of {', '.join(item['type'] for item in cleaned)}")
            return cleaned[0]
        return self.clean(items, depth + 1, refs) if isinstance(items, dict) and items else {"type": "string"}

    def _constrain(self, node: Schema, out: Schema, hints: list[str]) -> None:
        told = []
        for name in _CONSTRAINTS:
            value = node.get(name)
            if value is None or isinstance(value, dict | list):
                continue
            if self._response and name in _KEPT_IN_RESPONSES:
                out[name] = value
            else:
                told.append(f"{name}: {value}")
        if "not" in node:
            told.append("not everything of this type")
        if told:
            hints.append(", ".join(told))


def _literals(branch: Schema) -> list[str] | None:
    """The texts of a branch that is nothing but string constants."""
    values = [branch["const"]] if "const" in branch else branch.get("enum")
    if isinstance(values, list) and values and all(isinstance(value, str) for value in values):
        return values
    return None


def _type_of(values: list[Any]) -> str:
    some = [value for value in values if value is not None]
    if some and all(isinstance(value, bool) for value in some):
        return "boolean"
    if some and all(isinstance(value, int) and not isinstance(value, bool) for value in some):
        return "integer"
    if some and all(isinstance(value, int | float) and not isinstance(value, bool) for value in some):
        return "number"
    return "string"


def _described(description: Any, hints: list[str]) -> str:
    text = description if isinstance(description, str) else ""
    if not hints:
        return text
    if hints == [_ANY["description"]] and not text:
        return hints[0]
    told = " ".join(f"({hint})" for hint in hints)[:MAX_HINT]
    return f"{text} {told}" if text else told
