"""The place of a value in a TOML file, for errors: the parser itself keeps no lines. Pure."""

from __future__ import annotations

import re
import tomllib


def line_of(text: str, table: tuple[str, ...], number: int = 0, field: str = "") -> int:
    """The line of a field, else that of its table; counted from 1. 1 if neither is found.

    ``table`` is the path of a header, ``number`` counts those that are alike: an array's. The text is valid TOML.
    """
    lines = text.split("\n")
    headers = [(i, _path(line)) for i, line in enumerate(lines) if line.lstrip().startswith("[")]
    starts = [i for i, path in headers if path == table]
    if number >= len(starts):  # an inline table, or dotted keys
        return 1 + next((i for i, line in enumerate(lines) if table and table[-1] in line), 0)
    start = starts[number]
    end = min((i for i, _ in headers if i > start), default=len(lines))
    named = re.compile(rf"\s*[\"']?{re.escape(field)}[\"']?\s*[=.]")
    return 1 + next((i for i in range(start, end) if field and named.match(lines[i])), start)


def _path(header: str) -> tuple[str, ...]:
    """The keys of a header's line; empty: it is not a header."""
    try:
        value: object = tomllib.loads(header)
    except tomllib.TOMLDecodeError:
        return ()  # a line of an array, or of a text
    path: list[str] = []
    while value:
        value = value[0] if isinstance(value, list) else value
        if not isinstance(value, dict) or not value:
            break
        key, value = next(iter(value.items()))
        path.append(key)
    return tuple(path)
