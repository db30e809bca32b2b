"""Drives a request's coroutine. Twisted's own driver costs a small request some 25 calls; this one a handful."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

#: a coroutine that may return another, which goes on in its place
Steps = Coroutine[Deferred[Any], Any, "Steps | None"]


class Running:
    """A coroutine on its way, which may await Deferreds. It begins with ``start`` and is run up to its first wait.

    What it returns, if anything, is a further coroutine: that is run in its place, and its own frame is gone.
    ``ended`` is called once, with None or the failure that came out of the last.
    """

    __slots__ = ("_coroutine", "_ended", "_waits_for")

    def __init__(self, coroutine: Steps, ended: Callable[[Failure | None], object]) -> None:
        self._coroutine = coroutine
        self._ended = ended
        self._waits_for: Deferred[Any] | None = None

    def start(self) -> None:
        """Runs it as far as it goes."""
        self._go_on(None)

    def cancel(self) -> None:
        """Cancels what it waits for, which is then raised in it, mostly as CancelledError. Nothing if it has ended."""
        if self._waits_for is not None:
            self._waits_for.cancel()

    def _go_on(self, result: Any) -> None:
        """What was awaited has this result, or has failed."""
        self._waits_for = None
        try:
            if isinstance(result, Failure):
                waits_for = result.throwExceptionIntoGenerator(self._coroutine)
            else:
                waits_for = self._coroutine.send(result)
        except StopIteration as end:
            if end.value is None:
                self._ended(None)
            else:
                self._coroutine = end.value
                self._go_on(None)
        except BaseException:
            self._ended(Failure())
        else:
            self._waits_for = waits_for
            waits_for.addBoth(self._go_on)  # at once, if it has fired: a coroutine yields no Deferred that has
