"""Accounts that this proxy leaves alone, kept in the volume's ``settings`` table under a key of our own. Pure.

The desktop app ignores keys that it doesn't know, so a pause is ours alone: it survives restarts, and all replicas on
the volume see it.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

#: the row's key; its value is a JSON array of account ids
KEY = "antigravity_proxy.paused.v1"


def parse(value: object) -> frozenset[str]:
    """The ids of the paused accounts: the strings of a JSON array; none of any other value."""
    if not isinstance(value, str):
        return frozenset()
    try:
        found = msgspec.json.decode(value.encode("utf-8", "surrogateescape"))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return frozenset()
    return frozenset(each for each in found if isinstance(each, str)) if isinstance(found, list) else frozenset()


def compose(ids: Iterable[str]) -> str:
    """The value for these ids."""
    return msgspec.json.encode(sorted(ids)).decode()
