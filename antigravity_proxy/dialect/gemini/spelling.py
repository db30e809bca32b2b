"""Gemini's two spellings: clients mix camelCase and snake_case in one request (clients.md 7). Pure."""

from __future__ import annotations

import functools
from typing import Any

#: what stands below these is the client's own data or schema: not ours to respell
_OPAQUE = frozenset(
    {"args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema", "labels"}
)


def to_camel(value: Any) -> Any:
    """The value with every known level's keys in camelCase; where both spellings stand, the camelCase one wins."""
    if isinstance(value, list):
        return [to_camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    out: dict[str, Any] = {}
    for key, item in value.items():
        name = _camel(key)
        if name in out and name != key:
            continue
        out[name] = item if name in _OPAQUE else to_camel(item)
    return out


@functools.lru_cache(maxsize=512)
def _camel(key: str) -> str:
    first, *rest = key.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest) if first else key
