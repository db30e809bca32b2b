"""The event loop without a logging context around each event.

Twisted sets the log's "system" before every read and write, and takes it away again: a tenth of what a small request
costs, for a field that this daemon's log does not show.
"""

from __future__ import annotations

from typing import Any

from twisted.python import log

#: what this needs of Twisted's epoll reactor, private names
_NEEDED = ("_poller", "_selectables", "_doReadOrWrite", "doPoll")


def poll_plainly(reactor: Any) -> bool:
    """Has an epoll reactor handle its events as before, without a context. False where it is another kind."""
    if type(reactor).__name__ != "EPollReactor" or not all(hasattr(reactor, name) for name in _NEEDED):
        return False
    poll, selectables, handle = reactor._poller.poll, reactor._selectables, reactor._doReadOrWrite

    def do_poll(timeout: float | None) -> None:
        try:
            events = poll(-1 if timeout is None else timeout, len(selectables) or 1)
        except InterruptedError:
            return
        for fd, event in events:
            selectable = selectables.get(fd)
            if selectable is None:
                continue  # closed by an earlier event
            try:
                handle(selectable, fd, event)
            except Exception:
                log.err()

    reactor.doPoll = reactor.doIteration = do_poll
    return True
