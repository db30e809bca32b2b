"""Values that are made on demand, but not too often. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from antigravity_proxy.telemetry.bucket import Bucket

K = TypeVar("K")
T = TypeVar("T")


class Kept(Generic[K, T]):
    """The last value for each of few keys. All together are made ``rate`` times a second, ``burst`` times at once.

    A caller that asks more often gets the last one. ``clock`` gives monotonic seconds.
    """

    def __init__(self, rate: float, burst: float, clock: Callable[[], float]) -> None:
        self._bucket = Bucket(rate, burst)
        self._clock = clock
        self._values: dict[K, T] = {}

    def get(self, key: K, make: Callable[[], T]) -> T:
        """The value: made now if that is not too often, or there is none yet."""
        if not self._bucket.take(self._clock()) and key in self._values:
            return self._values[key]
        value = self._values[key] = make()
        return value
