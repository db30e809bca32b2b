"""One connection to upstream: HTTP/1.1, one exchange at a time. Passes what arrives to its exchange, as plain calls."""

from __future__ import annotations

from enum import Enum
from typing import Any, Protocol

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IAddress, IProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from antigravity_proxy.http1.bodies import Body, ChunkedBody, LengthBody, UntilClose
from antigravity_proxy.http1.parser import (
    HeadReader,
    Malformed,
    ResponseHead,
    announced_length,
    response_head,
    whole_head,
)
from antigravity_proxy.http1.sending import send, unwrap

#: a response's head, in bytes; Google's have 1 to 2 kB
MAX_HEAD = 256 << 10
#: a body up to this many bytes leaves together with its head: a copy costs less than a second system call
COPIED_BODY = 64 << 10
#: interim responses (1xx) before the final one
MAX_INTERIM = 16


#: scheme, host and port
Origin = tuple[bytes, bytes, int]


class Listener(Protocol):
    """Takes what comes back for one request: a head, then pieces, then an end; or a failure, at any time, once."""

    def head_received(self, head: ResponseHead) -> None:
        """The final response's head. If it returns without ``Connection.take_body``, the body waits for that."""

    def data_received(self, data: bytes) -> None:
        """The next piece of the body, without its framing."""

    def body_ended(self) -> None:
        """The body is whole; the connection is somebody else's from now on."""

    def failed(self, error: BaseException, *, nothing_received: bool) -> None:
        """The connection ended too early. ``nothing_received``: before the first byte of a response."""


class Owner(Protocol):
    """Where a connection goes between exchanges."""

    def released(self, connection: Connection, *, first: bool) -> None:
        """It has served a request, its first one or not, and can serve another."""

    def retired(self, connection: Connection) -> None:
        """It can't, and is to be closed in order."""

    def lost(self, connection: Connection) -> None:
        """It is closed."""


class _State(Enum):
    """Where a connection is in its exchange."""

    IDLE = "waits for a request"
    SENT = "waits for a response's head"
    HELD = "has a head; nobody takes the body yet"
    BODY = "passes the body on"
    CLOSED = "is closed, or being closed"


#: bound here, since each piece of a body asks for them
_IDLE, _SENT, _HELD, _BODY, _CLOSED = _State.IDLE, _State.SENT, _State.HELD, _State.BODY, _State.CLOSED


@implementer(IProtocol)
class Connection:
    """A connection, from the moment it is made. ``reused``: it has served a request before the present one."""

    __slots__ = (
        "_body",
        "_early",
        "_head",
        "_interim",
        "_listener",
        "_lost",
        "_owner",
        "_paused",
        "_persistent",
        "_received",
        "_state",
        "connected",
        "idle_since",
        "origin",
        "reused",
        "transport",
    )

    def __init__(self, owner: Owner, origin: Origin) -> None:
        self._owner = owner
        self.origin = origin
        self._state = _IDLE
        self._listener: Listener | None = None
        self._head: HeadReader | None = None
        self._body: Body | None = None
        self._early = b""  # the part of a body that came before a caller took it
        self._interim = 0
        self._lost: Failure | None = None  # how it was closed while no caller took the body
        self._paused = False
        self._persistent = False
        self._received = False
        self.connected = 0
        self.reused = False
        self.idle_since = 0.0  # monotonic seconds, the pool's
        self.transport: Any = None

    def __repr__(self) -> str:
        return f"<Connection {self._state.name.lower()}{' reused' if self.reused else ''}>"

    def logPrefix(self) -> str:
        """Its name in Twisted's own log lines."""
        return "upstream"

    def makeConnection(self, transport: Any) -> None:
        """Twisted's: the connection is made."""
        self.transport, self.connected = transport, 1
        no_delay = getattr(transport, "setTcpNoDelay", None)
        if no_delay is not None:
            no_delay(True)

    def connectionMade(self) -> None:
        """Twisted's; nothing to do."""

    def request(self, head: bytes, body: bytes, listener: Listener) -> None:
        """Sends a whole request. Only while it is idle."""
        if not self.reused:
            unwrap(self.transport, self)
        self._listener = listener
        self._state = _SENT
        self._interim, self._received = 0, False
        if len(body) <= COPIED_BODY:
            send(self.transport, head + body)
        else:
            send(self.transport, head)
            send(self.transport, body)

    def take_body(self) -> None:
        """The listener takes the body from now on: first what has come already."""
        if self._state is not _HELD:
            return
        self._state = _BODY
        early, self._early = self._early, b""
        body = self._body
        if self._paused:
            self._resume_socket()
        if body is not None and (early or body.done):
            self.dataReceived(early)
        if self._lost is not None and self._state is _BODY:
            self._cut_off(self._lost)

    def pause(self) -> None:
        """Takes nothing more from the socket until ``resume``."""
        if not self._paused and self.connected:
            self._paused = True
            self.transport.pauseProducing()

    def resume(self) -> None:
        """Takes from the socket again."""
        if self._state is not _HELD:
            self._resume_socket()

    def abort(self) -> None:
        """Drops the connection now, and calls the listener no more.

        ``loseConnection`` would wait for TLS's close_notify, which a streaming peer may never send.
        """
        self._listener = None
        self._close(self.transport.abortConnection)

    def close(self) -> None:
        """Ends an idle connection in order."""
        self._close(self.transport.loseConnection)

    def dataReceived(self, data: bytes) -> None:
        """Twisted's: bytes from upstream."""
        if self._state is _BODY:
            body, listener = self._body, self._listener
            if body is None:
                return
            try:
                content = body.feed(data)
            except Malformed as e:
                self._fail(e)
                return
            if content and listener is not None:
                listener.data_received(content)
            if body.done and self._body is body:
                self._end(bool(body.surplus))
        elif self._state is _SENT:
            self._received = True
            self._take_head(data)
        elif self._state is _HELD:
            self._early += data  # at most what one read held: the socket is paused
        elif self._state is _IDLE:
            self._close(self.transport.abortConnection)  # an answer to nothing

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Twisted's: the connection is closed."""
        self.connected = 0
        self._owner.lost(self)
        if self._state is _HELD:  # it is kept for the caller that takes the body
            self._lost = reason
        else:
            self._cut_off(reason)

    def _take_head(self, data: bytes) -> None:
        try:
            while True:
                begun = self._head
                found = whole_head(data, MAX_HEAD) if begun is None else begun.feed(data)
                if found is None:
                    self._head = begun or HeadReader(MAX_HEAD, data)
                    return
                self._head = None
                block, data = found
                head = response_head(block)
                if head.code >= 200:
                    self._start_body(head, data)
                    return
                self._interim += 1
                if head.code == 101 or self._interim > MAX_INTERIM:
                    raise Malformed("too many interim responses, or one that changes the protocol")
        except Malformed as e:
            self._fail(e)

    def _start_body(self, head: ResponseHead, rest: bytes) -> None:
        body: Body
        if head.is_chunked:
            body = ChunkedBody()
        elif head.code in (204, 304):
            body = LengthBody(0)
        else:
            length = announced_length(head.fields)
            body = UntilClose() if length is None else LengthBody(length)
        self._body, self._early = body, rest
        self._persistent = head.persistent and not isinstance(body, UntilClose)
        self._state = _HELD
        listener = self._listener
        if listener is not None:
            listener.head_received(head)
        if self._state is _HELD:
            self.pause()

    def _end(self, surplus: bool) -> None:
        listener, self._listener, self._body = self._listener, None, None
        self._state = _IDLE
        if self.connected:
            if self._persistent and not surplus:
                if self._paused:
                    self._resume_socket()  # a paused one in the pool would hang its next user
                first, self.reused = not self.reused, True
                self._owner.released(self, first=first)
            else:
                self._owner.retired(self)
        if listener is not None:
            listener.body_ended()

    def _cut_off(self, reason: Failure) -> None:
        """The connection is closed, and everything that came is passed on."""
        state, self._state = self._state, _CLOSED
        body, listener = self._body, self._listener
        self._listener = self._body = self._head = None
        if listener is None:
            return
        if state is _BODY and isinstance(body, UntilClose) and reason.check(ConnectionDone):
            listener.body_ended()
        else:
            listener.failed(reason.value or ConnectionLost(), nothing_received=state is _SENT and not self._received)

    def _fail(self, error: Exception) -> None:
        listener, self._listener = self._listener, None
        self._close(self.transport.abortConnection)
        if listener is not None:
            listener.failed(error, nothing_received=False)

    def _close(self, how: Any) -> None:
        if self._state is not _CLOSED:
            self._state = _CLOSED
            self._body = self._head = None
            self._early = b""
            how()

    def _resume_socket(self) -> None:
        if self._paused:
            self._paused = False
            if self.connected:
                self.transport.resumeProducing()


class ConnectionFactory:
    """Builds one connection, for an endpoint."""

    def __init__(self, owner: Owner, origin: Origin) -> None:
        self._owner = owner
        self._origin = origin

    def buildProtocol(self, addr: IAddress | None) -> Connection:
        """Twisted's."""
        return Connection(self._owner, self._origin)

    def doStart(self) -> None:
        """Twisted's; nothing to do."""

    def doStop(self) -> None:
        """Twisted's; nothing to do."""
