"""How long upstream says to wait: its spellings of durations and times, in seconds. Pure (upstream.md 6.2).

Nothing here raises: a value that can't be read is absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from antigravity_proxy import coerce

#: weekly quota buckets exist, nothing longer does
MAX_SECONDS = 8 * 86400.0
#: characters; no time or duration takes more
_MAX_LENGTH = 64

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_NUMBER = r"(\d{1,15}(?:\.\d{1,12})?)"
_PARTS = re.compile(_NUMBER + r"(ms|us|ns|h|m|s)", re.ASCII)  # "ms" before "m"
_DURATION = re.compile(rf"(?:{_PARTS.pattern})+", re.ASCII)
#: the same as people write it: "1 hour and 5 minutes"
_IN_WORDS = _NUMBER + (
    r" ?(milliseconds?|days?|hours?|minutes?|seconds?|hrs?|mins?|secs?|ms|us|ns|d|h|m|s)(?![A-Za-z])"
)
_WORDED = re.compile(_IN_WORDS, re.ASCII | re.I)
_LEAD = r"\b(?:resets?|retry|try again|wait|available(?: again)?|unlocks?)(?: (?:after|in|for))?:? "
_IN_MESSAGE = re.compile(
    rf"{_LEAD}(?:about |another |at least )?((?:{_IN_WORDS}(?:,? (?:and )?)?){{1,6}})",
    re.ASCII | re.I,
)
_AT_IN_MESSAGE = re.compile(r"\b(?:resets?|again|until)(?: (?:at|on|after))?:? (\d{4}-\d\d-\d\dT[\d:.+Z-]{5,40})", re.I)


def clamp(seconds: float) -> float:
    """A stated delay as it is used: nothing or less becomes 1 s, the upper bound is 8 days."""
    return min(seconds, MAX_SECONDS) if seconds > 0 else 1.0


def duration(value: Any) -> float | None:
    """Seconds of ``13h19m1.2s``, ``479.417207ms`` or ``{"seconds": 3, "nanos": 5}``; None for anything else."""
    if isinstance(value, Mapping):
        seconds, nanos = _number(value.get("seconds", 0)), _number(value.get("nanos", 0))
        return None if seconds is None or nanos is None else seconds + nanos / 1e9
    if isinstance(value, str) and len(value) <= _MAX_LENGTH and _DURATION.fullmatch(value.strip()):
        return sum(float(number) * _UNITS[unit] for number, unit in _PARTS.findall(value))
    return None


def timestamp(value: Any) -> float | None:
    """Epoch seconds of an RFC 3339 time; None for anything else."""
    if not isinstance(value, str) or len(value) > _MAX_LENGTH:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def http_date(value: str | None) -> float | None:
    """Epoch seconds of an HTTP date (RFC 9110 5.6.7); None for anything else."""
    if not value or len(value) > _MAX_LENGTH:
        return None
    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds of a ``Retry-After`` header (RFC 9110 10.2.3), a number or a date; ``now`` in epoch seconds."""
    if not value or len(value) > _MAX_LENGTH:
        return None
    if value.strip().isdecimal():
        return float(value)
    moment = http_date(value)
    return None if moment is None else moment - now


def in_message(message: str, now: float = 0.0) -> float | None:
    """Seconds named in a sentence: "reset after 1h2m3s", "Retry in 5 minutes.", "try again at 2026-11-24T10:20:01Z".

    ``now`` in epoch seconds, for a sentence that names a time.
    """
    if found := _IN_MESSAGE.search(message):
        return sum(float(number) * _UNITS[_unit(name)] for number, name in _WORDED.findall(found[1] + " "))
    if (named := _AT_IN_MESSAGE.search(message)) and (moment := timestamp(named[1].rstrip("."))) is not None:
        return moment - now
    return None


def _unit(name: str) -> str:
    """The short name of a unit: the first letter of its long one."""
    name = name.lower()
    return name if name in _UNITS else "ms" if name.startswith("milli") else name[0]


def _number(value: Any) -> float | None:
    """A finite number; proto JSON writes 64-bit ones as text."""
    if isinstance(value, str) and len(value) <= _MAX_LENGTH:
        try:
            value = float(value)
        except ValueError:
            return None
    return coerce.number(value)
