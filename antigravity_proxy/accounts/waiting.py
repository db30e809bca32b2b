"""Waiting for something that others give back, and for a piece of work that somebody has begun."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

T = TypeVar("T")

#: requests that may wait; the next ones are refused at once
MAX_WAITING = 256
#: seconds that one waits
QUEUE_SECONDS = 2.0


class WaitingLine(Generic[T]):
    """Requests that wait for something that others give back. ``take`` gets it for one of them, or returns None."""

    __slots__ = ("_clock", "waiting")

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        #: who waits, the first first; only the methods change it
        self.waiting: dict[Deferred[T | None], Callable[[], T | None]] = {}

    def __len__(self) -> int:
        return len(self.waiting)

    def join(self, take: Callable[[], T | None]) -> Deferred[T | None]:
        """Fires with what ``take`` got, or with None: when the time is up, or at once when too many wait."""
        waiter: Deferred[T | None] = Deferred(self._leave)
        if len(self.waiting) >= MAX_WAITING:
            waiter.callback(None)
            return waiter
        self.waiting[waiter] = take
        call = self._clock.callLater(QUEUE_SECONDS, self._give_up, waiter)

        def over(result: T | None) -> T | None:
            if call.active():
                call.cancel()
            return result

        return waiter.addBoth(over)

    def given_back(self) -> None:
        """Something is free: the first who can use it gets it."""
        for waiter, take in self.waiting.items():
            got = take()
            if got is not None:
                del self.waiting[waiter]
                waiter.callback(got)
                return

    def _give_up(self, waiter: Deferred[T | None]) -> None:
        del self.waiting[waiter]
        waiter.callback(None)

    def _leave(self, waiter: Deferred[T | None]) -> None:
        """The waiting request has gone."""
        self.waiting.pop(waiter, None)


class SingleFlight(Generic[T]):
    """Runs a piece of work once for all who ask while it runs.

    Two coroutines must never await one Deferred (the second would get None), and a waiter that is cancelled must not
    hurt the others: so each gets its own, and the work itself goes on.
    """

    __slots__ = ("_waiters", "_work")

    def __init__(self) -> None:
        self._waiters: dict[object, list[Deferred[T]]] = {}
        self._work: dict[object, Deferred[T]] = {}

    def do(self, key: object, start: Callable[[], Deferred[T]]) -> Deferred[T]:
        """Waits for the work under ``key``, starting it if it is not under way."""
        mine: Deferred[T] = Deferred(lambda d: self._leave(key, d))
        waiters = self._waiters.get(key)
        if waiters is not None:
            waiters.append(mine)
            return mine
        self._waiters[key] = [mine]

        def fan_out(result: T | Failure) -> None:
            self._work.pop(key, None)
            for waiter in self._waiters.pop(key):
                waiter.callback(result)  # a Failure is passed on as a failure

        work = maybeDeferred(start)
        self._work[key] = work
        work.addBoth(fan_out)
        return mine

    def cancel(self) -> None:
        """Ends all work that is under way; its waiters fail."""
        for work in list(self._work.values()):
            work.cancel()

    def running(self, key: object) -> bool:
        """Whether the work under ``key`` is under way."""
        return key in self._waiters

    def _leave(self, key: object, waiter: Deferred[T]) -> None:
        if waiter in self._waiters.get(key, ()):
            self._waiters[key].remove(waiter)
