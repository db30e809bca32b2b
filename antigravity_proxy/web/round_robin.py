"""Work that waits its turn: a few pieces in each turn of the reactor, so that no burst keeps the others waiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

#: pieces in one turn of the reactor; a piece is one small request
AT_ONCE = 8


class RoundRobin:
    """A queue of plain calls, in the order in which they came."""

    __slots__ = ("_call", "_clock", "_waiting")

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._waiting: deque[Callable[[], None]] = deque()
        self._call: IDelayedCall | None = None

    def add(self, work: Callable[[], None]) -> None:
        """Does the work in a later turn of the reactor."""
        self._waiting.append(work)
        if self._call is None:
            self._call = self._clock.callLater(0, self._turn)

    def _turn(self) -> None:
        self._call = None
        for _ in range(min(AT_ONCE, len(self._waiting))):
            self._waiting.popleft()()
        if self._waiting and self._call is None:
            self._call = self._clock.callLater(0, self._turn)
