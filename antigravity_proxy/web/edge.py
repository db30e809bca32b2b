"""The guarded edge: what every connection and request must pass before a resource sees it.

Refused before their body is read: malformed requests, wrong keys, bodies over the limit. Bodies stay in memory. Slow
senders and stalled readers are dropped, and a drain ends when the last byte of the last answer has left.

Some of the methods overridden here are marked "not intended for users" in Twisted; the tests of this module are the
tripwire for a release that changes them.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IDelayedCall, IProtocol, IReactorTime
from twisted.python.failure import Failure
from twisted.web import http, server
from twisted.web.resource import IResource

from antigravity_proxy import errors
from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.settings.limits import (
    BODY_CHECK_SECONDS,
    BODY_MIN_RATE,
    HEAD_DEADLINE,
    LINGER_SECONDS,
    MAX_CONNECTIONS,
    WRITE_STALL,
)

SERVER_NAME = b"antigravity-proxy"


class Gate(Protocol):
    """Decides on a request by its head alone, before its body is read."""

    max_body: int

    def admit(self, request: GuardedRequest, method: bytes, target: bytes) -> None:
        """Notes on the request what it is; raises a ProxyError to refuse it."""
        ...

    def render(self, request: GuardedRequest, error: errors.ProxyError) -> Rendered:
        """The error in the dialect of the request's path."""
        ...


class GuardedRequest(server.Request):
    """A request whose head passed the gate; its body is capped and kept in memory."""

    channel: GuardedChannel
    #: what the gate noted: the route, and our id for the request
    route: Any = None
    request_id = ""

    def gotLength(self, length: int | None) -> None:
        """The head is complete: admit or refuse."""
        self.content = BytesIO()
        channel = self.channel
        gate = channel.site.gate
        try:
            channel.check_framing(self)
            gate.admit(self, channel._command, channel._path)
            if length is not None and length > gate.max_body:
                raise _too_large(gate.max_body)
        except errors.ProxyError as e:
            channel.refuse(e)

    def handleContentChunk(self, data: bytes) -> None:
        content, gate = self.content, self.channel.site.gate
        if content.tell() + len(data) > gate.max_body:
            self.channel.refuse(_too_large(gate.max_body))
        else:
            content.write(data)

    def take_body(self) -> bytes:
        """The whole body; it is kept nowhere else after this."""
        body: bytes = self.content.getvalue()
        self.content.close()
        return body


class GuardedChannel(http.HTTPChannel):
    """HTTP/1.1 with absolute deadlines for what comes in, a stall limit for what goes out, refusal and drain."""

    site: GuardedSite
    requestFactory = GuardedRequest
    _receive_call: IDelayedCall | None = None
    _stall_call: IDelayedCall | None = None
    _refused = False
    _received = 0

    def connectionMade(self) -> None:
        self.site.channels.add(self)
        super().connectionMade()
        self._expect_head()

    def dataReceived(self, data: bytes) -> None:
        if self._refused:
            return  # lingering close: swallow, never parse
        self._received += len(data)
        if self._receive_call is None and not self._handlingRequest:
            self._expect_head()
        super().dataReceived(data)

    def allHeadersReceived(self) -> None:
        self._cancel_receive()
        super().allHeadersReceived()
        if not self._refused:
            self._expect_body()

    def allContentReceived(self) -> None:
        self._cancel_receive()
        if not self._refused:
            super().allContentReceived()

    def check_framing(self, request: GuardedRequest) -> None:
        """Refuses what Twisted lets pass: a second Transfer-Encoding, and not exactly one Host (RFC 9112 3.2, 6.3)."""
        headers = request.requestHeaders
        if len(headers.getRawHeaders(b"transfer-encoding", ())) > 1:
            self.persistent = 0
            raise errors.BadRequest("More than one Transfer-Encoding.")
        if self._version == b"HTTP/1.1" and len(headers.getRawHeaders(b"host", ())) != 1:
            self.persistent = 0
            raise errors.BadRequest("Exactly one Host header is needed.")

    def refuse(self, error: errors.ProxyError) -> None:
        """Answers with the error and closes; what the client still sends is swallowed for a moment, unread."""
        if self._refused:
            return
        self._refused, self.persistent = True, 0
        self._cancel_receive()
        request = self.requests[-1]
        request.requestHeaders.removeHeader(b"Expect")  # no "100 Continue" behind the refusal
        rendered = self.site.gate.render(request, error)
        lines = [
            b"HTTP/1.1 %d %s" % (rendered.status, http.RESPONSES.get(rendered.status, b"Error")),
            b"Server: " + SERVER_NAME,
            b"Content-Length: %d" % len(rendered.body),
            b"Connection: close",
            *(name + b": " + value for name, value in rendered.headers),
        ]
        body = b"" if self._command == b"HEAD" else rendered.body
        self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        self.site.count_refusal(rendered.status)
        self._receive_call = self.callLater(LINGER_SECONDS, self._hang_up)

    def drain(self) -> None:
        """Finishes what runs and takes nothing more; an idle kept-alive connection goes now."""
        self.persistent = 0
        if not self._handlingRequest:
            self.loseConnection()

    def pauseProducing(self) -> None:  # our send buffer is full
        super().pauseProducing()
        if self._stall_call is None:
            self._stall_call = self.callLater(WRITE_STALL, self._stalled)

    def resumeProducing(self) -> None:
        self._cancel_stall()
        super().resumeProducing()

    def connectionLost(self, reason: Failure) -> None:
        self._cancel_receive()
        self._cancel_stall()
        self.site.channels.discard(self)
        super().connectionLost(reason)
        self.site.channel_gone()

    def _expect_head(self) -> None:
        self._receive_call = self.callLater(HEAD_DEADLINE, self._too_slow)

    def _expect_body(self) -> None:
        self._received = 0
        self._receive_call = self.callLater(BODY_CHECK_SECONDS, self._check_body)

    def _check_body(self) -> None:
        if self._received < BODY_CHECK_SECONDS * BODY_MIN_RATE:
            self._too_slow()
        else:
            self._expect_body()

    def _too_slow(self) -> None:
        self._receive_call = None
        if self.requests and not self._handlingRequest:
            self.refuse(errors.RequestTimeout("The request was not received in time."))
        else:
            self._hang_up()

    def _hang_up(self) -> None:
        self._receive_call = None
        self.transport.abortConnection()

    def _stalled(self) -> None:
        self._stall_call = None
        self.transport.abortConnection()

    def _cancel_receive(self) -> None:
        call, self._receive_call = self._receive_call, None
        if call is not None and call.active():
            call.cancel()

    def _cancel_stall(self) -> None:
        call, self._stall_call = self._stall_call, None
        if call is not None and call.active():
            call.cancel()


class GuardedSite(server.Site):
    """A Site of guarded channels: counts them, caps them, drains them. Keeps no access log of its own."""

    protocol = GuardedChannel
    requestFactory = GuardedRequest

    def __init__(
        self,
        resource: IResource,
        gate: Gate,
        reactor: Any,
        *,
        count_refusal: Callable[[int], None] = lambda status: None,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        super().__init__(resource, reactor=reactor, parsePOSTFormSubmission=False)
        self.gate = gate
        self.count_refusal = count_refusal
        self.channels: set[GuardedChannel] = set()
        self._max_connections = max_connections
        self._empty: Deferred[None] | None = None

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:
        """A channel for a new connection; None (closed at once) above the cap."""
        if len(self.channels) >= self._max_connections:
            return None
        channel: IProtocol | None = super().buildProtocol(addr)
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


def _too_large(limit: int) -> errors.BodyTooLarge:
    return errors.BodyTooLarge(f"The request body is larger than {limit} bytes.")
