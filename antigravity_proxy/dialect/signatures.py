"""Thought signatures on their way through dialects that treat them as opaque strings (translation.md 2.6). Pure.

``agp1.<family>.<kind>.<base64>``: which family of models made it, and which part it belongs to.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from antigravity_proxy.canonical.models import Family
from antigravity_proxy.canonical.signature import made_by

#: ``t`` belongs to this thought, ``f`` to the next function call of the turn, ``x`` to the text before; ``n``: none
Kind = Literal["t", "f", "x", "n"]

_LETTERS: dict[Family, str] = {"gemini": "g", "claude": "c"}
_FAMILIES: dict[str, Family] = {letter: family for family, letter in _LETTERS.items()}
_WRAPPED = re.compile(r"agp1\.([gc])\.([tfxn])\.([A-Za-z0-9+/_=-]*)")


class Signature(Struct, frozen=True):
    """A signature that came back; ``text`` is as a part of a call holds it."""

    kind: Kind
    text: str


def family_of(model: str) -> Family:
    """The family of an upstream model, for what it signs."""
    return "claude" if model.startswith("claude") else "gemini"


def wrap(family: Family, kind: Kind, signature: str = "") -> str:
    """The signature as the client gets it."""
    return f"agp1.{_LETTERS[family]}.{kind}.{signature}"


def unwrap(wrapped: str) -> Signature | None:
    """The signature that the client gave back; None for one that isn't ours, or is empty."""
    found = _WRAPPED.fullmatch(wrapped)
    if found is None or found[2] == "n" or not found[3]:
        return None
    kind: Kind = found[2]  # type: ignore[assignment]
    return Signature(kind, made_by(_FAMILIES[found[1]], found[3]))


def thought_signature(wrapped: str) -> str | None:
    """A thought's signature as a part of a call holds it; empty for another kind, None for what isn't ours."""
    if not wrapped.startswith("agp1."):
        return None
    found = unwrap(wrapped)
    return found.text if found is not None and found.kind == "t" else ""
