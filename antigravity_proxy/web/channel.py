"""One connection of a guarded listener: HTTP/1.1, deadlines, backpressure, refusal, drain.

One pipelined request is begun at a time, in a turn of the reactor of its own, and none while the client does not read.
Slow senders and stalled readers are dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

from twisted.internet.interfaces import IProtocol, IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from antigravity_proxy import errors
from antigravity_proxy.http1.bodies import Body, ChunkedBody, LengthBody
from antigravity_proxy.http1.fields import ReceivedFields
from antigravity_proxy.http1.parser import (
    HeadReader,
    Malformed,
    RequestHead,
    TooLong,
    origin_form,
    request_head,
    request_length,
    request_line,
    tokens,
    whole_head,
)
from antigravity_proxy.http1.sending import send, unsent
from antigravity_proxy.http1.transports import made_by_client
from antigravity_proxy.settings.limits import HEAD_BYTES, HEAD_FIELDS, LINGER_BYTES
from antigravity_proxy.web.deadlines import Deadlines, Upgraded, Wait
from antigravity_proxy.web.edge import GuardedRequest, request_of
from antigravity_proxy.web.heads import KnownHead, head_so_far, refusal_of, too_large

if TYPE_CHECKING:
    from antigravity_proxy.web.site import GuardedSite

#: an enumeration's own attribute is ten times slower than a name
_HEAD, _NEXT, _NOTHING = Wait.HEAD, Wait.NEXT, Wait.NOTHING
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@implementer(IProtocol, IPushProducer)
class GuardedChannel:
    """HTTP/1.1 with deadlines for what comes in, a stall limit for what goes out, refusal and drain.

    The deadlines are absolute, or require progress. ``sheds``: it came above the cap, and is answered so. ``peer``
    is its address, ``address`` the network that it is counted for. ``refusing``: a refusal was sent, and what comes
    is swallowed, unread. ``persistent``: another request may follow.
    """

    __slots__ = (
        "_ahead",
        "_body",
        "_deadlines",
        "_draining",
        "_head",
        "_last",
        "_paused",
        "_producer",
        "_protocol",
        "_request",
        "address",
        "connected",
        "peer",
        "persistent",
        "refusing",
        "sheds",
        "site",
        "transport",
        "upgraded",
    )

    def __init__(self, site: GuardedSite[Any], peer: str, address: str, *, sheds: bool) -> None:
        self.site = site
        self.peer = peer
        self.address = address
        self.sheds = sheds
        self.transport: Any = None
        self.connected = 0
        self.persistent = True
        self.refusing = False
        self._head: HeadReader | None = None  # of a request that is on its way
        self._last: ref[KnownHead] | None = None  # of the request before
        self._request: GuardedRequest[Any] | None = None
        self._body: Body | None = None
        self._ahead = b""  # the beginning of further requests
        self._paused = False  # nothing is read
        self._producer: IPushProducer | None = None
        self._protocol: IProtocol | None = None  # takes the bytes, after an upgrade
        self.upgraded: Upgraded | None = None
        self._deadlines = Deadlines(site.ticker.clock.seconds())
        self._draining = False

    def __repr__(self) -> str:
        return f"<GuardedChannel {self._deadlines.waits_for.name.lower()}{' draining' if self._draining else ''}>"

    def logPrefix(self) -> str:
        """Twisted's: its name in Twisted's own log lines."""
        return "client"

    def makeConnection(self, transport: Any) -> None:
        """Twisted's: the connection is made."""
        self.transport, self.connected = transport, 1
        if hasattr(transport, "setTcpNoDelay"):
            transport.setTcpNoDelay(True)
            made_by_client(transport)
        transport.registerProducer(self, True)
        self.site.channel_made(self)
        self.site.ticker.watch(self)

    def connectionMade(self) -> None:
        """Twisted's; nothing to do."""

    def dataReceived(self, data: bytes) -> None:
        """Twisted's: bytes of the client."""
        deadlines = self._deadlines
        waits_for = deadlines.waits_for
        if not self.sheds and (waits_for is _NEXT or (waits_for is _HEAD and not deadlines.received)):
            found = self.site.heads.find(data, self._last)
            if found and self._begin_again(*found):
                return
        if self._protocol is not None:
            self._protocol.dataReceived(data)
            return
        if waits_for is Wait.CLOSE:
            return
        if waits_for is Wait.NEXT:
            self._deadlines.wait(Wait.HEAD, self.site.ticker.clock.seconds())
        self._deadlines.received += len(data)
        if self.refusing:  # lingering close: swallow a little, never parse
            if self._deadlines.received > LINGER_BYTES:
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
        if self._protocol is not None:
            self._protocol.connectionLost(reason)
        if request is not None and not self.refusing:
            request.connection_lost(reason)
        self.site.channel_gone(self)

    @property
    def is_stalled(self) -> bool:
        """The client takes nothing of what we send for now."""
        return self._deadlines.stalled_since is not None

    def send(self, data: bytes) -> None:
        """Sends bytes of an answer."""
        if self.connected:
            send(self.transport, data)

    def set_producer(self, producer: IPushProducer | None) -> None:
        """The producer that is slowed down when the client is."""
        self._producer = producer
        if producer is not None and self.is_stalled:
            producer.pauseProducing()

    def request_done(self) -> None:
        """The answer is complete. The next request in the pipeline waits for its turn, and until the client reads."""
        self._request = None
        if not self.persistent:
            self._close()
        elif self._ahead:
            self._deadlines.waits_for = Wait.NOTHING  # for us
            if not self.is_stalled:
                self.site.turns.add(self._go_on)
        else:
            self._deadlines.wait(_NEXT, self.site.ticker.clock.seconds())
            if self._paused:
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
            request = self._request = request_of(self, head_so_far(line, self._head))
        request.release_body()
        rendered = self.site.gate.render(request, error)
        self.send(request.refusal(rendered))
        self.site.gate.refused(request, error, rendered)
        self._body, self._ahead = None, b""
        self._resume()
        self._wait(Wait.LINGER)

    def drain(self) -> None:
        """Finishes each request whose head is there, and takes nothing more.

        A connection that was just made gets a moment to send a whole head; any other without one goes now.
        """
        self._draining = True
        if self.upgraded is not None:
            self.upgraded.drain()
        elif self._deadlines.waits_for is Wait.HEAD and not self._deadlines.received:
            self._wait(Wait.ARRIVAL)
        elif self._request is None or self._deadlines.waits_for is Wait.HEAD:
            self._close()
        else:
            self.persistent = False

    def pauseProducing(self) -> None:
        """The transport's: the client takes nothing for now."""
        if self._deadlines.stalled_since is None:
            self._deadlines.stalled_since = self.site.ticker.clock.seconds()
        if self.upgraded is not None:
            self._pause()  # what it sends is held up as well
        if self._producer is not None:
            self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        """The transport's: the client takes bytes again."""
        self._deadlines.stalled_since = None
        if self.upgraded is not None:
            self._resume()
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
        deadlines = self._deadlines
        if deadlines.takes_nothing(now, unsent(self.transport)):
            self.transport.abortConnection()
            return
        if self.upgraded is not None:
            self.upgraded.tick(now)
            return
        match deadlines.expired(now, full=self.site.is_full):
            case None:
                return
            case Wait.BODY | Wait.HEAD if deadlines.received or self._body is not None:
                self.refuse(errors.RequestTimeout("The request was not received in time."))
            case Wait.CLOSE:
                self.transport.abortConnection()
            case _:
                self._close()

    def _protocolUpgradeForWebsockets(self, protocol: IProtocol) -> None:
        """Twisted's (``twisted.web.websocket``): ``protocol`` has the connection from now on."""
        self._protocol = protocol
        self._deadlines.waits_for = Wait.NOTHING
        protocol.makeConnection(self.transport)

    def upgrade(self, upgraded: Upgraded) -> None:
        """From now on the connection is another protocol's, which Twisted has just put in the place of HTTP."""
        self.upgraded = upgraded

    def _take_head(self, data: bytes) -> None:
        head = self._head
        line = None if head is None else head.first_line
        data = data.removeprefix(b"\r\n") if head is None else data  # RFC 9112 2.2
        try:
            found = whole_head(data, HEAD_BYTES) if head is None else head.feed(data)
            if found is None:
                if head is None:
                    head = self._head = HeadReader(HEAD_BYTES, data)
                if line is None and (line := head.first_line) is not None:
                    request_line(line)  # an invalid request need not wait for its end
                return
            block, rest = found
            line = block.partition(b"\r\n")[0]
            received = request_head(block)
            if sum(map(len, received.fields.values())) > HEAD_FIELDS:
                raise TooLong("there are too many header fields")
        except TooLong:
            line = line or (head.first_line if head is not None else None) or data.partition(b"\r\n")[0]
            self.refuse(too_large(line), line)
        except Malformed as e:
            self.refuse(refusal_of(e), line)
        else:
            self._head = None
            self._begin(block, received, rest)

    def _begin(self, block: bytes, head: RequestHead, rest: bytes) -> None:
        """A head is whole, and was read from ``block``."""
        request = self._request = request_of(self, head)
        try:
            length = request_length(head)
            head.fields.pop(b"content-length", None)
            if head.target[:1] != b"/":
                request.uri = origin_form(head.target, head.fields)
            self.persistent = head.persistent and not self._draining
            again = request.admit(length)
        except (Malformed, errors.ProxyError) as e:
            self.refuse(refusal_of(e))
        else:
            self._last = self.site.heads.keep(block, head, again)
            self._begin_body(request, length, rest)

    def _begin_again(self, known: KnownHead, fields: ReceivedFields, length: int, rest: bytes) -> bool:
        """A head that came before has come again; False where what was read in it no longer holds."""
        self._last = ref(known)
        head = known.head
        request = self._request = GuardedRequest(self, head.method, head.target, head.minor, fields)
        self.persistent = known.persistent and not self._draining
        try:
            if not known.again(request):
                self._request = None
                self.site.heads.forget()
                return False
            request.reserve(length)
        except errors.ProxyError as e:
            self.refuse(e)
        else:
            self._begin_body(request, length, rest)
        return True

    def _begin_body(self, request: GuardedRequest[Any], length: int | None, rest: bytes) -> None:
        """The head was admitted; ``rest`` is what came behind it."""
        if length is not None and len(rest) >= length:
            self._process(request, rest[:length], rest[length:])
            return
        body = self._body = ChunkedBody() if length is None else LengthBody(length)
        self._deadlines.body_begins(self.site.ticker.clock.seconds())
        if rest:
            self._deadlines.received = len(rest)
            self._take_body(body, rest)
        elif tokens(request.requestHeaders, b"expect") == [b"100-continue"] and request.minor == 1:
            self.send(_CONTINUE)

    def _take_body(self, body: Body, data: bytes) -> None:
        request = self._request
        if request is None:
            return
        try:
            content = body.feed(data)
            if content:
                request.receive(content, body.pieces)
        except (Malformed, errors.ProxyError) as e:
            self.refuse(refusal_of(e))
        else:
            if body.done:
                self._body = None
                self._process(request, b"", body.surplus)

    def _process(self, request: GuardedRequest[Any], body: bytes, ahead: bytes) -> None:
        """The request is whole, with a body that came in one; what came ``ahead`` of its answer waits."""
        self._deadlines.waits_for = _NOTHING
        if ahead:
            self._ahead = ahead
            self._pause()
        request.process(body)

    def _go_on(self) -> None:
        """Begins the next request of a pipeline."""
        if not self.connected or self._request is not None or self._deadlines.waits_for is not Wait.NOTHING:
            return
        if self.is_stalled:
            return  # ``resumeProducing`` gives it another turn
        ahead, self._ahead = self._ahead, b""
        self._wait(Wait.HEAD)
        self._resume()
        self.dataReceived(ahead)

    def _close(self) -> None:
        """Ends the connection in order (FIN) once all that was written has left; a peer that takes nothing is cut."""
        self._ahead = b""
        self._wait(Wait.CLOSE)
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

    def _wait(self, what: Wait) -> None:
        self._deadlines.wait(what, self.site.ticker.clock.seconds())
