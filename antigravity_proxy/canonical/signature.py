"""Whose a thought signature is: it means something to the family of models that made it, and to no other. Pure.

Where a client may go on with another model, its dialect says the maker with the signature; a signature without a maker
is taken for the target's own (translation.md 2.6). A remembered signature includes the upstream: one upstream's
signatures mean nothing to another (official-upstreams.md 4).
"""

from __future__ import annotations

#: in no base64 alphabet
_COLON = ":"
_AT = "@"


def made_by(maker: str, signature: str) -> str:
    """The signature with its maker, a family or `Model.maker`, as a part of a call holds it."""
    return maker + _COLON + signature


def bare(signature: str, maker: str) -> str:
    """The signature as it is sent to a model of this `Model.maker`; empty if another made it."""
    made, colon, rest = signature.rpartition(_COLON)
    fits = made == maker if _AT in made else made == maker.partition(_AT)[0]
    return rest if not colon or fits else ""
