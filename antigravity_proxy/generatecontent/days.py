"""When a daily quota resets: midnight UTC or Pacific, which is not documented for sure. Pure.

(official-upstreams.md 6.2)
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_DAY = 86_400
#: seconds after midnight, since clocks differ; and the least time that is waited
_AFTER = 60.0
_LEAST = 900.0


def daily_resets(now: float) -> tuple[float, float]:
    """Seconds from ``now`` (epoch seconds) to the earlier and to the later of the next midnights there."""
    to_utc = _DAY - now % _DAY
    pacific = now + _offset(now)
    to_pacific = _DAY - pacific % _DAY
    first, second = sorted((to_utc, to_pacific))
    return max(first + _AFTER, _LEAST), max(second + _AFTER, _LEAST)


def _offset(now: float) -> int:
    """Seconds that Pacific time is behind UTC, negative: by daylight saving time as the law has it since 2007."""
    moment = datetime.fromtimestamp(now, UTC)
    begins = _sunday(moment.year, 3, 2) + timedelta(hours=10)
    ends = _sunday(moment.year, 11, 1) + timedelta(hours=9)
    return -7 * 3600 if begins <= moment < ends else -8 * 3600


def _sunday(year: int, month: int, number: int) -> datetime:
    """The first, second, … Sunday of a month."""
    first = datetime(year, month, 1, tzinfo=UTC)
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (number - 1))
