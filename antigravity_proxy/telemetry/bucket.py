"""How often something may happen: a token bucket. Pure."""

from __future__ import annotations


class Bucket:
    """Lets ``burst`` pass at once, and ``rate`` a second in the long run."""

    __slots__ = ("_burst", "_left", "_rate", "_then")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._then = 0.0

    def take(self, now: float) -> bool:
        """Whether one more may pass; ``now`` in monotonic seconds."""
        self._left = min(self._burst, self._left + (now - self._then) * self._rate)
        self._then = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
