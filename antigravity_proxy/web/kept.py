"""What was made once and is good for a moment. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
T = TypeVar("T")


class Kept(Generic[K, T]):
    """One value for each of few keys, kept for so many ``seconds`` by the monotonic ``clock``."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._values: dict[K, tuple[float, T]] = {}

    def get(self, key: K, make: Callable[[], T]) -> T:
        """The value; ``make`` is called where there is none, or none that is fresh."""
        now = self._clock()
        found = self._values.get(key)
        if found is not None and now < found[0]:
            return found[1]
        value = make()
        self._values[key] = (now + self._seconds, value)
        return value
