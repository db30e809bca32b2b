"""The event loop with fewer steps for each event: the same events, timers, threads and errors as Twisted's own.

Twisted sets the log's "system" before every read and write, for a field that this daemon's log does not show; and it
looks after its timers and threads after each wakeup. Both together take as much as translating an event.
"""

from __future__ import annotations

import select
import sys
from collections.abc import Iterable
from typing import Any

from twisted.python import log

#: what this needs of Twisted's epoll reactor, most of it private names
_NEEDED = (
    "_disconnectSelectable",
    "_doReadOrWrite",
    "_justStopped",
    "_newTimedCalls",
    "_pendingTimedCalls",
    "_poller",
    "_selectables",
    "_started",
    "doPoll",
    "mainLoop",
    "runUntilCurrent",
    "threadCallQueue",
    "timeout",
)

#: seconds: a wait that epoll can be told
_LONGEST = 2_000_000.0


def poll_plainly(reactor: Any) -> bool:
    """Has an epoll reactor handle its events in fewer steps, once it runs. False where it is another kind."""
    if type(reactor).__name__ != "EPollReactor" or not all(hasattr(reactor, name) for name in _NEEDED):
        return False
    poll, selectables, handle = reactor._poller.poll, reactor._selectables, reactor._doReadOrWrite
    readable = select.EPOLLIN

    def take(events: Iterable[tuple[int, int]]) -> None:
        for fd, event in events:
            selectable = selectables.get(fd)
            if selectable is None:
                continue  # closed by an earlier event
            if event != readable:
                handle(selectable, fd, event)
                continue
            try:
                why = selectable.doRead()
            except BaseException:  # as Twisted: it is logged, and ends this connection alone
                why = sys.exc_info()[1]
                log.err()
            if why:
                reactor._disconnectSelectable(selectable, why, True)

    def do_poll(timeout: float | None) -> None:
        take(poll(-1 if timeout is None else timeout, len(selectables) or 1))

    def main_loop() -> None:
        while reactor._started:
            try:
                reactor.runUntilCurrent()
                timeout = reactor.timeout() if reactor.running else 0
                while True:
                    events = poll(-1 if timeout is None else timeout, len(selectables) or 1)
                    take(events)
                    if not events or reactor._newTimedCalls or reactor.threadCallQueue:
                        break
                    if reactor._justStopped or not reactor._started:
                        break
                    pending = reactor._pendingTimedCalls
                    timeout = min(pending[0].time - reactor.seconds(), _LONGEST) if pending else None
                    if timeout is not None and timeout <= 0:
                        break
            except BaseException:  # as Twisted's main loop, which ends by ``stop`` alone
                log.err()

    reactor.doPoll = reactor.doIteration = do_poll
    reactor.mainLoop = main_loop
    return True
