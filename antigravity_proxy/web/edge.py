"""The guarded edge: what every request must pass before a resource sees it; its connection is in ``channel``.

Refused before their body is read: malformed requests, wrong keys, bodies over the limit or where none is taken. Bodies
stay in memory, and all of them together are budgeted.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from msgspec import Struct
from twisted.internet.interfaces import IAddress, IConsumer
from twisted.python.failure import Failure
from twisted.web.http import RESPONSES
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from antigravity_proxy import errors
from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.http1.fields import NO_FIELDS, ReceivedFields
from antigravity_proxy.http1.parser import RequestHead
from antigravity_proxy.http1.sending import send
from antigravity_proxy.settings.limits import SHED_RETRY
from antigravity_proxy.web.bodies import BodyUse, Reservation

if TYPE_CHECKING:
    from antigravity_proxy.web.channel import GuardedChannel

SERVER_NAME = b"antigravity-proxy"
#: an enumeration's own attribute is ten times slower than a name
_KEPT = BodyUse.KEPT
#: answers that have no body, whatever their fields say (RFC 9110 6.4.1)
_WITHOUT_BODY = frozenset({204, 304})
_STATUS_LINES = {code: b"HTTP/1.1 %d %b\r\n" % (code, reason) for code, reason in RESPONSES.items()}


class Admission(Struct):
    """A gate's notes on a request from its head; each gate has a kind of its own.

    ``holder`` is charged for the body: a key's name or an address. ``spared``: it is answered even when load is shed.
    """

    body: BodyUse = BodyUse.KEPT
    holder: str = ""
    spared: bool = False


A = TypeVar("A", bound=Admission)


#: admits a further request with a head that was admitted before, or raises a ProxyError; False: it no longer can
Again = Callable[["GuardedRequest[Any]"], bool]


class Gate(Protocol[A]):
    """Decides on a request by its head alone, before its body is read."""

    max_body: int

    def admit(self, request: GuardedRequest[A], method: bytes, target: bytes) -> Again | None:
        """Sets the request's ``admission``; raises a ProxyError to refuse it.

        What it returns does the same for a further request with the same head; None where there is no such thing.
        """
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


@functools.lru_cache(maxsize=256)
def shown(name: bytes) -> bytes:
    """A field's name as most programs write it."""
    return name.title()


def _status_line(code: int) -> bytes:
    return _STATUS_LINES.get(code) or b"HTTP/1.1 %d Unknown\r\n" % code


def lines_of(fields: Collection[tuple[bytes, bytes]]) -> bytes:
    """Fields as they are sent. Characters that would begin another line are removed from the values."""
    rendered = [b"%b: %b\r\n" % (shown(name), value) for name, value in fields]
    lines = b"".join(rendered)
    if lines.count(b"\r") != len(rendered) or lines.count(b"\n") != len(rendered):
        lines = b"".join([b"%b: %b\r\n" % (shown(name), b" ".join(value.splitlines())) for name, value in fields])
    return lines


@implementer(IConsumer)
class GuardedRequest(Struct, Generic[A], eq=False):
    """A request whose head passed the gate, and its answer; its body is capped and kept in memory.

    It has what our resources use of ``twisted.web.iweb.IRequest``, under the same names. ``requestHeaders`` are those
    of every request with the same head: nobody changes them. ``on_lost`` is called if the connection ends before the
    answer. ``sentLength``: bytes of the answer's body.
    """

    channel: GuardedChannel
    method: bytes
    uri: bytes
    minor: int
    requestHeaders: ReceivedFields
    admission: A | None = None
    on_lost: Callable[[Failure], object] | None = None
    code: int = 200
    sentLength: int = 0
    startedWriting: bool = False
    finished: bool = False
    _body: bytes = b""
    _pieces: list[bytes] | None = None  # of a body that came in several
    _chunked: bool = False
    _fields: dict[bytes, tuple[bytes, ...]] | None = None
    _first_lines: bytes = b""
    _lines: bytes = b""
    _reservation: Reservation | None = None

    def __repr__(self) -> str:
        state = "finished" if self.finished else "answering" if self.startedWriting else "received"
        return f"<GuardedRequest {self.method.decode('latin-1')} {state}>"

    @property
    def admitted(self) -> A:
        """The gate's notes. RuntimeError if the gate has not seen the request."""
        if self.admission is None:
            raise RuntimeError("the gate has not seen this request")
        return self.admission

    @property
    def target(self) -> bytes:
        """The request's target as its first line has it; empty if that was not received."""
        return self.uri

    @property
    def path(self) -> bytes:
        """The target's path."""
        return self.uri.partition(b"?")[0]

    def getHeader(self, name: bytes) -> bytes | None:
        """The last value of a field, None if there is none."""
        values = self.requestHeaders.get(name)
        return values[-1] if values else None

    def getClientAddress(self) -> IAddress:
        """The address of the peer."""
        address: IAddress = self.channel.transport.getPeer()
        return address

    def admit(self, length: int | None) -> Again | None:
        """The head is complete: asks the gate. ``length`` is None for a chunked body. Raises a ProxyError.

        What it returns is the gate's, for requests that bring a body.
        """
        site = self.channel.site
        again: Again | None = site.gate.admit(self, self.method, self.uri)
        admitted = self.admitted
        if self.channel.sheds and not admitted.spared:
            raise errors.Unavailable("Too many connections. Please try again in a moment.", retry_after=SHED_RETRY)
        if length != 0:
            if b"content-encoding" in self.requestHeaders:
                _check_encoding(self.requestHeaders)
            if admitted.body is BodyUse.REFUSED:
                raise errors.BodyTooLarge("A request body is not accepted here.")
            self.reserve(length)
        return again if admitted.body is _KEPT else None

    def reserve(self, length: int | None) -> None:
        """Counts the body of an admitted request: of this length, or chunked (None). Raises a ProxyError."""
        if length == 0:
            return
        site = self.channel.site
        self._reservation = reservation = Reservation(site.bodies, self.admitted.holder, site.gate.max_body)
        if length is not None:
            reservation.announced(length)

    def receive(self, content: bytes, pieces: int) -> None:
        """Content of the body, which came in ``pieces`` chunks. Raises a ProxyError."""
        if self._reservation is not None:
            self._reservation.received(len(content), pieces)
        if self.admitted.body is _KEPT:
            if self._pieces is None:
                self._pieces = []
            self._pieces.append(content)

    def take_body(self) -> bytes:
        """The whole body; it is kept nowhere else after this."""
        body, pieces = self._body, self._pieces
        if pieces is not None:
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._body, self._pieces = b"", None
        return body

    @property
    def body_size(self) -> int:
        """Bytes of the body that can be taken."""
        return len(self._body) if self._pieces is None else sum(map(len, self._pieces))

    def release_body(self) -> None:
        """Nothing of the body is kept any more: its part of the budget is free again."""
        if self._reservation is not None:
            self._reservation.release()
            self._reservation = None

    def process(self, body: bytes = b"") -> None:
        """The request is whole: has the site's resource render it. ``body`` is one of the length that was announced.

        Of such a one there is nothing more to count.
        """
        if body and self.admission is not None and self.admission.body is _KEPT:
            self._body = body
        site = self.channel.site
        try:
            answer = site.resource.render(self)
        except Exception:
            self.fail(Failure())
            return
        if answer is not NOT_DONE_YET:
            self.setHeader(b"content-length", b"%d" % len(answer))
            self.finish(answer)

    def fail(self, reason: Failure) -> None:
        """A fault of ours in a page: our own answer, and few lines in the log."""
        channel = self.channel
        channel.site.failed(reason)
        if self.startedWriting:
            self.break_off()
            return
        rendered = channel.site.gate.render(self, errors.InternalError("Internal error of the proxy; see its log."))
        self.code = rendered.status
        self._fields, self._first_lines, self._lines = None, b"", b""
        for name, value in ((b"server", SERVER_NAME), (b"x-content-type-options", b"nosniff"), *rendered.headers):
            self.setHeader(name, value)
        self.finish(rendered.body)

    def refusal(self, rendered: Rendered) -> bytes:
        """A whole answer, behind which the connection closes."""
        fields = (
            (b"server", SERVER_NAME),
            (b"content-length", b"%d" % len(rendered.body)),
            (b"connection", b"close"),
            *rendered.headers,
            *self.fields,
        )
        body = b"" if self.method == b"HEAD" else rendered.body
        return b"%b%b\r\n%b" % (_status_line(rendered.status), lines_of(fields), body)

    def break_off(self) -> None:
        """Ends an answer that has begun, and can't be ended well: a truncated one must look truncated."""
        self.channel.transport.abortConnection()

    def setResponseCode(self, code: int, message: bytes | None = None) -> None:
        """The answer's status; its reason is always the registered one."""
        self.code = code

    def setHeader(self, name: bytes, *values: bytes) -> None:
        """A field of the answer's head, by its lower-case name; one for each value."""
        if self._fields is None:
            self._fields = {}
        self._fields[name] = values

    def setHeaders(self, fields: Iterable[tuple[bytes, bytes]]) -> None:
        """Several fields of the answer's head, each once, by their lower-case names."""
        for name, value in fields:
            self.setHeader(name, value)

    def setLines(self, first: bytes, further: bytes) -> None:
        """Fields of the answer's head as ``lines_of`` renders them, before and behind Content-Length.

        None of them is set in another way.
        """
        self._first_lines, self._lines = first, further

    @property
    def fields(self) -> tuple[tuple[bytes, bytes], ...]:
        """The fields of the answer's head that are set so far, but for lines."""
        return tuple((name, value) for name, values in (self._fields or {}).items() for value in values)

    def _start(self, whole: bytes | None = None) -> bytes:
        """Begins the answer: its head, with the framing of its body; or all of it, if that is there ``whole``."""
        channel, fields = self.channel, self._fields
        lines, framing, body = lines_of(self.fields) if fields else b"", b"", b""
        self.startedWriting = True
        bare = self.method == b"HEAD" or self.code in _WITHOUT_BODY
        if whole is not None:
            self.sentLength = len(whole)
            body = b"" if bare else whole
        if bare or (fields and b"content-length" in fields):
            pass
        elif whole is not None:
            framing = b"Content-Length: %d\r\n" % len(whole)
        elif self.minor == 1:
            self._chunked = True
            framing = b"Transfer-Encoding: chunked\r\n"
        else:
            channel.persistent = False  # the connection's end is the body's
        return b"%b%b%b%b%b%b%b%b" % (
            _STATUS_LINES.get(self.code) or _status_line(self.code),
            lines,
            self._first_lines,
            framing,
            self._lines,
            channel.site.date_line(),
            b"\r\n" if channel.persistent else b"Connection: close\r\n\r\n",
            body,
        )

    def write(self, data: bytes) -> None:
        """Sends a piece of the answer's body, its head before the first."""
        if not self.channel.connected:
            return
        if self.finished:
            raise RuntimeError("the answer has ended")
        if self.startedWriting and self._chunked and data:  # an event of a stream, mostly
            self.sentLength += len(data)
            send(self.channel.transport, b"%x\r\n%b\r\n" % (len(data), data))
            return
        head = b"" if self.startedWriting else self._start()
        send(self.channel.transport, head + self._framed(data))

    def finish(self, data: bytes = b"") -> None:
        """Ends the answer, with a last piece of its body."""
        channel = self.channel
        if not channel.connected:
            return
        if self.finished:
            raise RuntimeError("the answer has ended")
        self.release_body()
        if not self.startedWriting:
            last = self._start(data)
        else:
            last = self._framed(data) + (b"0\r\n\r\n" if self._chunked else b"")
        self.finished = True
        self.on_lost = None
        if last:
            send(channel.transport, last)
        channel.request_done()

    def _framed(self, data: bytes) -> bytes:
        if not data:
            return b""
        self.sentLength += len(data)
        if self.method == b"HEAD" or self.code in _WITHOUT_BODY:
            return b""
        return b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data

    def answer_begins(self) -> None:
        """The answer's head has left: nothing is sent to upstream again, and a long stream needs no headers any more.

        Thousands of both would take memory.
        """
        self.release_body()
        self.requestHeaders = NO_FIELDS
        self._fields, self._first_lines, self._lines = None, b"", b""

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """The producer of the answer, which is slowed down by the client."""
        self.channel.set_producer(producer)

    def unregisterProducer(self) -> None:
        """Nobody is slowed down any more."""
        self.channel.set_producer(None)

    def connection_lost(self, reason: Failure) -> None:
        """The channel's: the client is gone before the answer's end."""
        self.release_body()
        on_lost, self.on_lost = self.on_lost, None
        self.finished = True
        if on_lost is not None:
            on_lost(reason)
        gate: Gate[Any] = self.channel.site.gate
        gate.lost(self)


def request_of(channel: GuardedChannel, head: RequestHead) -> GuardedRequest[Any]:
    """The request that a head begins."""
    return GuardedRequest(channel, head.method, head.target, head.minor, head.fields)


def _check_encoding(headers: ReceivedFields) -> None:
    """Refuses a body that is compressed: what it unpacks to has no bound."""
    if any(encoding.strip().lower() not in (b"", b"identity") for encoding in headers[b"content-encoding"]):
        raise errors.UnsupportedEncoding("Send the request body uncompressed: Content-Encoding is not supported.")
