"""One piece of work, many waiters, each with a Deferred of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

T = TypeVar("T")


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
