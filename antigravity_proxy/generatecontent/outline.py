"""The outlines of schemas whose references aren't followed, because they contain themselves. Pure, bounded.

A value of such a schema must fit the plain node all the same: so its types are known, and beside other alternatives the
names of its properties, with the texts that tag them (translation.md 2.4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from antigravity_proxy.generatecontent.node import ANYTHING, At, Flat, Source, kinds, one

#: schemas and properties that are looked at for all outlines of a document; lists within lists
MAX_NODES = 4_000
_MAX_LISTS = 3


class Outlines:
    """Those of one document; ``target`` gives what a reference points to. Past the bound they say nothing."""

    def __init__(self, target: Callable[[str], Any]) -> None:
        self._target = target
        self._left = MAX_NODES
        self._types: dict[str, list[str]] = {}
        self._properties: dict[str, dict[str, list[Source]]] = {}

    def types(self, ref: str) -> list[str]:
        """The types besides null that fit what a reference points to; none: it says none."""
        if ref not in self._types:
            self._types[ref] = self._types_of(self._target(ref))
        return self._types[ref]

    def properties(self, ref: str) -> dict[str, list[Source]]:
        """An outline of each property, over all objects that a reference points to."""
        if ref not in self._properties:
            found = dict[str, list[Source]]()
            for node in self._alternatives(self._target(ref)):
                own = node.get("properties")
                for name, value in own.items() if isinstance(own, dict) else ():
                    if value is not False and self._left > 0:
                        self._left -= 1
                        found.setdefault(name, []).append(At(self._plain(value)))
            self._properties[ref] = {name: [one("any", sources)] for name, sources in found.items()}
        return self._properties[ref]

    def _types_of(self, schema: Any) -> list[str]:
        found: dict[str, None] = {}
        for node in self._alternatives(schema):
            flat = _own(node)
            if flat.is_shaped and not flat.is_null:
                found.update(dict.fromkeys(kinds(flat)))
        return list(found)

    def _plain(self, schema: Any, lists: int = 0) -> Any:
        """A schema without what is below it."""
        if isinstance(schema, dict) and (literals := Flat(schema).literals):
            return {"enum": literals}
        some = self._types_of(schema)
        if not some:
            return {"description": ANYTHING}
        out: dict[str, Any] = {"type": some[0] if len(some) == 1 else some}
        if "array" in some and lists < _MAX_LISTS and (items := schema.get("items")):
            out["items"] = self._plain(items, lists + 1)
        return out

    def _alternatives(self, schema: Any) -> Iterator[dict[str, Any]]:
        """The schema and all schemas in its place: by reference, together with it, or as its alternatives."""
        stack, seen = [schema], set[str]()
        while stack and self._left > 0:
            node = stack.pop()
            if not isinstance(node, dict):
                continue
            self._left -= 1
            yield node
            ref = node.get("$ref")
            if isinstance(ref, str) and ref not in seen:
                seen.add(ref)
                stack.append(self._target(ref))
            for word in ("oneOf", "anyOf", "allOf"):
                if isinstance(branches := node.get(word), list):
                    stack.extend(reversed(branches[: self._left]))


def _own(node: dict[str, Any]) -> Flat:
    """A node's own type."""
    flat = Flat({word: node[word] for word in ("type", "enum", "const") if word in node})
    flat.properties = {} if "properties" in node or "additionalProperties" in node else None
    flat.items = [] if "items" in node or "prefixItems" in node else None
    return flat
