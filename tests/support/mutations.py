"""JSON with one value replaced, at any place: what a decoder must take or refuse clearly."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from antigravity_proxy.dialect.base import Decoded, Stamp
from antigravity_proxy.errors import BadRequest

Path = tuple[str | int, ...]

#: values that fit next to nothing
WRONG: list[Any] = [
    None,
    True,
    5,
    -1,
    1.5,
    1e300,
    10**30,
    "",
    "x",
    "\x00",
    [],
    [[]],
    [None],
    {},
    {"a": 1},
    {"type": "x"},
]


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every place in a JSON value."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths(inner, (*path, key))


def at(value: Any, path: Path) -> Any:
    """What stands at a place."""
    for key in path:
        value = value[key]
    return value


def replaced(value: Any, path: Path, new: Any) -> Any:
    """The JSON with another value at that place."""
    changed = json.loads(json.dumps(value))
    at(changed, path[:-1])[path[-1]] = new
    return changed


def as_param(path: Path) -> str:
    """The place as an error names it."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")


def of_another_type(value: Any) -> Any:
    """A value whose type is wrong where ``value`` stands."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return "5" if is_number else 5


def attempt(decode: Callable[[bytes], Decoded], request: Any) -> Decoded | BadRequest:
    """What the decoder makes of the request, or its refusal."""
    try:
        return decode(json.dumps(request).encode())
    except BadRequest as e:
        return e


def is_harmless(outcome: Decoded | BadRequest) -> bool:
    """Whether it is a clear refusal, or a call that can be sent and answered."""
    if isinstance(outcome, BadRequest):
        return bool(outcome.message)
    answer = outcome.new_answer(Stamp(0, lambda count: "0" * count))
    return bool(msgspec.json.encode(outcome.call) and answer.close())
