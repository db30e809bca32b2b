"""Thought signatures on their way through clients that can't read them. Pure (translation.md 2.6).

Where a dialect has only one opaque place for a signature, it travels wrapped, ``agp1.<family>.<kind>.<base64>``: whose
it is, what it belongs to, and the signature as upstream sent it. Wrapped it also stands in a call's parts, until the
target is known; one of another family than the target's is as good as lost.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from antigravity_proxy.canonical.models import Family

#: what it belongs to: this thought, the next function call, the text before it; or there is none
Kind = Literal["t", "f", "x", "n"]

_MARK = "agp1."
_WRAPPED = re.compile(r"agp1\.([gc])\.([tfxn])\.([A-Za-z0-9+/=_-]*)")


class Carried(Struct, frozen=True):
    """A wrapped signature, read; ``family`` by its letter."""

    family: str
    kind: str
    value: str


def wrap(family: Family, kind: Kind, signature: str = "") -> str:
    """The signature for a client to carry."""
    return f"{_MARK}{_letter(family)}.{kind}.{signature}"


def unwrap(carried: str) -> Carried | None:
    """What a client brought back; None: it isn't ours."""
    found = _WRAPPED.fullmatch(carried)
    return Carried(found[1], found[2], found[3]) if found is not None else None


def fitting(signature: str, family: Family) -> str:
    """What a model of this family may see of it: all of one that isn't wrapped, nothing of another family's."""
    if not signature.startswith(_MARK):
        return signature
    carried = unwrap(signature)
    return carried.value if carried is not None and carried.family == _letter(family) else ""


def _letter(family: Family) -> str:
    return "c" if family == "claude" else "g"
