"""One connection of a guarded listener: deadlines, backpressure, refusal, drain.

One pipelined request is begun at a time, in a turn of the reactor of its own, and none while the client does not read.
Slow senders and stalled readers are dropped. Some of the methods overridden here are marked "not intended for users" in
Twisted; the tests of this module are the tripwire for a release that changes them.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web import http

from antigravity_proxy import errors
from antigravity_proxy.settings.limits import (
    ARRIVAL_SECONDS,
    BODY_CHECK_SECONDS,
    BODY_GRACE_SECONDS,
    BODY_MEAN_RATE,
    BODY_MIN_RATE,
    FULL_DEADLINE,
    HEAD_DEADLINE,
    IDLE_SECONDS,
    LINGER_BYTES,
    LINGER_SECONDS,
    WRITE_STALL,
)
from antigravity_proxy.web.edge import SERVER_NAME, GuardedRequest

if TYPE_CHECKING:
    from antigravity_proxy.web.site import GuardedSite


class _Wait(Enum):
    """What a channel waits for."""

    HEAD = auto()
    BODY = auto()
    NEXT = auto()
    LINGER = auto()
    ARRIVAL = auto()
    CLOSE = auto()
    NOTHING = auto()


#: how many seconds each may take; what isn't here may take as long as it takes
_SECONDS = {
    _Wait.HEAD: HEAD_DEADLINE,
    _Wait.BODY: BODY_CHECK_SECONDS,
    _Wait.NEXT: IDLE_SECONDS,
    _Wait.LINGER: LINGER_SECONDS,
    _Wait.ARRIVAL: ARRIVAL_SECONDS,
    _Wait.CLOSE: WRITE_STALL,
}
#: what a connection waits for that takes a place and brings no request
_SENDS_NOTHING = (_Wait.HEAD, _Wait.NEXT)
_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?#]*)")
#: pieces of further requests that are kept as they came
_MOST_PIECES = 16


class Upgraded(Protocol):
    """What a connection became that speaks another protocol after its first request."""

    def drain(self) -> None:
        """The daemon is about to end: finishes what is under way, and then the connection."""

    def tick(self, now: float) -> None:
        """Looks at its deadlines; ``now`` in monotonic seconds."""


class GuardedChannel(http.HTTPChannel):
    """HTTP/1.1 with deadlines for what comes in, a stall limit for what goes out, refusal and drain.

    The deadlines are absolute, or ask for progress; Twisted's own idle timer, which starts again with every byte, is
    not used. ``sheds``: it came above the cap, and is told so.
    """

    site: GuardedSite[Any]
    sheds = False
    upgraded: Upgraded | None = None
    address = ""  # the peer's network, as connections are counted
    transport: Any
    requestFactory: Any = GuardedRequest
    _waits_for = _Wait.HEAD
    _since = 0.0  # monotonic seconds: since when it waits
    _received = 0  # bytes since then
    _stalled_since = 0.0  # monotonic seconds, 0: the client takes what we send
    _unsent = 0  # bytes that the client had not taken at the last tick
    _body_began = 0.0  # monotonic seconds
    _body_received = 0
    _draining = False
    refusing = False  # a refusal was sent: what comes is swallowed, unread

    def connectionMade(self) -> None:
        site = self.site
        site.channel_made(self)
        site.ticker.watch(self)
        self._since = site.ticker.clock.seconds()
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        if self._waits_for is _Wait.NEXT:
            self._wait(_Wait.HEAD)
        self._received += len(data)
        if self.refusing:  # lingering close: swallow a little, never parse
            if self._received > LINGER_BYTES:
                self.transport.loseConnection()
            return
        if self._waits_for is not _Wait.CLOSE:
            super().dataReceived(data)

    def rawDataReceived(self, data: bytes) -> None:
        """A piece of a body; or of further requests, while one is under way: Twisted keeps those as they came."""
        super().rawDataReceived(data)
        if len(self._dataBuffer) > _MOST_PIECES:
            self._dataBuffer = [b"".join(self._dataBuffer)]

    def lineReceived(self, line: bytes) -> None:
        """A line of the head. Folded ones are refused (RFC 9112 5.2)."""
        if self.refusing:
            return
        if line[:1] in (b" ", b"\t"):
            self.refuse(errors.BadRequest("Malformed HTTP request: a folded header line."))
            return
        super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        """A line of the head without end."""
        self.refuse(errors.HeadTooLarge("A header is too long.") if self._has_request_line else _uri_too_long())

    def _respondToBadRequestAndDisconnect(self) -> None:
        """Twisted's parser gave up; it would close without saying why, or with a bare status line."""
        if self._receivedHeaderSize > self.totalHeadersSize or self._receivedHeaderCount > self.maxHeaders:
            error: errors.ProxyError = (
                errors.HeadTooLarge("The headers are too many, or too long in all.")
                if self._has_request_line
                else _uri_too_long()
            )
        else:
            error = errors.BadRequest("Malformed HTTP request.")
        self.refuse(error)

    @property
    def _has_request_line(self) -> bool:
        return hasattr(self, "_command")

    def allHeadersReceived(self) -> None:
        super().allHeadersReceived()
        if not self.refusing:
            self._wait(_Wait.BODY)
            self._body_began, self._body_received = self._since, 0

    def allContentReceived(self) -> None:
        if not self.refusing:
            self._waits_for = _Wait.NOTHING
            super().allContentReceived()

    def requestDone(self, request: http.Request) -> None:
        """The answer is complete. What follows in the pipeline waits for its turn, and until the client reads."""
        self._wait(_Wait.NEXT)
        self.paused = True  # as LineReceiver has it: what is there is not parsed
        super().requestDone(request)
        if self.persistent and self._buffer:
            self._waits_for = _Wait.NOTHING  # for us
            self._networkProducer.pauseProducing()
            if not self._waitingForTransport:
                self.site.turns.add(self._go_on)
        else:
            self.paused = False
            if not self.persistent:
                self._wait(_Wait.CLOSE)

    def _go_on(self) -> None:
        """Begins the next request of a pipeline."""
        if not self.paused or self._waits_for is _Wait.CLOSE or self not in self.site.channels:
            return
        if self._waitingForTransport:
            return  # ``resumeProducing`` gives it another turn
        self.paused = False
        self._wait(_Wait.HEAD)
        self._received = len(self._buffer)
        self._networkProducer.resumeProducing()
        self.dataReceived(b"")

    def checkPersistence(self, request: http.Request, version: bytes) -> bool:
        """Not after a request whose head came during a drain; Twisted would drop one on a channel that is not."""
        if self._draining:
            request.responseHeaders.setRawHeaders(b"connection", [b"close"])
            return False
        return bool(super().checkPersistence(request, version))

    def check_framing(self, request: GuardedRequest[Any]) -> None:
        """Refuses what Twisted lets pass: a Transfer-Encoding that isn't just ``chunked``, and not exactly one Host.

        A target in absolute form is taken for its path (RFC 9112 3.2, 3.2.2, 6.3).
        """
        headers = request.requestHeaders
        encodings = headers.getRawHeaders(b"transfer-encoding")
        if encodings is not None and [value.lower() for value in encodings] != [b"chunked"]:
            raise errors.BadRequest("The only Transfer-Encoding is 'chunked', once.")
        hosts = headers.getRawHeaders(b"host", ())
        if self._version == b"HTTP/1.1" and len(hosts) != 1:
            raise errors.BadRequest("Exactly one Host header is needed.")
        absolute = _ABSOLUTE.match(self._path)
        if absolute is not None:
            if list(hosts) != [absolute[1]]:
                raise errors.BadRequest("The request's target and its Host header name different hosts.")
            self._path = b"/" + self._path[absolute.end() :].removeprefix(b"/")

    def refuse(self, error: errors.ProxyError) -> None:
        """Answers with the error and closes; what the client still sends is swallowed for a moment, unread."""
        if self.refusing:
            return
        self.refusing, self.persistent = True, 0
        if not self.requests:  # not even its first line came whole
            self.requests.append(self.requestFactory(self, False))
        request = self.requests[-1]
        request.requestHeaders.removeHeader(b"Expect")  # no "100 Continue" behind the refusal
        rendered = self.site.gate.render(request, error)
        lines = [
            b"HTTP/1.1 %d %s" % (rendered.status, http.RESPONSES.get(rendered.status, b"Error")),
            b"Server: " + SERVER_NAME,
            b"Content-Length: %d" % len(rendered.body),
            b"Connection: close",
            *(name + b": " + value for name, value in rendered.headers),
            *(name + b": " + value for name, values in request.responseHeaders.getAllRawHeaders() for value in values),
        ]
        body = b"" if getattr(self, "_command", b"") == b"HEAD" else rendered.body
        self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        self.site.gate.refused(request, error, rendered)
        self._wait(_Wait.LINGER)

    def drain(self) -> None:
        """Finishes each request whose head is there, and takes nothing more.

        A connection that was just made gets a moment to send a whole head; any other without one goes now.
        """
        self._draining = True
        if self.upgraded is not None:
            self.upgraded.drain()
        elif self._waits_for is _Wait.HEAD and not self._received:
            self._wait(_Wait.ARRIVAL)
        elif self._waits_for is _Wait.NEXT or self._waits_for is _Wait.HEAD or self.paused:
            self._close()
        else:
            self.persistent = 0

    def upgrade(self, upgraded: Upgraded) -> None:
        """From now on the connection is another protocol's, whose methods Twisted has put in the place of ours."""
        self.upgraded = upgraded
        self._handlingRequest = False  # so what the client sends is held up as well while it reads nothing
        lost = self.connectionLost

        def connection_lost(reason: Failure = connectionDone) -> None:
            lost(reason)
            GuardedChannel.connectionLost(self, reason)

        self.connectionLost = connection_lost  # type: ignore[method-assign]

    def pauseProducing(self) -> None:  # our send buffer is full
        super().pauseProducing()
        self._stalled_since = self._stalled_since or self.site.ticker.clock.seconds()

    def resumeProducing(self) -> None:
        self._stalled_since = 0.0
        if self.paused:
            self._waitingForTransport = False
            self.site.turns.add(self._go_on)
        else:
            super().resumeProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.site.ticker.leave(self)
        super().connectionLost(reason)
        self.site.channel_gone(self)

    def tick(self, now: float) -> None:
        """Drops a peer that is too slow."""
        if self._takes_nothing(now):
            self.transport.abortConnection()
            return
        if self.upgraded is not None:
            self.upgraded.tick(now)
            return
        limit = _SECONDS.get(self._waits_for)
        if limit is not None and self._waits_for in _SENDS_NOTHING and self.site.is_full:
            limit = min(limit, FULL_DEADLINE)
        if limit is None or now - self._since < limit:
            return
        match self._waits_for:
            case _Wait.BODY if self._body_makes_progress(now):
                self._wait(_Wait.BODY)
            case _Wait.BODY:
                self.refuse(errors.RequestTimeout("The request was not received in time."))
            case _Wait.HEAD if self._received:
                self.refuse(errors.RequestTimeout("The request was not received in time."))
            case _Wait.CLOSE:
                self.transport.abortConnection()
            case _:
                self._close()

    def _takes_nothing(self, now: float) -> bool:
        """Whether the client has taken nothing of what we sent for too long."""
        unsent = _unsent(self.transport)
        progress, self._unsent = unsent < self._unsent, unsent
        if self._stalled_since and progress:
            self._stalled_since = now
        if self._waits_for is _Wait.CLOSE and progress:
            self._since = now
        return bool(self._stalled_since) and now - self._stalled_since > WRITE_STALL

    def _body_makes_progress(self, now: float) -> bool:
        """Whether it came fast enough of late, and as a whole."""
        self._body_received += self._received
        after_grace = now - self._body_began - BODY_GRACE_SECONDS
        return self._received >= BODY_CHECK_SECONDS * BODY_MIN_RATE and (
            self._body_received >= after_grace * BODY_MEAN_RATE
        )

    def _close(self) -> None:
        """Ends the connection in order (FIN) once all that was written has left; a peer that takes nothing is cut."""
        self._wait(_Wait.CLOSE)
        self.loseConnection()

    def _wait(self, what: _Wait) -> None:
        self._waits_for = what
        self._since = self.site.ticker.clock.seconds()
        self._received = 0


def _unsent(transport: Any) -> int:
    """Bytes that wait in the transport (Twisted's FileDescriptor)."""
    waiting: int = len(getattr(transport, "dataBuffer", b"")) - getattr(transport, "offset", 0)
    return waiting + int(getattr(transport, "_tempDataLen", 0))


def _uri_too_long() -> errors.UriTooLong:
    return errors.UriTooLong("The request's target is too long.")
