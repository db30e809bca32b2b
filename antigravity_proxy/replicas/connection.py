"""One connection to Redis: commands in pipelines, what is pushed, and an end as soon as anything is odd.

hiredis, the reader of Redis' own clients, parses; RESP3 lets one connection query and subscribe. Nothing is buffered
without bound: a server that never ends its answer is as lost as one that sends none.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import hiredis
from OpenSSL.SSL import Error
from service_identity import VerificationError
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from antigravity_proxy.replicas.wire import Command

#: bytes that may arrive without a complete reply among them
MAX_UNREAD = 32 << 20

#: seconds that the last words get to leave
END_SECONDS = 0.5

#: the head of an aggregate of ten million elements or more: hiredis would make room for all of them at once
_HUGE = re.compile(rb"(?:^|\r\n)[*%~>|]\+?[0-9]{8,}")
#: bytes of the last piece that such a head may have begun in
_HEAD = 32

_NOTHING = object()
_pack: Any = hiredis.pack_command  # its stub knows commands of one word only


class Lost(Exception):
    """There is no connection (any more); the message says why, in words that identify nobody."""


class _Pipeline:
    """Commands that were sent, and the answers to them so far."""

    __slots__ = ("answers", "count", "done")

    def __init__(self, count: int) -> None:
        self.count = count
        self.answers: list[Any] = []
        self.done: Deferred[list[Any]] = Deferred()  # cancelling it only ends the wait


class Connection(Protocol):
    """Sends commands and receives messages.

    ``on_push`` gets Redis' messages; ``on_lost`` is called once, with the reason.
    """

    transport: Any

    def __init__(self) -> None:
        self._reader = hiredis.Reader(notEnoughData=_NOTHING)
        self._pipelines: deque[_Pipeline] = deque()
        self._unread = 0
        self._tail = b"\r\n"
        self.reason = ""  # why it ended
        self.is_open = False
        self._gone: Deferred[None] = Deferred()
        self.on_push: Callable[[list[Any]], None] = lambda push: None
        self.on_lost: Callable[[str], None] = lambda reason: None

    def connectionMade(self) -> None:
        self.is_open = True

    def ask(self, commands: Sequence[Command], answers: int | None = None) -> Deferred[list[Any]]:
        """Sends commands at once; fires with an answer for each, errors among them. Fails with Lost.

        ``answers``, where they are fewer than the commands: a subscription is answered by a push.
        """
        pipeline = _Pipeline(len(commands) if answers is None else answers)
        if not self.is_open:
            pipeline.done.errback(Lost(self.reason or "Redis is not connected"))
            return pipeline.done
        self._pipelines.append(pipeline)
        self.transport.write(b"".join(map(_pack, commands)))
        return pipeline.done

    def dataReceived(self, data: bytes) -> None:
        self._unread += len(data)
        if _HUGE.search(self._tail + data):
            return self.close("Redis sent an invalid reply")
        self._tail = (self._tail + data)[-_HEAD:]
        try:
            self._reader.feed(data)
            while (answer := self._reader.gets()) is not _NOTHING:
                self._unread = 0
                self._received(answer)
                if not self.is_open:
                    return None
        except (hiredis.HiredisError, MemoryError, TypeError, ValueError, OverflowError, RecursionError):
            return self.close("Redis sent an invalid reply")
        if self._unread > MAX_UNREAD:
            self.close("Redis sent an invalid reply")
        return None

    def end(self, clock: IReactorTime) -> Deferred[None]:
        """Ends the connection once all is sent; fires when it is gone, or after a moment."""
        if self.is_open:
            self.transport.loseConnection()
            self._over("Redis is not connected")
        return self._gone.addTimeout(END_SECONDS, clock).addErrback(lambda _: self.transport.abortConnection())

    def close(self, reason: str) -> None:
        """Ends the connection at once, unless it has ended: what is asked fails with this reason."""
        if self.is_open:
            self.transport.abortConnection()
            self._over(reason)

    def _over(self, reason: str) -> None:
        self.is_open = False
        self.reason = reason
        pipelines, self._pipelines = self._pipelines, deque()
        for pipeline in pipelines:
            pipeline.done.errback(Lost(reason))
        self.on_lost(reason)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.is_open:
            self._over(_why(reason))
        if not self._gone.called:
            self._gone.callback(None)

    def _received(self, answer: Any) -> None:
        if isinstance(answer, hiredis.PushNotification):
            self.on_push(answer)
        elif not self._pipelines:
            self.close("Redis sent an invalid reply")
        else:
            pipeline = self._pipelines[0]
            pipeline.answers.append(answer)
            if len(pipeline.answers) == pipeline.count:
                self._pipelines.popleft()
                pipeline.done.callback(pipeline.answers)


def _why(reason: Failure) -> str:
    if reason.check(VerificationError) or (reason.check(Error) and "verify failed" in str(reason.value)):
        return "Redis' certificate can't be verified"
    return "the TLS handshake with Redis failed" if reason.check(Error) else "Redis closed the connection"
