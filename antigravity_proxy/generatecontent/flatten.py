"""Makes one node of a JSON Schema plain: without references, ``allOf`` and alternatives. Pure, total, bounded.

What can't be said by one plain node is told as a hint (translation.md 2.4).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

MAX_DEPTH = 32
MAX_NODES = 10_000
#: what references may bring in, since each use of one writes its target out again: so much, and so many times the
#: document; in values and hundreds of characters
EXPANSION, EXPANSION_FACTOR = 2_000, 3
_MAX_WEIGHT = 100_000
ANYTHING = "any JSON value"

#: keywords that give a schema its type
SHAPING = frozenset({"type", "properties", "items", "prefixItems", "enum", "const", "anyOf", "oneOf", "allOf", "$ref"})
_TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})
_RANK = {"object": 2, "array": 1}

Schema = dict[str, Any]
Refs = tuple[str, ...]


class Flattener:
    """One document: where its references point, and how much may still be visited.

    ``keep_alternatives``: those of a node that says nothing else of its type stay, as ``anyOf``.
    """

    def __init__(self, root: Any, *, keep_alternatives: bool) -> None:
        self._root = root
        self._keeps = keep_alternatives
        self._nodes = 0
        self._allowance: int | None = None
        self._weights: dict[str, int] = {}

    def flat(self, node: Schema, hints: list[str], depth: int, refs: Refs) -> tuple[Schema, Refs]:
        """The plain node, and the references that led to it; ``refs`` are those that led to ``node``.

        Over the limits, a plain object.
        """
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            return {"type": "object"}, refs
        target, refs = self._resolved(node, refs)
        if target is None:
            name = str(node["$ref"]).rpartition("/")[2].strip("#") or "value"
            return {"type": "object", "description": f"{name}, nested"}, refs
        if isinstance(target.get("allOf"), list):
            target, refs = self._merged(target, depth, refs)
        branches = target.get("anyOf") if isinstance(target.get("anyOf"), list) else target.get("oneOf")
        rest = {key: value for key, value in target.items() if key not in ("anyOf", "oneOf")}
        if not isinstance(branches, list):
            return rest, refs
        return self._branch(rest, [branch for branch in branches if isinstance(branch, dict)], hints, depth, refs)

    def _resolved(self, node: Schema, refs: Refs) -> tuple[Schema | None, Refs]:
        """Follows ``$ref`` within the document; None for a cycle or a dead end."""
        while isinstance(ref := node.get("$ref"), str):
            target = self._target(ref)
            if ref in refs or not isinstance(target, dict):
                return None, refs
            if not self._affordable(ref, target):
                return None, refs
            refs = (*refs, ref)
            node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
        return node, refs

    def _affordable(self, ref: str, target: Schema) -> bool:
        if self._allowance is None:
            self._allowance = EXPANSION + EXPANSION_FACTOR * _weight(self._root)
        if ref not in self._weights:
            self._weights[ref] = _weight(target)
        self._allowance -= self._weights[ref]
        return self._allowance >= 0

    def _target(self, ref: str) -> Any:
        """What a JSON pointer points to (RFC 6901)."""
        if not ref.startswith("#"):
            return None
        found = self._root
        for step in filter(None, unquote(ref[1:]).split("/")):
            step = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict):
                found = found.get(step)
            elif isinstance(found, list) and step.isascii() and step.isdigit() and int(step[:9]) < len(found):
                found = found[int(step[:9])]
            else:
                return None
        return found

    def _merged(self, node: Schema, depth: int, refs: Refs) -> tuple[Schema, Refs]:
        """``allOf``: properties and required united, of everything else the first."""
        out = {key: value for key, value in node.items() if key != "allOf"}
        followed = refs
        for part in node["allOf"]:
            self._nodes += 1
            if not isinstance(part, dict) or depth > MAX_DEPTH or self._nodes > MAX_NODES:
                continue
            target, seen = self._resolved(part, refs)
            if target is None:
                continue
            if isinstance(target.get("allOf"), list):
                target, seen = self._merged(target, depth + 1, seen)
            followed += seen[len(refs) :]
            _unite(out, target)
        return out, followed

    def _branch(
        self, rest: Schema, branches: list[Schema], hints: list[str], depth: int, refs: Refs
    ) -> tuple[Schema, Refs]:
        """The node with the one alternative that is kept; the others are hinted at."""
        found = [(branch, *self.flat(branch, [], depth + 1, refs)) for branch in branches]
        some = [each for each in found if not _is_null(each[1])]
        if len(some) < len(found):
            rest["nullable"] = True
        shaped = bool(rest.keys() & SHAPING)
        if shaped:  # alternatives that only constrain say nothing of the type
            some = [each for each in some if each[1].keys() & SHAPING]
        if not some:
            return rest, refs
        literals = [_literals(flat) for _, flat, _ in some]
        if all(literals):
            rest["enum"] = [text for texts in literals for text in texts]
            if any(flat.get("nullable") is True for _, flat, _ in some):
                rest["nullable"] = True
            return rest, refs
        if self._keeps and len(some) > 1 and not shaped:
            return {**rest, "anyOf": [branch for branch, _, _ in some]}, refs
        kinds = ["string" if "anyOf" in flat else kind(flat, [])[0] for _, flat, _ in some]
        best = max(range(len(some)), key=lambda i: (_RANK.get(kinds[i], 0), -i))
        if others := dict.fromkeys(kind for i, kind in enumerate(kinds) if i != best):
            hints.append(f"or: {', '.join(others)}")
        _, flat, refs = some[best]
        _unite(rest, {key: value for key, value in flat.items() if key != "anyOf"} if shaped else flat)
        return rest, refs


def kind(node: Schema, hints: list[str]) -> tuple[str, bool]:
    """A plain node's one type, and whether it may be null."""
    named = node.get("type")
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
    if isinstance(node.get("properties"), dict) or isinstance(node.get("additionalProperties"), dict):
        return "object", False
    if "items" in node or "prefixItems" in node:
        return "array", False
    if "const" in node:
        return _kind_of([node["const"]]), False
    if isinstance(node.get("enum"), list):
        return _kind_of(node["enum"]), False
    hints.append(ANYTHING)
    return "string", False


def is_text(value: Any) -> bool:
    """Whether a value is a string."""
    return isinstance(value, str)


def _kind_of(values: list[Any]) -> str:
    """The type of an enumeration's values."""
    some = [value for value in values if value is not None]
    numbers = [value for value in some if isinstance(value, int | float) and not isinstance(value, bool)]
    if some and all(isinstance(value, bool) for value in some):
        return "boolean"
    if some and len(numbers) == len(some):
        return "integer" if all(isinstance(value, int) for value in numbers) else "number"
    return "string"


def _unite(out: Schema, more: Schema) -> None:
    """Adds what ``more`` says: properties and required united, of everything else the first."""
    for key, value in more.items():
        known = out.get(key)
        if key == "properties" and isinstance(known, dict) and isinstance(value, dict):
            out[key] = {**value, **known}
        elif key == "required" and isinstance(known, list) and isinstance(value, list):
            out[key] = [*known, *value]
        else:
            out.setdefault(key, value)


def _weight(value: Any) -> int:
    """The values of some JSON, and the hundreds of characters of its texts."""
    total, stack = 0, [value]
    while stack and total <= _MAX_WEIGHT:
        item = stack.pop()
        total += 1
        if isinstance(item, str):
            total += len(item) // 100
        elif isinstance(item, dict):
            stack.extend(item)
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
    return total


def _is_null(branch: Schema) -> bool:
    return branch.get("type") == "null" or branch.get("enum") == [None] or branch.get("const", 0) is None


def _literals(branch: Schema) -> list[str]:
    """The texts of a branch that is nothing but string constants; none otherwise."""
    values = [branch["const"]] if "const" in branch else branch.get("enum")
    return values if isinstance(values, list) and all(map(is_text, values)) else []
