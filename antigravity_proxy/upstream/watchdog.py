"""Notices silence: a timer that a busy stream does not have to move for every byte."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Watchdog:
    """Calls ``bark`` once when nobody patted it for ``interval`` seconds; a pat only notes the time."""

    __slots__ = ("_bark", "_call", "_clock", "_interval", "_last")

    def __init__(self, clock: IReactorTime, interval: float, bark: Callable[[], None]) -> None:
        self._clock = clock
        self._interval = interval
        self._bark = bark
        self._last = clock.seconds()
        self._call: IDelayedCall | None = clock.callLater(interval, self._check)

    def pat(self) -> None:
        """Something happened just now."""
        self._last = self._clock.seconds()

    def restart(self) -> None:
        """Watches again from now on."""
        self.pat()
        if self._call is None:
            self._call = self._clock.callLater(self._interval, self._check)

    def stop(self) -> None:
        """Watches no more, until restarted."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _check(self) -> None:
        self._call = None
        left = self._last + self._interval - self._clock.seconds()
        if left > 0:
            self._call = self._clock.callLater(left, self._check)
        else:
            self._bark()
