"""Whose a thought signature is: it means something to the family of models that made it, and to no other. Pure.

Where a client may go on with another model, its dialect says the maker with the signature; a signature without a maker
is taken for the target's own (translation.md 2.6).
"""

from __future__ import annotations

from antigravity_proxy.canonical.models import Family

#: in no base64 alphabet
_COLON = ":"


def made_by(family: Family, signature: str) -> str:
    """The signature with its maker, as a part of a call holds it."""
    return family + _COLON + signature


def bare(signature: str, family: Family) -> str:
    """The signature as it is sent to a model of this family; empty if another family made it."""
    maker, colon, rest = signature.rpartition(_COLON)
    return rest if not colon or maker == family else ""
