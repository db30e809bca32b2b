"""One connection of a guarded listener: HTTP/1.1, deadlines, backpressure, refusal, drain.

One pipelined request is begun at a time, in a turn of the reactor of its own, and none while the client does not read.
Slow senders and stalled readers are dropped.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IProtocol, IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from antigravity_proxy import errors
from antigravity_proxy.http1.parser import (
    Body,
    ChunkedBody,
    HeadReader,
    LengthBody,
    Malformed,
    RequestHead,
    TooLong,
    announced_length,
    is_chunked,
    request_head,
    request_line,
    tokens,
)
from antigravity_proxy.http1.sending import send
from antigravity_proxy.settings.limits import (
    ARRIVAL_SECONDS,
    BODY_CHECK_SECONDS,
    BODY_GRACE_SECONDS,
    BODY_MEAN_RATE,
    BODY_MIN_RATE,
    FULL_DEADLINE,
    HEAD_BYTES,
    HEAD_DEADLINE,
    HEAD_FIELDS,
    IDLE_SECONDS,
    LINGER_BYTES,
    LINGER_SECONDS,
    WRITE_STALL,
)
from antigravity_proxy.web.edge import SERVER_NAME, GuardedRequest, head_of

if TYPE_CHECKING:
    from antigravity_proxy.web.site import GuardedSite

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


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


@implementer(IProtocol, IPushProducer)
class GuardedChannel:
    """HTTP/1.1 with deadlines for what comes in, a stall limit for what goes out, refusal and drain.

    The deadlines are absolute, or ask for progress. ``sheds``: it came above the cap, and is told so. ``address``: the
    peer's network, as connections are counted. ``refusing``: a refusal was sent, and what comes is swallowed, unread.
    ``persistent``: another request may follow.
    """

    __slots__ = (
        "_ahead",
        "_body",
        "_body_began",
        "_body_received",
        "_draining",
        "_head",
        "_paused",
        "_producer",
        "_received",
        "_request",
        "_since",
        "_stalled_since",
        "_unsent",
        "_upgraded",
        "_waits_for",
        "address",
        "connected",
        "persistent",
        "refusing",
        "sheds",
        "site",
        "transport",
    )

    def __init__(self, site: GuardedSite[Any], address: str, *, sheds: bool) -> None:
        self.site = site
        self.address = address
        self.sheds = sheds
        self.transport: Any = None
        self.connected = 0
        self.persistent = True
        self.refusing = False
        self._head: HeadReader | None = None  # of a request that is on its way
        self._request: GuardedRequest[Any] | None = None
        self._body: Body | None = None
        self._body_began = 0.0  # monotonic seconds
        self._body_received = 0
        self._ahead = b""  # the beginning of further requests
        self._paused = False  # nothing is read
        self._producer: IPushProducer | None = None
        self._upgraded: IProtocol | None = None  # speaks from now on
        self._waits_for = _Wait.HEAD
        self._since = 0.0  # monotonic seconds: since when it waits
        self._received = 0  # bytes since then
        self._stalled_since: float | None = None  # monotonic seconds; None: the client takes what we send
        self._unsent = 0  # bytes that the client had not taken at the last tick
        self._draining = False

    def __repr__(self) -> str:
        return f"<GuardedChannel {self._waits_for.name.lower()}{' draining' if self._draining else ''}>"

    def logPrefix(self) -> str:
        """Twisted's: its name in Twisted's own log lines."""
        return "client"

    def makeConnection(self, transport: Any) -> None:
        """Twisted's: the connection is made."""
        self.transport, self.connected = transport, 1
        no_delay = getattr(transport, "setTcpNoDelay", None)
        if no_delay is not None:
            no_delay(True)
        transport.registerProducer(self, True)
        self.site.channel_made(self)
        self.site.ticker.watch(self)
        self._since = self.site.ticker.clock.seconds()

    def connectionMade(self) -> None:
        """Twisted's; nothing to do."""

    def dataReceived(self, data: bytes) -> None:
        """Twisted's: bytes of the client."""
        if self._upgraded is not None:
            self._upgraded.dataReceived(data)
            return
        waits_for = self._waits_for
        if waits_for is _Wait.CLOSE:
            return
        if waits_for is _Wait.NEXT:
            self._wait(_Wait.HEAD)
        self._received += len(data)
        if self.refusing:  # lingering close: swallow a little, never parse
            if self._received > LINGER_BYTES:
                self._close()
        elif self._body is not None:
            self._take_body(self._body, data)
        elif self._request is not None or self._ahead:
            self._ahead += data  # what one read held: nothing more is read
            self._pause()
        else:
            self._take_head(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Twisted's: the connection is closed."""
        self.connected = 0
        self.site.ticker.leave(self)
        request, self._request = self._request, None
        self._body = self._producer = None
        if self._upgraded is not None:
            self._upgraded.connectionLost(reason)
        elif request is not None and not self.refusing:
            request.connection_lost(reason)
        self.site.channel_gone(self)

    def send(self, data: bytes) -> None:
        """Sends bytes of an answer."""
        if self.connected:
            send(self.transport, data)

    def set_producer(self, producer: IPushProducer | None) -> None:
        """Who is slowed down when the client is."""
        self._producer = producer
        if producer is not None and self._stalled_since is not None:
            producer.pauseProducing()

    def request_done(self) -> None:
        """The answer is complete. What follows in the pipeline waits for its turn, and until the client reads."""
        self._request = None
        if not self.persistent:
            self._close()
        elif self._ahead:
            self._waits_for = _Wait.NOTHING  # for us
            if self._stalled_since is None:
                self.site.turns.add(self._go_on)
        else:
            self._wait(_Wait.NEXT)
            self._resume()

    def refuse(self, error: errors.ProxyError, line: bytes | None = None) -> None:
        """Answers with the error and closes; what the client still sends is swallowed for a moment, unread.

        ``line``: the first line of a request whose head is not read.
        """
        if self.refusing:
            return
        self.refusing, self.persistent = True, False
        request = self._request
        if request is None:  # not even its head came whole
            request = self._request = GuardedRequest(
                self, _so_far(line or (self._head and self._head.first_line) or b"")
            )
        request.release_body()
        rendered = self.site.gate.render(request, error)
        fields = [
            (b"server", SERVER_NAME),
            (b"content-length", b"%d" % len(rendered.body)),
            (b"connection", b"close"),
            *rendered.headers,
            *request.fields,
        ]
        body = b"" if request.method == b"HEAD" else rendered.body
        self.send(head_of(rendered.status, fields) + body)
        self.site.gate.refused(request, error, rendered)
        self._body, self._ahead = None, b""
        self._resume()
        self._wait(_Wait.LINGER)

    def drain(self) -> None:
        """Finishes each request whose head is there, and takes nothing more.

        A connection that was just made gets a moment to send a whole head; any other without one goes now.
        """
        self._draining = True
        if self._waits_for is _Wait.HEAD and not self._received:
            self._wait(_Wait.ARRIVAL)
        elif self._request is None or self._waits_for is _Wait.HEAD:
            self._close()
        else:
            self.persistent = False

    def pauseProducing(self) -> None:
        """The transport's: the client takes nothing for now."""
        if self._stalled_since is None:
            self._stalled_since = self.site.ticker.clock.seconds()
        if self._producer is not None:
            self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        """The transport's: the client takes bytes again."""
        self._stalled_since = None
        if self._producer is not None:
            self._producer.resumeProducing()
        elif self._ahead and self._request is None:
            self.site.turns.add(self._go_on)

    def stopProducing(self) -> None:
        """The transport's: the client is gone."""
        if self._producer is not None:
            self._producer.stopProducing()

    def tick(self, now: float) -> None:
        """Drops a peer that is too slow."""
        if self._takes_nothing(now):
            self.transport.abortConnection()
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

    def _protocolUpgradeForWebsockets(self, protocol: IProtocol) -> None:
        """Twisted's (``twisted.web.websocket``): ``protocol`` has the connection from now on."""
        self._upgraded = protocol
        self._waits_for = _Wait.NOTHING
        protocol.makeConnection(self.transport)

    def _take_head(self, data: bytes) -> None:
        head = self._head
        if head is None:
            data = data.removeprefix(b"\r\n")  # RFC 9112 2.2
            head = self._head = HeadReader(HEAD_BYTES)
        line = head.first_line
        try:
            found = head.feed(data)
            if found is None:
                if line is None and (line := head.first_line) is not None:
                    request_line(line)  # nonsense need not wait for its end
                return
            block, rest = found
            line = block.partition(b"\r\n")[0]
            received = request_head(block)
            if sum(map(len, received.fields.values())) > HEAD_FIELDS:
                raise TooLong("there are too many header fields")
        except TooLong:
            line = line or head.first_line or data.partition(b"\r\n")[0]
            if len(line) > HEAD_BYTES // 2:
                self.refuse(errors.UriTooLong("The request's target is too long."), line)
            else:
                self.refuse(errors.HeadTooLarge("The headers are too many, or too long in all."), line)
        except Malformed as e:
            self.refuse(errors.BadRequest(f"Malformed HTTP request: {e}."), line)
        else:
            self._head = None
            self._begin(received, rest)

    def _begin(self, head: RequestHead, rest: bytes) -> None:
        """A head is whole."""
        request = self._request = GuardedRequest(self, head)
        try:
            body = _framing(head)
            self.persistent = (
                head.minor == 1 and not self._draining and b"close" not in tokens(head.fields, b"connection")
            )
            request.admit(0 if body.done else announced_length(head.fields))
        except Malformed as e:
            self.refuse(errors.BadRequest(f"Malformed HTTP request: {e}."))
            return
        except errors.ProxyError as e:
            self.refuse(e)
            return
        if body.done:
            self._process(request, rest)
            return
        self._body = body
        self._wait(_Wait.BODY)
        self._body_began, self._body_received = self._since, 0
        if rest:
            self._received = len(rest)
            self._take_body(body, rest)
        elif tokens(head.fields, b"expect") == [b"100-continue"] and head.minor == 1:
            self.send(_CONTINUE)

    def _take_body(self, body: Body, data: bytes) -> None:
        request = self._request
        if request is None:
            return
        try:
            content = body.feed(data)
            if content:
                request.receive(content, body.pieces)
        except Malformed as e:
            self.refuse(errors.BadRequest(f"Malformed HTTP request: {e}."))
        except errors.ProxyError as e:
            self.refuse(e)
        else:
            if body.done:
                self._body = None
                self._process(request, body.surplus)

    def _process(self, request: GuardedRequest[Any], rest: bytes) -> None:
        self._waits_for = _Wait.NOTHING
        if rest:
            self._ahead = rest
            self._pause()
        request.process()

    def _go_on(self) -> None:
        """Begins the next request of a pipeline."""
        if not self.connected or self._request is not None or self._waits_for is not _Wait.NOTHING:
            return
        if self._stalled_since is not None:
            return  # ``resumeProducing`` gives it another turn
        ahead, self._ahead = self._ahead, b""
        self._wait(_Wait.HEAD)
        self._resume()
        self.dataReceived(ahead)

    def _takes_nothing(self, now: float) -> bool:
        """Whether the client has taken nothing of what we sent for too long."""
        unsent = _unsent(self.transport)
        progress, self._unsent = unsent < self._unsent, unsent
        if self._stalled_since is not None and progress:
            self._stalled_since = now
        if self._waits_for is _Wait.CLOSE and progress:
            self._since = now
        return self._stalled_since is not None and now - self._stalled_since > WRITE_STALL

    def _body_makes_progress(self, now: float) -> bool:
        """Whether it came fast enough of late, and as a whole."""
        self._body_received += self._received
        after_grace = now - self._body_began - BODY_GRACE_SECONDS
        return self._received >= BODY_CHECK_SECONDS * BODY_MIN_RATE and (
            self._body_received >= after_grace * BODY_MEAN_RATE
        )

    def _close(self) -> None:
        """Ends the connection in order (FIN) once all that was written has left; a peer that takes nothing is cut."""
        self._ahead = b""
        self._wait(_Wait.CLOSE)
        self.transport.unregisterProducer()  # else Twisted waits for it
        self.transport.loseConnection()

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self.transport.pauseProducing()

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self.transport.resumeProducing()

    def _wait(self, what: _Wait) -> None:
        self._waits_for = what
        self._since = self.site.ticker.clock.seconds()
        self._received = 0


def _framing(head: RequestHead) -> Body:
    """How the request's body is framed (RFC 9112 6.3). Raises Malformed, also where not exactly one Host is named."""
    fields = head.fields
    if len(fields.get(b"host", ())) != 1 and (head.minor == 1 or b"host" in fields):
        raise Malformed("exactly one Host header is needed")
    if is_chunked(fields):
        if head.minor == 0:
            raise Malformed("HTTP/1.0 knows no Transfer-Encoding")
        return ChunkedBody()
    return LengthBody(announced_length(fields) or 0)


def _so_far(line: bytes) -> RequestHead:
    """What is known of a request whose head is not read, by its first line."""
    try:
        method, target, minor = request_line(line)
    except Malformed:
        method, target, minor = b"", b"", 1
    return RequestHead(method, target, minor, {})


def _unsent(transport: Any) -> int:
    """Bytes that wait in the transport (Twisted's FileDescriptor)."""
    waiting: int = len(getattr(transport, "dataBuffer", b"")) - getattr(transport, "offset", 0)
    return waiting + int(getattr(transport, "_tempDataLen", 0))
