"""Values out of files that somebody else writes: what has the right type counts, all else reads as absent. Pure."""

from __future__ import annotations

import math
from typing import Any


def text(value: object) -> str | None:
    """The text without surrounding white space; None if it is blank or no text."""
    return value.strip() or None if isinstance(value, str) else None


def number(value: object) -> float | None:
    """A finite number; None for anything else, ``true`` and numbers too large for a float included."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def mapping(value: object) -> dict[str, Any]:
    """The object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}
