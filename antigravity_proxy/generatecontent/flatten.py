"""Makes one node of a JSON Schema plain: without references, ``allOf`` and alternatives. Pure, total, bounded.

Alternatives are united, so that whatever fits one of them fits the plain node; what a plain node can't say is given as
a hint (translation.md 2.4). Work is linear in the schema: each node is visited once for each place it occurs in.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from antigravity_proxy.generatecontent.node import At, Flat, Many, Refs, Schema, Source, is_text
from antigravity_proxy.generatecontent.outline import Outlines
from antigravity_proxy.generatecontent.unions import of_one_kind

MAX_DEPTH = 32
MAX_NODES = 10_000
#: references that lead from one to the next until a node is reached; a longer chain is a dead end
MAX_HOPS = 32
#: bounds on what references may add, since each use of one writes its target out again: this much and this many times
#: the document; in values and hundreds of characters
EXPANSION, EXPANSION_FACTOR = 2_000, 3
_MAX_WEIGHT = 100_000

#: keywords that have a field of their own in ``Flat``
_STRUCTURE = frozenset({
    "properties", "required", "items", "prefixItems", "additionalProperties", "allOf", "anyOf", "oneOf", "$ref",
})  # fmt: skip


class Flattener:
    """One document: where its references point, and how much may still be visited."""

    def __init__(self, root: Any) -> None:
        self._root = root
        self._nodes = 0
        self._allowance: int | None = None
        self._outlines = Outlines(self._target)
        self._weights: dict[str, int] = {}

    def flat(self, source: Source, depth: int) -> Flat:
        """The plain node, its alternatives not yet united. Over the limits, a plain object."""
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            return Flat({"type": "object"})
        if isinstance(source, Many):
            members = (self.flat(member, depth + 1) for member in source.members)
            if source.how == "any":
                found = Flat()
                found.unions.append(list(members))
                return self.united(found)
            found = Flat()
            for member in members:
                _join(found, member)
            return found
        if not isinstance(source.value, dict):
            return Flat()
        node, refs, cycle = self._resolved(source.value, source.refs)
        if node is None:
            name = cycle.rpartition("/")[2].strip("#") or "value"
            words = {"type": "object", "description": f"{name}, nested"}
            dead = Flat(words, cycle if cycle in refs else "")
            dead.unfollowed = cycle
            self._give_types(dead, cycle)
            return dead
        found = _own(node, refs)
        if isinstance(parts := node.get("allOf"), list):
            for part in parts:
                if isinstance(part, dict) and (more := self.flat(At(part, refs), depth + 1)).unfollowed is None:
                    _join(found, more)
        for word in ("anyOf", "oneOf"):
            if isinstance(branches := node.get(word), list):
                some = [self.flat(At(branch, refs), depth + 1) for branch in branches if isinstance(branch, dict)]
                found.unions.append(some)
        return found

    def _give_types(self, dead: Flat, ref: str) -> None:
        """A node that isn't followed is not an object if its target is not one."""
        some = self._outlines.types(ref)
        if some and some != ["object"]:
            first = "object" if "object" in some else some[0]
            dead.words["type"] = first
            if others := [name for name in some if name != first]:
                dead.hints.append(f"or: {', '.join(others)}")

    def target(self, ref: str) -> At:
        """The schema that a reference of the document names, as the beginning of a definition of its own."""
        return At(self._target(ref), (ref,))

    def united(self, flat: Flat) -> Flat:
        """The node with what its alternatives come to."""
        unions, flat.unions = flat.unions, []
        for branches in unions:
            united = self._union(branches, shaped=flat.is_shaped)
            if united is not None:
                _join(flat, united)
        return flat

    def alternatives(self, flat: Flat) -> list[Flat] | None:
        """The alternatives of a node that says nothing else of its type, null left out; None for any other node."""
        if flat.is_shaped or len(flat.unions) != 1:
            return None
        some = [branch for branch in flat.unions[0] if not branch.is_null]
        nullable = flat.nullable or len(some) < len(flat.unions[0])
        if len(some) == 1 and some[0].unions and not some[0].is_shaped:  # alternatives of alternatives
            flat.nullable, flat.unions = nullable or some[0].takes_null, some[0].unions
            flat.words = {**some[0].words, **flat.words}
            return self.alternatives(flat)
        if all(branch.literals for branch in some) or (len(some) < 2 and not any(branch.cycle for branch in some)):
            return None
        flat.nullable = nullable
        return some

    def _union(self, branches: list[Flat], *, shaped: bool) -> Flat | None:
        """A schema that fits any of the branches; None: they don't restrict the type."""
        plain = [self.united(branch) for branch in branches]
        some = [branch for branch in plain if not branch.is_null]
        nullable = len(some) < len(plain) or any(branch.takes_null for branch in some)
        if shaped:  # alternatives that only constrain say nothing of the type
            some = [branch for branch in some if branch.is_shaped]
        if not some:
            if not nullable:
                return None
            found = Flat()
            found.nullable = True
            return found
        for branch in some if len(some) > 1 else ():
            if branch.unfollowed is not None:
                branch.properties = self._outlines.properties(branch.unfollowed) or None
        literals = [branch.literals for branch in some]
        if all(literals):
            found = Flat({"enum": [text for texts in literals for text in texts]})
            if len(some) == 1:
                found.words = {**some[0].words, **found.words}
        else:
            found = of_one_kind(some)
        found.nullable = nullable or found.nullable
        return found

    def _resolved(self, node: Schema, refs: Refs) -> tuple[Schema | None, Refs, str]:
        """Follows ``$ref`` within the document; None, and the reference, for a cycle or a dead end."""
        hops = 0
        while isinstance(ref := node.get("$ref"), str):
            hops += 1
            target = self._target(ref) if ref not in refs and hops <= MAX_HOPS else None
            if not isinstance(target, dict) or not self._affordable(ref, target):
                return None, refs, ref
            refs = (*refs, ref)
            node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
        return node, refs, ""

    def _affordable(self, ref: str, target: Schema) -> bool:
        if self._allowance is None:
            self._allowance = EXPANSION + EXPANSION_FACTOR * _weight(self._root)
        if self._allowance < 0:
            return False
        if ref not in self._weights:
            self._weights[ref] = _weight(target)
        self._allowance -= self._weights[ref]
        return self._allowance >= 0

    def _target(self, ref: str) -> Any:
        """The target of a JSON pointer (RFC 6901)."""
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


def _own(node: Schema, refs: Refs) -> Flat:
    """The own statements of a node, without its references."""
    found = Flat({key: value for key, value in node.items() if key not in _STRUCTURE})
    required = node.get("required")
    if isinstance(required, list):
        found.required = dict.fromkeys(filter(is_text, required))
    if isinstance(properties := node.get("properties"), dict):
        found.properties = {}
        for name, value in properties.items():
            if value is False:
                continue
            found.properties[name] = [At(value, refs)]
            if isinstance(value, dict) and value.get("required") is True:
                found.required[name] = None
    if "items" in node:
        items = node["items"]
        if isinstance(items, list):
            found.prefix = [At(item, refs) for item in items[:MAX_DEPTH]]
        found.items = [At(items, refs)] if isinstance(items, dict) and items else []
    if isinstance(prefix := node.get("prefixItems"), list):
        found.prefix = [At(item, refs) for item in prefix[:MAX_DEPTH]]
    more = node.get("additionalProperties")
    if isinstance(more, bool | dict):
        found.more = At(more, refs) if isinstance(more, dict) else more
    return found


def _join(into: Flat, more: Flat) -> None:
    """Adds what must hold besides: properties and required united, of everything else the first."""
    for word, value in more.words.items():
        into.words.setdefault(word, value)
    if more.properties is not None:
        into.properties = into.properties if into.properties is not None else {}
        for name, sources in more.properties.items():
            into.properties.setdefault(name, []).extend(sources)
    into.required.update(more.required)
    into.items = into.items or more.items
    into.prefix = into.prefix or more.prefix
    into.more = more.more if into.more is None else into.more
    into.nullable = into.nullable or more.nullable
    into.unions += more.unions
    into.hints += more.hints
    into.cycle = into.cycle or more.cycle


def _weight(value: Any) -> int:
    """The values of some JSON, and the hundreds of characters of its texts."""
    total, stack = 0, [value]
    while stack and total <= _MAX_WEIGHT:
        item = stack.pop()
        total += 1
        kind = type(item)  # decoded JSON has no subclasses
        if kind is str:
            total += len(item) // 100
        elif kind is dict:
            stack.extend(item)
            stack.extend(item.values())
        elif kind is list:
            stack.extend(item)
    return total
