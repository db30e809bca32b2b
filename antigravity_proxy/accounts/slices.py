"""Long work on the reactor's thread, a slice at a time, so that nobody waits for the whole of it."""

from __future__ import annotations

from collections.abc import Iterator

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime


class Slices:
    """Runs one generator at a time, from one ``yield`` to the next in each turn of the reactor."""

    __slots__ = ("_clock", "_done", "_next", "_work")

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._work: Iterator[None] = iter(())
        self._done: Deferred[None] = Deferred()
        self._next: object | None = None

    @property
    def busy(self) -> bool:
        """Whether work is under way."""
        return self._next is not None

    def run(self, work: Iterator[None]) -> Deferred[None]:
        """Begins at once; fires when it is through, or fails as it does. What was under way is given up, unfired."""
        self._work, self._done = work, Deferred()
        done = self._done
        if self._next is None:
            self._go_on()
        return done

    def _go_on(self) -> None:
        self._next = None
        try:
            for _ in self._work:
                self._next = self._clock.callLater(0, self._go_on)
                return
        except Exception:
            self._done.errback()
        else:
            self._done.callback(None)
