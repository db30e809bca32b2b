"""The event loop with fewer steps around each event.

Twisted sets the log's "system" before every read and write, and takes it away again, for a field that this daemon's log
does not show; it looks for timed calls and for those of threads before each look for events, and reads a socket through
three calls. Of a small request that is a tenth, of an event of a stream more.
"""

from __future__ import annotations

from select import EPOLLIN
from typing import Any

from twisted.python import log

from antigravity_proxy.http1.sending import PLAIN

#: what this needs of Twisted's epoll reactor, most of it private names
_NEEDED = (
    "_poller",
    "_selectables",
    "_doReadOrWrite",
    "_disconnectSelectable",
    "_newTimedCalls",
    "_pendingTimedCalls",
    "_stopped",
    "doPoll",
    "running",
    "threadCallQueue",
)


def poll_plainly(reactor: Any) -> bool:
    """Has an epoll reactor handle its events as before, without a context. False where it is another kind.

    One iteration goes on with events until anything else is to be done, or its time is over.
    """
    if type(reactor).__name__ != "EPollReactor" or not all(hasattr(reactor, name) for name in _NEEDED):
        return False
    poll, selectables, handle, seconds = (
        reactor._poller.poll,
        reactor._selectables,
        reactor._doReadOrWrite,
        reactor.seconds,
    )

    def do_poll(timeout: float | None) -> None:
        until = None if timeout is None else seconds() + timeout
        while True:
            try:
                events = poll(-1 if timeout is None else timeout, len(selectables) or 1)
            except InterruptedError:
                return
            for fd, event in events:
                selectable = selectables.get(fd)
                if selectable is None:
                    continue  # closed by an earlier event
                try:
                    if event != EPOLLIN or type(selectable) not in PLAIN or not read(selectable):
                        handle(selectable, fd, event)
                except Exception:
                    log.err()
            if (
                not events
                or reactor.threadCallQueue
                or reactor._newTimedCalls
                or reactor._stopped
                or not reactor.running
            ):
                return
            if until is not None:  # a call that waits may have been moved to an earlier time
                timed = reactor._pendingTimedCalls
                timeout = (timed[0].time if timed and timed[0].time < until else until) - seconds()
                if timeout <= 0:
                    return

    def read(transport: Any) -> bool:
        """Reads a socket, as its transport does; False where that has to do it: it is new, closed, or broken."""
        if not transport.connected:
            return False
        try:
            data = transport.socket.recv(transport.bufferSize)
        except OSError:
            return False
        if not data:
            return False  # it is at its end, and will be so again
        try:
            transport.protocol.dataReceived(data)
        except BaseException as e:
            log.err()
            reactor._disconnectSelectable(transport, e, True)
        return True

    reactor.doPoll = reactor.doIteration = do_poll
    return True
