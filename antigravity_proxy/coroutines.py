"""Drives a request's coroutine. Twisted's own driver costs a small request some 25 calls; this one a handful."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

T = TypeVar("T")


class Pending(Generic[T]):
    """A result that one coroutine waits for, once: a Deferred without callbacks, a third of its size and calls.

    ``on_cancel`` is called when the wait is cancelled, which then ends with CancelledError. Twisted's driver can await
    it too.
    """

    __slots__ = ("_error", "_fired", "_on_cancel", "_result", "then")

    def __init__(self, on_cancel: Callable[[], object]) -> None:
        self._on_cancel = on_cancel
        self._fired = False
        self._result: Any = None
        self._error: Exception | None = None
        #: goes on with the coroutine that waits
        self.then: Callable[[None], object] | None = None

    def fire(self, result: T | None) -> None:
        """This is the result; nothing if there is one."""
        if not self._fired:
            self._fired, self._result = True, result
            then, self.then = self.then, None
            if then is not None:
                then(None)

    def fail(self, error: Exception) -> None:
        """There is none: this is raised where it is waited for; nothing if there is one."""
        if not self._fired:
            self._error = error
            self.fire(None)

    def cancel(self) -> None:
        """Nobody wants it any more."""
        if not self._fired:
            self._on_cancel()
            self.fail(CancelledError())

    def __await__(self) -> Generator[Any, Any, T]:
        if not self._fired and (yield self) is self:  # Twisted's driver gives back what it does not know
            waits: Deferred[None] = Deferred(lambda _: self.cancel())
            self.then = waits.callback
            yield waits
        if self._error is not None:
            error, self._error = self._error, None
            try:
                raise error
            finally:
                del error  # which holds this frame
        result: T = self._result
        return result


#: a coroutine that may return another, which goes on in its place
Steps = Coroutine[Any, Any, "Steps | None"]


class Running:
    """A coroutine on its way, which may await Deferreds and Pendings.

    It begins with ``start`` and is run up to its first wait. What it returns, if anything, is a further coroutine: that
    is run in its place, and its own frame is gone. ``ended`` is called once, with None or the failure that came out of
    the last.
    """

    __slots__ = ("_coroutine", "_ended", "_waits_for")

    def __init__(self, coroutine: Steps, ended: Callable[[Failure | None], object]) -> None:
        self._coroutine = coroutine
        self._ended = ended
        self._waits_for: Deferred[Any] | Pending[Any] | None = None

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
        while True:
            try:
                if isinstance(result, Failure):
                    waits_for = result.throwExceptionIntoGenerator(self._coroutine)
                else:
                    waits_for = self._coroutine.send(result)
            except StopIteration as end:
                if end.value is None:
                    self._ended(None)
                    return
                self._coroutine, result = end.value, None
            except BaseException:
                self._ended(Failure())
                return
            else:
                break
        self._waits_for = waits_for
        if type(waits_for) is Pending:
            waits_for.then = self._go_on
        else:
            waits_for.addBoth(self._go_on)  # at once, if it has fired: a coroutine yields no Deferred that has
