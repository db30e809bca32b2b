"""The short queue for accounts that are all busy: first come, first served, for a moment, and not too many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

T = TypeVar("T")

#: requests that may wait; the next ones are refused at once
MAX_WAITING = 256
#: seconds that one waits
QUEUE_SECONDS = 2.0


class WaitingLine(Generic[T]):
    """Requests that wait for something that others give back. ``take`` gets it for one of them, or returns None."""

    __slots__ = ("_clock", "_line")

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._line: dict[Deferred[T | None], Callable[[], T | None]] = {}

    def __len__(self) -> int:
        return len(self._line)

    def join(self, take: Callable[[], T | None]) -> Deferred[T | None]:
        """Fires with what ``take`` got, or with None: when the time is up, or at once when too many wait."""
        waiter: Deferred[T | None] = Deferred(self._leave)
        if len(self._line) >= MAX_WAITING:
            waiter.callback(None)
            return waiter
        self._line[waiter] = take
        call = self._clock.callLater(QUEUE_SECONDS, self._give_up, waiter)

        def over(result: T | None) -> T | None:
            if call.active():
                call.cancel()
            return result

        return waiter.addBoth(over)

    def given_back(self) -> None:
        """Something is free: the first who can use it gets it."""
        for waiter, take in self._line.items():
            got = take()
            if got is not None:
                del self._line[waiter]
                waiter.callback(got)
                return

    def _give_up(self, waiter: Deferred[T | None]) -> None:
        del self._line[waiter]
        waiter.callback(None)

    def _leave(self, waiter: Deferred[T | None]) -> None:
        """Whoever waited has gone."""
        self._line.pop(waiter, None)
