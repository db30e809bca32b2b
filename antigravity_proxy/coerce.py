"""Values that somebody else writes: what has the right type counts, all else reads as absent or is bounded. Pure."""

from __future__ import annotations

import math
from typing import Any

#: the last moment that a date can have, in epoch seconds: the end of the year 9999
_LAST = 253_402_300_799.0
#: seconds of the longest wait that is ever stated to a client
_YEAR = 366 * 86_400


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


def dated(epoch: float) -> float:
    """A moment (epoch seconds) between 1970 and 9999: other systems' numbers may not be dates at all."""
    return 0.0 if math.isnan(epoch) else max(0.0, min(_LAST, epoch))


def wait(seconds: float) -> int:
    """A wait in whole seconds, from 1 to a year."""
    return 1 if math.isnan(seconds) else max(1, math.ceil(round(min(_YEAR, max(0.0, seconds)), 6)))
