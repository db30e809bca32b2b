"""Unites alternatives of a JSON Schema: whatever fits one of them fits the plain node. Pure (translation.md 2.4).

What a plain node can't express becomes a hint: other types, and which properties belong together.
"""

from __future__ import annotations

from itertools import chain

from antigravity_proxy.generatecontent.node import At, Flat, Many, Source, kind, kinds, one

#: alternatives, and names in each, that a hint lists
_SHOWN_ALTERNATIVES = 12
_RANK = {"object": 2, "array": 1}
_NUMBERS = frozenset({"integer", "number"})


def of_one_kind(some: list[Flat]) -> Flat:
    """A schema that fits any of these, as far as one type allows: the richest type, and the others as a hint."""
    every = [kinds(branch) for branch in some]
    firsts = [each[0] for each in every]
    best = max(range(len(some)), key=lambda i: (_RANK.get(firsts[i], 0), -i))
    chosen = firsts[best]
    together = _NUMBERS if chosen in _NUMBERS else {chosen}
    alike = [branch for branch, each in zip(some, firsts, strict=True) if each in together]
    found = alike[0] if len(alike) == 1 else _alike(alike)
    if len(alike) > 1 and chosen in _NUMBERS:
        found.words["type"] = "number" if "number" in firsts else "integer"
    elif isinstance(found.words.get("type"), list):
        found.words["type"] = chosen  # the others are in the hint
    if others := [name for name in dict.fromkeys(chain(*every)) if name not in together]:
        found.hints.append(f"or: {', '.join(others)}")
    return found


def _alike(some: list[Flat]) -> Flat:
    """A schema that fits any of these nodes of one type."""
    first, *others = some
    words = {
        word: value
        for word, value in first.words.items()
        if word not in ("enum", "const") and all(other.words.get(word) == value for other in others)
    }
    literals = [branch.literals for branch in some]
    if all(literals):
        words["enum"] = [text for texts in literals for text in texts]
    found = Flat(words)
    found.words.setdefault("type", kind(first, [])[0])
    every: dict[str, list[Source]] = {}
    for branch in some:
        for name, sources in (branch.properties or {}).items():
            every.setdefault(name, []).append(one("all", sources))
    is_open = [not branch.properties and branch.more is not False for branch in some]
    if every:
        if any(is_open):  # one of them takes any object: no text is the only one
            for sources in every.values():
                sources.append(At({}))
        found.properties = {name: [one("any", sources)] for name, sources in every.items()}
        found.hints += _shown_alternatives(some)
    found.required = {name: None for name in first.required if all(name in other.required for other in others)}
    items = [source for branch in some for source in ([one("all", branch.items)] if branch.items else [])]
    items += [source for branch in some for source in branch.prefix or ()]
    found.items = [one("any", items)] if items else None
    mores = [branch.more for branch in some]
    some_open = True in mores or (bool(every) and any(is_open))
    closed = all(more is False for more in mores)
    found.more = next((more for more in mores if isinstance(more, At | Many)), False if closed else some_open or None)
    for branch in some:
        found.hints += (hint for hint in branch.hints if hint not in found.hints[:_SHOWN_ALTERNATIVES])
    return found


def _shown_alternatives(some: list[Flat]) -> list[str]:
    """Which properties go together: ``one of: {method: create, title}, {method: update, id}``."""
    shown = []
    for branch in some[:_SHOWN_ALTERNATIVES]:
        properties = branch.properties or {}
        told = {name: text for name, sources in properties.items() if (text := _only(sources))}
        names = dict.fromkeys([*told, *(name for name in branch.required if name in properties)])
        words = (f"{name}: {told[name]}" if name in told else name for name in list(names)[:_SHOWN_ALTERNATIVES])
        shown.append(f"{{{', '.join(words)}}}")
    different = list(dict.fromkeys(shown))
    return [f"one of: {', '.join(different)}"] if len(different) > 1 else []


def _only(sources: list[Source]) -> str:
    """The one text that a property may have; empty for any other."""
    value = sources[0].value if isinstance(sources[0], At) else None
    literals = Flat(value).literals if isinstance(value, dict) else []
    return literals[0] if len(literals) == 1 else ""
