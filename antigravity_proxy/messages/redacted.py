"""Thoughts that Anthropic hides, in the neutral form: a thought without text whose signature says so. Pure.

Their data goes back as it came, and clients of any dialect carry a signature faithfully.
"""

from __future__ import annotations

#: in the alphabet of signatures, and nothing that one begins with
_MARK = "redacted-thinking-"


def redacted(data: str) -> str:
    """The data as a signature."""
    return _MARK + data


def data_of(signature: str) -> str:
    """The data of a signature that is one; empty for a true signature."""
    return signature.removeprefix(_MARK) if signature.startswith(_MARK) else ""
