"""Every pattern that may meet foreign text costs linear time: it is run on up to a megabyte of its own prefixes.

All compiled patterns at the top of the package's modules are found, whoever adds them. What is tried is made from the
pattern itself: strings that match it, cut and repeated, and each of their characters, repeated.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import pytest

import antigravity_proxy

#: characters of the texts: eight times as many each time, so that a quadratic pattern takes 64 times as long
GROWTH = 8
LENGTHS = (1 << 11, 1 << 14, 1 << 17)
MEGABYTE = 1 << 20
#: CPU seconds for the longest; and those that are nothing
BOUND, NOTHING = 0.05, 0.002


class Found(NamedTuple):
    """A pattern, and the methods by which its module uses it."""

    name: str
    pattern: re.Pattern[Any]
    methods: tuple[str, ...]


def patterns() -> Iterator[Found]:
    for module in pkgutil.walk_packages(antigravity_proxy.__path__, "antigravity_proxy."):
        if module.name.endswith("__main__"):
            continue
        try:
            loaded = importlib.import_module(module.name)
        except ImportError:  # an extra that is not installed
            continue
        source = inspect.getsource(loaded)
        for name, value in vars(loaded).items():
            if isinstance(value, re.Pattern):
                used = set(re.findall(rf"\b{name}\.(fullmatch|match|search|sub|subn|split|findall|finditer)\b", source))
                methods = {each if each in ("fullmatch", "match") else "search" for each in used} or {"search"}
                yield Found(f"{module.name.removeprefix('antigravity_proxy.')}.{name}", value, tuple(sorted(methods)))


FOUND = [*{id(each.pattern): each for each in patterns()}.values()]


def examples(parsed: Any, more: int) -> str:
    """A text that the parsed pattern matches, or nearly; each repeat is taken ``more`` times above its least."""
    out = ""
    for kind, argument in parsed:
        name = str(kind)
        if name == "LITERAL":
            out += chr(argument)
        elif name == "NOT_LITERAL":
            out += "b" if chr(argument) == "a" else "a"
        elif name == "ANY":
            out += "a"
        elif name == "IN":
            out += member(argument)
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            least, most, what = argument
            out += examples(what, more) * min(least + more, int(most))
        elif name == "SUBPATTERN":
            out += examples(argument[3], more)
        elif name == "ATOMIC_GROUP":
            out += examples(argument, more)
        elif name == "BRANCH":
            out += examples(argument[1][more % len(argument[1])], more)
        elif name in ("ASSERT",):
            out += examples(argument[1], more)
    return out


def member(choices: Any) -> str:
    """A character of a class."""
    kinds = [(str(kind), argument) for kind, argument in choices]
    if kinds[0][0] == "NEGATE":
        return next(each for each in "ax1 -\n" if not any(takes(kind, what, each) for kind, what in kinds[1:]))
    for kind, argument in kinds:
        if kind == "LITERAL":
            return chr(argument)
        if kind == "RANGE":
            return chr(argument[0])
    return {"CATEGORY_DIGIT": "1", "CATEGORY_SPACE": " "}.get(str(kinds[0][1]), "a")


def takes(kind: str, argument: Any, character: str) -> bool:
    if kind == "LITERAL":
        return chr(argument) == character
    if kind == "RANGE":
        return bool(argument[0] <= ord(character) <= argument[1])
    classes = {"CATEGORY_DIGIT": r"\d", "CATEGORY_SPACE": r"\s", "CATEGORY_WORD": r"\w", "CATEGORY_NOT_SPACE": r"\S"}
    return bool(re.match(classes.get(str(argument), "$"), character))


def texts(pattern: re.Pattern[Any], length: int) -> Iterator[Any]:
    """What may cost this pattern much: prefixes of what it matches, over and over."""
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    parsed = re._parser.parse(text, pattern.flags & ~re.UNICODE & ~re.DEBUG)  # type: ignore[attr-defined]
    matched = {examples(parsed, more) for more in range(8)}
    pieces = {each[:end] for each in matched for end in (1, 2, 3, 5, 8, 13, len(each)) if end <= len(each)}
    pieces |= {character for each in matched for character in each[:40]}
    pieces |= {f"{each[:1]}{other}" for each in matched for other in "a@. -"}
    for piece in sorted(pieces - {""}):
        whole = piece * (length // len(piece))
        yield whole if isinstance(pattern.pattern, str) else whole.encode("latin-1", "replace")


def cost(found: Found, text: Any) -> float:
    """CPU seconds of the slowest of the pattern's uses; of a search, for the first thousand finds."""
    costs = []
    for method in found.methods:
        began = time.process_time()
        if method == "search":
            for _ in islice(found.pattern.finditer(text), 1000):
                pass
        else:
            getattr(found.pattern, method)(text)
        costs.append(time.process_time() - began)
    return max(costs)


def test_there_are_patterns() -> None:
    names = {each.name for each in FOUND}
    assert {"logs._SECRETS", "logs._INVISIBLE"} <= names
    assert len(names) > 30


@pytest.mark.parametrize("longest", [LENGTHS[-1], pytest.param(MEGABYTE, marks=pytest.mark.hostile)])
@pytest.mark.parametrize("found", FOUND, ids=[each.name for each in FOUND])
def test_a_pattern_costs_linear_time(found: Found, longest: int) -> None:
    """Little, or no more than a longer text of the same kind costs anyway. The megabyte: ``make test-hostile``."""
    before = dict.fromkeys(texts(found.pattern, LENGTHS[0]), NOTHING)
    for length in dict.fromkeys((*LENGTHS, longest)):
        costs = {}
        for text, earlier in before.items():
            whole = (text * (length // len(text) + 1))[:length]
            bound = max(NOTHING, 3 * GROWTH * earlier, BOUND if length == longest else 0.0)
            costs[text] = next((each for _ in range(3) if (each := cost(found, whole)) < bound), bound)
            assert costs[text] < bound, (found, text[:40], length)
        slowest = sorted(costs, key=lambda text: costs[text], reverse=True)
        before = {text: costs[text] for text in slowest[: len(slowest) // 4 + 1]}
