"""The conversation that a body names: only a hint, so it is never an error (clients.md 8). Pure."""

from __future__ import annotations

from typing import Any

import msgspec

#: a longer text is not a name
MAX_NAME = 512


class _UserId(msgspec.Struct):
    """Claude Code's ``metadata.user_id``: JSON in a text (older versions: words around ``_session_``)."""

    session_id: str = ""


def session_name(*hints: Any) -> str:
    """The first hint that is a name; empty if none is. The most reliable comes first.

    An object counts for its ``user_id``, and one of Claude Code's for the session in it: a header names that too.
    """
    for hint in hints:
        if hint is None:
            continue
        name = hint.get("user_id") if isinstance(hint, dict) else hint
        if isinstance(name, str):
            name = _session_id(name) if name.startswith("{") else name.rpartition("_session_")[2] or name
        if isinstance(name, str) and 0 < len(name) <= MAX_NAME:
            return name
    return ""


def _session_id(text: str) -> str:
    try:
        return msgspec.json.decode(text, type=_UserId).session_id or text
    except (msgspec.MsgspecError, RecursionError):
        return text
