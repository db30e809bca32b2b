"""How long upstream says to wait: its spellings of durations and times, in seconds. Pure (upstream.md 6.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

#: weekly quota buckets exist, nothing longer does
MAX_SECONDS = 8 * 86400.0

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_PART = r"(\d+(?:\.\d+)?)(ms|us|ns|h|m|s)"  # "ms" before "m"
_PARTS = re.compile(_PART)
_DURATION = re.compile(rf"(?:{_PART})+")
_IN_MESSAGE = (
    re.compile(r"reset(?:s)? (?:after|in) ((?:\d+(?:\.\d+)?(?:ms|us|ns|h|m|s))+)"),
    re.compile(r"retry in ((?:\d+(?:\.\d+)?(?:ms|us|ns|h|m|s))+)"),
    re.compile(r"retry after (\d+(?:\.\d+)? ?s)"),
)


def clamp(seconds: float) -> float:
    """A stated delay as it is used: nothing or less becomes 1 s, the upper bound is 8 days."""
    return 1.0 if seconds <= 0 else min(seconds, MAX_SECONDS)


def duration(value: Any) -> float | None:
    """Seconds of ``13h19m1.2s``, ``479.417207ms`` or ``{"seconds": 3, "nanos": 5}``; None for anything else."""
    if isinstance(value, Mapping):
        seconds, nanos = value.get("seconds", 0), value.get("nanos", 0)
        try:
            return float(seconds) + float(nanos) / 1e9
        except (TypeError, ValueError):
            return None
    if isinstance(value, str) and _DURATION.fullmatch(value.strip()):
        return sum(float(number) * _UNITS[unit] for number, unit in _PARTS.findall(value))
    return None


def timestamp(value: Any) -> float | None:
    """Epoch seconds of an RFC 3339 time; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def http_date(value: str | None) -> float | None:
    """Epoch seconds of an HTTP date (RFC 9110 5.6.7); None for anything else."""
    if not value:
        return None
    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds of a ``Retry-After`` header (RFC 9110 10.2.3), a number or a date; ``now`` in epoch seconds."""
    if not value:
        return None
    if value.strip().isdigit():
        return float(value)
    moment = http_date(value)
    return None if moment is None else moment - now


def in_message(message: str) -> float | None:
    """Seconds named in a sentence: "reset after 1h2m3s", "retry after 5 s", "Please retry in 12.3s"."""
    for pattern in _IN_MESSAGE:
        if found := pattern.search(message):
            return duration(found[1].replace(" ", ""))
    return None
