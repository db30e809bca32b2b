"""The guarded edge: what every connection and request must pass before a resource sees it.

Refused before their body is read: malformed requests, wrong keys, bodies over the limit. Bodies stay in memory. Slow
senders and stalled readers are dropped, and a drain ends when the last byte of the last answer has left.

Some of the methods overridden here are marked "not intended for users" in Twisted; the tests of this module are the
tripwire for a release that changes them.
"""

from __future__ import annotations

from enum import Enum
from io import BytesIO
from typing import Any, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web import http, server
from twisted.web.http_headers import Headers
from twisted.web.resource import IResource

from antigravity_proxy import errors
from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.settings.limits import (
    ARRIVAL_SECONDS,
    BODY_CHECK_SECONDS,
    BODY_MIN_RATE,
    HEAD_DEADLINE,
    IDLE_SECONDS,
    LINGER_BYTES,
    LINGER_SECONDS,
    MAX_CONNECTIONS,
    SHED_CONNECTIONS,
    SHED_RETRY,
    WRITE_STALL,
)
from antigravity_proxy.ticker import Ticker

SERVER_NAME = b"antigravity-proxy"


class _Wait(Enum):
    """What a channel waits for, and how many seconds it may take; None: as long as it takes."""

    HEAD = HEAD_DEADLINE
    BODY = BODY_CHECK_SECONDS
    NEXT = IDLE_SECONDS
    LINGER = LINGER_SECONDS
    ARRIVAL = ARRIVAL_SECONDS
    NOTHING = None


class Gate(Protocol):
    """Decides on a request by its head alone, before its body is read."""

    max_body: int

    def admit(self, request: GuardedRequest, method: bytes, target: bytes) -> None:
        """Notes on the request what it is; raises a ProxyError to refuse it."""
        ...

    def render(self, request: GuardedRequest, error: errors.ProxyError) -> Rendered:
        """The error in the dialect of the request's path; also for a request whose head never came whole."""
        ...

    def refused(self, request: GuardedRequest, error: errors.ProxyError, answer: Rendered) -> None:
        """Is told of each request that was answered so, before a resource saw it."""
        ...

    def lost(self, request: GuardedRequest) -> None:
        """Is told of each admitted request whose connection is gone before its end."""
        ...


class GuardedRequest(server.Request):
    """A request whose head passed the gate; its body is capped and kept in memory."""

    channel: GuardedChannel
    content: Any
    #: what the gate noted: the route, our id for the request, its record, the client's own key if it has one, and
    #: whether it is answered even when load is shed
    route: Any = None
    request_id = ""
    record: Any = None
    client_key: Any = None
    spared = False

    def gotLength(self, length: int | None) -> None:
        """The head is complete: admit or refuse."""
        self.content = BytesIO()
        channel = self.channel
        gate = channel.site.gate
        try:
            channel.check_framing(self)
            gate.admit(self, channel._command, channel._path)
            if channel.sheds and not self.spared:
                raise errors.Unavailable("Too many connections. Please try again in a moment.", retry_after=SHED_RETRY)
            if length is not None and length > gate.max_body:
                raise _too_large(gate.max_body)
        except errors.ProxyError as e:
            channel.refuse(e)

    @property
    def target(self) -> bytes:
        """The request's target as it stands in its first line; empty if that was not received."""
        target: bytes = getattr(self.channel, "_path", b"")
        return target

    def handleContentChunk(self, data: bytes) -> None:
        content, gate = self.content, self.channel.site.gate
        if content.tell() + len(data) > gate.max_body:
            self.channel.refuse(_too_large(gate.max_body))
        else:
            content.write(data)

    def connectionLost(self, reason: Failure) -> None:
        gate = self.channel.site.gate
        super().connectionLost(reason)
        gate.lost(self)

    def take_body(self) -> bytes:
        """The whole body; it is kept nowhere else after this."""
        body: bytes = self.content.getvalue()
        self.content.close()
        return body

    def forget_headers(self) -> None:
        """The answer's head has left: a long stream needs no headers any more, and thousands of them take memory."""
        self.requestHeaders = self.responseHeaders = _NO_HEADERS


_NO_HEADERS = Headers()


class GuardedChannel(http.HTTPChannel):
    """HTTP/1.1 with deadlines for what comes in, a stall limit for what goes out, refusal and drain.

    The deadlines are absolute, or ask for progress; Twisted's own idle timer, which starts again with every byte, is
    not used. ``sheds``: it came above the cap, and is told so.
    """

    site: GuardedSite
    sheds = False
    transport: Any
    requestFactory = GuardedRequest
    _waits_for = _Wait.HEAD
    _since = 0.0  # monotonic seconds: since when it waits
    _received = 0  # bytes since then
    _stalled_since = 0.0  # monotonic seconds, 0: the client takes what we send
    _refused = False
    _draining = False

    def connectionMade(self) -> None:
        site = self.site
        site.channels.add(self)
        site.ticker.watch(self)
        self._since = site.ticker.clock.seconds()
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        if self._waits_for is _Wait.NEXT:
            self._wait(_Wait.HEAD)
        self._received += len(data)
        if self._refused:  # lingering close: swallow a little, never parse
            if self._received > LINGER_BYTES:
                self.transport.loseConnection()
            return
        if self._waits_for is _Wait.NEXT or self._waits_for is _Wait.ARRIVAL:
            self._wait(_Wait.HEAD)
        super().dataReceived(data)

    def lineReceived(self, line: bytes) -> None:
        """A line of the head. Folded ones are refused (RFC 9112 5.2)."""
        if self._refused:
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
        if not self._refused:
            self._wait(_Wait.BODY)

    def allContentReceived(self) -> None:
        if not self._refused:
            self._waits_for = _Wait.NOTHING
            super().allContentReceived()

    def requestDone(self, request: http.Request) -> None:
        self._wait(_Wait.NEXT)
        super().requestDone(request)

    def checkPersistence(self, request: http.Request, version: bytes) -> bool:
        """Not after a request whose head came during a drain; Twisted would drop one on a channel that is not."""
        if self._draining:
            request.responseHeaders.setRawHeaders(b"connection", [b"close"])
            return False
        return bool(super().checkPersistence(request, version))

    def check_framing(self, request: GuardedRequest) -> None:
        """Refuses what Twisted lets pass: a Transfer-Encoding that isn't just ``chunked``, and not exactly one Host.

        RFC 9112 3.2, 6.3.
        """
        headers = request.requestHeaders
        encodings = headers.getRawHeaders(b"transfer-encoding")
        if encodings is not None and [value.lower() for value in encodings] != [b"chunked"]:
            raise errors.BadRequest("The only Transfer-Encoding is 'chunked', once.")
        if self._version == b"HTTP/1.1" and len(headers.getRawHeaders(b"host", ())) != 1:
            raise errors.BadRequest("Exactly one Host header is needed.")

    def refuse(self, error: errors.ProxyError) -> None:
        """Answers with the error and closes; what the client still sends is swallowed for a moment, unread."""
        if self._refused:
            return
        self._refused, self.persistent = True, 0
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
        """Finishes what runs or arrives, and takes nothing more; an idle kept-alive connection goes now."""
        self._draining = True
        if self._waits_for is _Wait.NEXT:
            self.loseConnection()
        elif self._waits_for is not _Wait.HEAD:
            self.persistent = 0
        elif not self._received:
            self._wait(_Wait.ARRIVAL)

    def pauseProducing(self) -> None:  # our send buffer is full
        super().pauseProducing()
        self._stalled_since = self._stalled_since or self.site.ticker.clock.seconds()

    def resumeProducing(self) -> None:
        self._stalled_since = 0.0
        super().resumeProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.site.ticker.leave(self)
        self.site.channels.discard(self)
        super().connectionLost(reason)
        self.site.channel_gone()

    def tick(self, now: float) -> None:
        """Drops a peer that is too slow."""
        if self._stalled_since and now - self._stalled_since > WRITE_STALL:
            self.transport.abortConnection()
            return
        limit = self._waits_for.value
        if limit is None or now - self._since < limit:
            return
        if self._waits_for is _Wait.BODY and self._received >= limit * BODY_MIN_RATE:
            self._wait(_Wait.BODY)  # it makes progress
        elif self._waits_for is _Wait.LINGER or self._waits_for is _Wait.ARRIVAL:
            self._wait(_Wait.NEXT)
            self.transport.loseConnection()
        elif self._waits_for is _Wait.BODY or (self._waits_for is _Wait.HEAD and self._received):
            self.refuse(errors.RequestTimeout("The request was not received in time."))
        else:
            self.transport.abortConnection()

    def _wait(self, what: _Wait) -> None:
        self._waits_for = what
        self._since = self.site.ticker.clock.seconds()
        self._received = 0


class GuardedSite(server.Site):
    """A Site of guarded channels: counts them, caps them, drains them. Keeps no access log of its own."""

    protocol: Any = GuardedChannel
    requestFactory = GuardedRequest
    noisy = False

    def __init__(
        self,
        resource: IResource,
        gate: Gate,
        ticker: Ticker,
        *,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        super().__init__(resource, reactor=ticker.clock, timeout=None, parsePOSTFormSubmission=False)
        self.gate = gate
        self.ticker = ticker
        self.channels: set[GuardedChannel] = set()
        self._max_connections = max_connections
        self._empty: Deferred[None] | None = None

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """A channel for a new connection.

        Above the cap it only says so, in the dialect of what is asked; far above it is None (closed at once).
        """
        above = len(self.channels) - self._max_connections
        if above >= SHED_CONNECTIONS:
            return None
        channel = super().buildProtocol(addr)
        channel.sheds = above >= 0
        return channel

    def log(self, request: http.Request) -> None:
        """Nothing: the API writes its own line, and Twisted's would show the query with its key."""

    def channel_gone(self) -> None:
        """A connection is closed; ends a drain with the last one."""
        if self._empty is not None and not self.channels:
            empty, self._empty = self._empty, None
            empty.callback(None)

    def drain(self, clock: IReactorTime, deadline: float) -> Deferred[int]:
        """Lets what runs finish; fires with the number of connections that had to be cut after ``deadline`` seconds."""
        if not self.channels:
            return succeed(0)
        cut = 0
        self._empty = empty = Deferred[None]()

        def cut_all() -> None:
            nonlocal cut
            cut = len(self.channels)
            for channel in list(self.channels):
                channel.transport.abortConnection()

        call = clock.callLater(deadline, cut_all)
        for channel in list(self.channels):
            channel.drain()

        def done(_: None) -> int:
            if call.active():
                call.cancel()
            return cut

        return empty.addCallback(done)


def _uri_too_long() -> errors.UriTooLong:
    return errors.UriTooLong("The request's target is too long.")


def _too_large(limit: int) -> errors.BodyTooLarge:
    return errors.BodyTooLarge(f"The request body is larger than {limit} bytes.")
