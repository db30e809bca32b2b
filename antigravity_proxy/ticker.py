"""One slow clock for many deadlines: a busy connection notes the time, and moves no timer of its own."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

#: seconds between two ticks, and so the precision of every deadline that is watched here
INTERVAL = 1.0


class Ticked(Protocol):
    """Something with deadlines."""

    def tick(self, now: float) -> None:
        """Looks at its deadlines; ``now`` in monotonic seconds. May leave the ticker."""
        ...


class Ticker:
    """Ticks everything that is watched, once a second while there is anything."""

    __slots__ = ("_call", "_watched", "clock")

    def __init__(self, clock: IReactorTime) -> None:
        self.clock = clock
        self._watched: dict[Ticked, None] = {}  # a set of thousands takes twice as much
        self._call: IDelayedCall | None = None

    def watch(self, ticked: Ticked) -> None:
        """Ticks it from now on."""
        self._watched[ticked] = None
        if self._call is None:
            self._call = self.clock.callLater(INTERVAL, self._tick)

    def leave(self, ticked: Ticked) -> None:
        """Ticks it no more; does nothing if it is not watched."""
        self._watched.pop(ticked, None)

    def stop(self) -> None:
        """Ticks nothing more."""
        self._watched.clear()
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _tick(self) -> None:
        self._call = None
        now = self.clock.seconds()
        for ticked in list(self._watched):
            if ticked in self._watched:
                ticked.tick(now)
        if self._watched and self._call is None:  # a tick may have begun to watch something
            self._call = self.clock.callLater(INTERVAL, self._tick)
