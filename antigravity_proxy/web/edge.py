"""The guarded edge: what every request must pass before a resource sees it; its connection is in ``channel``.

Refused before their body is read: malformed requests, wrong keys, bodies over the limit or where none is taken. Bodies
stay in memory, and all of them together are budgeted.

Some of the methods overridden here are marked "not intended for users" in Twisted; the tests of this module are the
tripwire for a release that changes them.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from msgspec import Struct
from twisted.python.failure import Failure
from twisted.web import http, server
from twisted.web.http_headers import Headers

from antigravity_proxy import errors
from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.settings.limits import SHED_RETRY
from antigravity_proxy.web.bodies import BodyUse, Reservation

if TYPE_CHECKING:
    from antigravity_proxy.web.channel import GuardedChannel

SERVER_NAME = b"antigravity-proxy"


class Admission(Struct):
    """What a gate noted of a request by its head; each gate has a kind of its own.

    ``holder`` is charged for the body: a key's name or an address. ``spared``: it is answered even when load is shed.
    """

    body: BodyUse = BodyUse.KEPT
    holder: str = ""
    spared: bool = False


A = TypeVar("A", bound=Admission)


class Gate(Protocol[A]):
    """Decides on a request by its head alone, before its body is read."""

    max_body: int

    def admit(self, request: GuardedRequest[A], method: bytes, target: bytes) -> None:
        """Sets the request's ``admission``; raises a ProxyError to refuse it."""
        ...

    def render(self, request: GuardedRequest[A], error: errors.ProxyError) -> Rendered:
        """The error in the dialect of the request's path; also for a request whose head never came whole."""
        ...

    def refused(self, request: GuardedRequest[A], error: errors.ProxyError, answer: Rendered) -> None:
        """Takes note of a request that was answered so before a resource saw it."""
        ...

    def lost(self, request: GuardedRequest[A]) -> None:
        """Takes note of an admitted request whose connection is gone before its end."""
        ...


class GuardedRequest(server.Request, Generic[A]):
    """A request whose head passed the gate; its body is capped and kept in memory."""

    channel: GuardedChannel
    content: Any
    admission: A | None = None
    _reservation: Reservation | None = None

    @property
    def admitted(self) -> A:
        """What the gate noted. Only of a request that it saw: RuntimeError."""
        if self.admission is None:
            raise RuntimeError("the gate has not seen this request")
        return self.admission

    def gotLength(self, length: int | None) -> None:
        """The head is complete: admit or refuse. ``length`` is None for a chunked body."""
        self.content = BytesIO()
        channel = self.channel
        site = channel.site
        try:
            channel.check_framing(self)
            site.gate.admit(self, channel._command, channel._path)
            admitted = self.admitted
            if channel.sheds and not admitted.spared:
                raise errors.Unavailable("Too many connections. Please try again in a moment.", retry_after=SHED_RETRY)
            if length != 0:
                if admitted.body is BodyUse.REFUSED:
                    raise errors.BodyTooLarge("No request body is taken here.")
                self._reservation = Reservation(site.bodies, admitted.holder, site.gate.max_body)
                if length is not None:
                    self._reservation.announced(length)
        except errors.ProxyError as e:
            self.release_body()
            channel.refuse(e)

    @property
    def target(self) -> bytes:
        """The request's target as it stands in its first line; empty if that was not received."""
        target: bytes = getattr(self.channel, "_path", b"")
        return target

    def handleContentChunk(self, data: bytes) -> None:
        channel, reservation = self.channel, self._reservation
        if channel.refusing or reservation is None:
            return
        try:
            reservation.received(len(data))
        except errors.ProxyError as e:
            self.release_body()
            channel.refuse(e)
            return
        if self.admitted.body is BodyUse.KEPT:
            self.content.write(data)

    def process(self) -> None:
        channel = self.channel
        self.site = channel.site
        if self.path == b"*":  # Twisted would answer by itself, and say what it is
            self.setHeader(b"date", http.datetimeToString())
            self.render(channel.site.resource)
        else:
            super().process()

    def processingFailed(self, reason: Failure) -> Failure:
        """A fault of ours in a page: our own answer instead of Twisted's, and few lines in the log."""
        channel = self.channel
        channel.site.failed(reason)
        if self.startedWriting:
            channel.transport.abortConnection()  # a truncated answer must look truncated
            return reason
        rendered = channel.site.gate.render(self, errors.InternalError("Internal error of the proxy; see its log."))
        self.setResponseCode(rendered.status)
        self.responseHeaders = Headers()
        for name, value in (
            (b"server", SERVER_NAME),
            (b"x-content-type-options", b"nosniff"),
            (b"content-length", b"%d" % len(rendered.body)),
            *rendered.headers,
        ):
            self.setHeader(name, value)
        self.write(rendered.body)
        self.finish()
        return reason

    def finish(self) -> None:
        self.release_body()
        super().finish()

    def connectionLost(self, reason: Failure) -> None:
        self.release_body()
        gate = self.channel.site.gate
        super().connectionLost(reason)
        gate.lost(self)

    def take_body(self) -> bytes:
        """The whole body; it is kept nowhere else after this."""
        body: bytes = self.content.getvalue()
        self.content.close()
        return body

    @property
    def body_size(self) -> int:
        """Bytes of the body that can be taken."""
        size: int = self.content.getbuffer().nbytes
        return size

    def release_body(self) -> None:
        """Nothing of the body is kept any more: its part of the budget is free again."""
        if self._reservation is not None:
            self._reservation.release()
            self._reservation = None

    def answer_begins(self) -> None:
        """The answer's head has left: nothing is sent to upstream again, and a long stream needs no headers any more.

        Thousands of both would take memory.
        """
        self.release_body()
        self.requestHeaders = self.responseHeaders = _NO_HEADERS


_NO_HEADERS = Headers()
