"""The daemon's own signal handlers beyond Twisted's: end at once, re-read, reopen."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

#: they ask for an orderly end; SIGBREAK is Windows'
_ENDING = ("SIGTERM", "SIGINT", "SIGBREAK")


def end_at_once(number: int, frame: Any) -> None:
    """Ends the process by the signal, without a traceback: nothing has begun that would have to be finished."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(0)  # still here: process 1 of a container, to which the kernel sends no signal that it doesn't handle


def hear_from_now_on() -> None:
    """Until the reactor has its handlers a signal ends the process at once, as process 1 of a container too."""
    for name in _ENDING:
        number = getattr(signal, name, None)  # some systems don't have all
        if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, end_at_once)


class Signals:
    """Handlers of signals, on top of the reactor's own.

    The first SIGTERM (or Ctrl-C) stops the reactor, as Twisted has it, so that the daemon drains; a second one ends the
    process at once. SIGHUP calls ``reload``, SIGUSR1 ``reopen``, both on the reactor's thread.
    """

    def __init__(self, reactor: Any, reload: Callable[[], None], reopen: Callable[[], None]) -> None:
        self._reactor = reactor
        self._calls = {"SIGHUP": reload, "SIGUSR1": reopen}
        self._before: dict[int, Any] = {}
        self._is_ending = False

    def install(self) -> None:
        """Takes over; the reactor must have installed its handlers."""
        for name in _ENDING:
            self._handle(name, self._end)
        for name, call in self._calls.items():
            self._handle(name, self._later(call))

    def _later(self, call: Callable[[], None]) -> Callable[[int, Any], None]:
        return lambda number, frame: self._reactor.callFromThread(call)

    def _handle(self, name: str, handler: Callable[[int, Any], None]) -> None:
        number = getattr(signal, name, None)  # some systems don't have all
        if number is not None:
            before = signal.signal(number, handler)
            # Twisted leaves Ctrl-C to an existing handler
            self._before[number] = self._reactor.sigInt if before is end_at_once else before

    def _end(self, number: int, frame: Any) -> None:
        before = self._before[number]
        if not self._is_ending and callable(before):
            self._is_ending = True
            before(number, frame)
            return
        end_at_once(number, frame)
