"""One exchange with upstream: open it, read or pipe its body, abort it any time.

This is the seam of the hot path: no caller knows how bytes travel. Below it is a connection of `connections`;
every failure surfaces as one of the errors defined here.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.web.client import URI
from zope.interface import implementer

from antigravity_proxy.coroutines import Pending
from antigravity_proxy.http1.fields import field
from antigravity_proxy.http1.parser import ResponseHead
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.upstream.connection import Connection, Origin
from antigravity_proxy.upstream.connections import Connections
from antigravity_proxy.upstream.tunnel import TunnelRefused

_END = b"\r\n\r\n"
#: URLs that are kept with what is read in them; an official upstream has one for each project and model
KEPT_URLS = 512
#: whose errors mean a failed handshake: then upstream has received nothing
_TLS_MODULES = ("OpenSSL", "service_identity")


class ExchangeError(Exception):
    """Base: the exchange came to no good end."""


class Unreachable(ExchangeError):
    """No connection could be made: upstream has received nothing."""


class NoWayOut(Unreachable):
    """The egress proxy is not to be used, can't be reached, or gives no way: that says nothing of upstream."""


class Stale(ExchangeError):
    """A kept connection turned out to be dead before a byte came back: worth one fresh one, which is not counted."""


class Broken(ExchangeError):
    """The connection broke before the answer's head, or within its body."""


class Silent(ExchangeError):
    """Upstream sent nothing for too long."""


class TooLarge(ExchangeError):
    """A body that is read as a whole grew over its limit."""


@functools.lru_cache(maxsize=KEPT_URLS)
def _parsed(url: bytes) -> tuple[URI, Origin, bytes]:
    parsed = URI.fromBytes(url)
    return parsed, (parsed.scheme, parsed.host, parsed.port), parsed.originForm


@functools.lru_cache(maxsize=KEPT_URLS)
def host_header(url: bytes) -> bytes:
    """The ``Host`` for a URL: without the port where that is the scheme's own (RFC 9110 7.2)."""
    parsed, _, _ = _parsed(url)
    usual = {b"http": 80, b"https": 443}.get(parsed.scheme)
    host: bytes = parsed.netloc if usual != parsed.port else parsed.host
    return host


@functools.lru_cache(maxsize=KEPT_URLS)
def head_for(method: bytes, url: bytes) -> bytes:
    """The beginning of a request's head, up to ``Host``. Raises ValueError for a URL that holds a line end."""
    if b"\n" in url or b"\r" in url:
        raise ValueError("a URL holds a line end")
    _, _, target = _parsed(url)
    return method + b" " + target + b" HTTP/1.1" + field(b"Host", host_header(url))


class Receiver(Protocol):
    """Takes a body as it arrives. An exception of ``data_received`` aborts the exchange and comes out of ``pipe``."""

    def data_received(self, data: bytes) -> None: ...


@implementer(IPushProducer)
class Exchange:
    """One request to upstream and its answer.

    ``silence`` is the longest time in seconds without a byte: before the head as well as within the body. It does not
    run while the client is the slow one.
    """

    __slots__ = (
        "_connecting",
        "_connection",
        "_connections",
        "_consumer",
        "_done",
        "_ended",
        "_error",
        "_heard",
        "_late",
        "_opened",
        "_receive",
        "_silence",
        "_ticker",
    )

    def __init__(self, ticker: Ticker, connections: Connections, silence: float) -> None:
        self._ticker = ticker
        self._connections = connections
        self._silence = silence
        self._connection: Connection | None = None  # ours until the body has ended
        self._late = False
        self._heard: float | None = 0.0  # monotonic seconds: when upstream was last heard of; None: since the last tick
        self._connecting: Deferred[Connection] | None = None
        self._opened: Pending[ResponseHead] | None = None
        self._receive: Callable[[bytes], None] | None = None
        self._consumer: IConsumer | None = None
        self._done: Pending[None] | None = None
        self._ended = False  # the body is whole
        self._error: Exception | None = None  # why it never will be, until it is raised

    def __repr__(self) -> str:
        return f"<Exchange {self._connection!r}{' late' if self._late else ''}>"

    def open(self, url: bytes, head: bytes, body: bytes | None) -> Awaitable[ResponseHead]:
        """Sends the request; what is returned comes to its end when the answer's head is there.

        ``head`` is the request's, up to its last field but Content-Length. It fails with Unreachable, Stale, Broken,
        Silent. Being cancelled drops the connection.
        """
        uri, origin, _ = _parsed(url)
        head = head + _END if body is None else b"%b\r\nContent-Length: %d\r\n\r\n" % (head, len(body))
        self.listen()
        connection = self._connections.take(origin)
        if connection is None:
            return self._open_new(uri, head, body)
        return self._send(connection, head, body)

    async def _open_new(self, uri: URI, head: bytes, body: bytes | None) -> ResponseHead:
        try:
            connection = await self._connect(uri)
        except BaseException:
            self._ticker.leave(self)
            raise
        return await self._send(connection, head, body)

    def _send(self, connection: Connection, head: bytes, body: bytes | None) -> Pending[ResponseHead]:
        self._connection = connection
        opened: Pending[ResponseHead] = Pending(self._give_up)
        self._opened = opened
        connection.request(head, body or b"", self)
        return opened

    async def _connect(self, uri: URI) -> Connection:
        self._connecting = self._connections.connect(uri)
        try:
            return await self._connecting
        except Exception as e:
            if self._late:
                raise Silent("no connection for too long") from e
            if isinstance(e, TunnelRefused):
                raise NoWayOut(str(e)) from e
            raise Unreachable(type(e).__name__) from e
        finally:
            self._connecting = None

    async def read(self, limit: int) -> bytes:
        """The whole body; raises TooLarge above ``limit`` bytes, else as ``pipe``."""
        collected = _Collected(limit)
        if (ending := self.pipe(collected, None)) is not None:
            await ending
        return collected.body()

    def pipe(self, receiver: Receiver, consumer: IConsumer | None) -> Pending[None] | None:
        """Feeds the body to ``receiver`` until its end, no faster than ``consumer`` takes it.

        Returns None where that was whole already, as a short one is that came with its head; else what fires at its
        end. Raises Broken or Silent, or what the receiver raised; what is returned fails with the same.
        """
        if self._error is None:  # else it broke before anybody took the body
            self._receive = receiver.data_received
            self._heard = self._ticker.clock.seconds()
            if consumer is not None:
                self._consumer = consumer
                consumer.registerProducer(self, True)
            if self._connection is not None:
                self._connection.take_body()
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error
        if self._ended:
            return None
        self._done = Pending(self._give_up)
        return self._done

    def abort(self) -> None:
        """Drops the connection now, if it is still this exchange's; a waiting caller gets Broken."""
        if self._connecting is not None:
            self._connecting.cancel()
        self._drop()
        self._fail(Broken("dropped"))

    def listen(self) -> None:
        """Upstream is expected to say something from now on."""
        self._heard = self._ticker.clock.seconds()
        self._ticker.watch(self)

    def tick(self, now: float) -> None:
        """Gives up on an upstream that is silent for too long."""
        if self._heard is None:
            self._heard = now
        if now - self._heard < self._silence:
            return
        self._late = True
        self._ticker.leave(self)
        if self._connecting is not None:
            self._connecting.cancel()
            return
        self._drop()
        self._fail(Silent("upstream said nothing for too long"))

    def head_received(self, head: ResponseHead) -> None:
        """The connection's: the head is there."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.fire(head)

    def data_received(self, data: bytes) -> None:
        """The connection's: a piece of the body."""
        self._heard = None
        if self._receive is None:
            return
        try:
            self._receive(data)
        except Exception as e:
            self._drop()
            self._fail(e)

    def body_ended(self) -> None:
        """The connection's: the body is whole."""
        self._connection, self._ended = None, True
        self._end()
        done, self._done = self._done, None
        if done is not None:
            done.fire(None)

    def failed(self, error: BaseException, *, nothing_received: bool) -> None:
        """The connection's: it ended too early."""
        connection, self._connection = self._connection, None
        if self._opened is None:
            self._fail(Broken("the connection broke within the answer"), error)
        elif connection is not None and connection.reused and nothing_received:
            self._fail(Stale(type(error).__name__), error)
        elif type(error).__module__.startswith(_TLS_MODULES):  # the handshake failed
            self._fail(Unreachable(type(error).__name__), error)
        else:
            self._fail(Broken(type(error).__name__), error)

    def pauseProducing(self) -> None:
        """The client's: it takes nothing more for now. A slow client is not a slow upstream."""
        self._ticker.leave(self)
        if self._connection is not None:
            self._connection.pause()

    def resumeProducing(self) -> None:
        """The client's: it takes bytes again."""
        self.listen()
        if self._connection is not None:
            self._connection.resume()

    def stopProducing(self) -> None:
        """The client's: it is gone. Its server notices that by itself, and cancels ``pipe``."""
        self._consumer = None
        self._drop()
        self._end()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()

    def _give_up(self) -> None:
        """The wait was cancelled."""
        self._opened = self._done = None
        self._drop()
        self._end()

    def _end(self) -> None:
        """Nothing more comes."""
        self._ticker.leave(self)
        self._receive = None
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.unregisterProducer()

    def _fail(self, error: Exception, cause: BaseException | None = None) -> None:
        error.__cause__ = cause or error.__cause__
        self._end()
        opened, done = self._opened, self._done
        self._opened = self._done = None
        if opened is not None:
            opened.fail(error)
        elif done is not None:
            done.fail(error)
        elif not self._ended:
            self._error = self._error or error


class _Collected:
    """A receiver that keeps the whole body, up to a limit."""

    __slots__ = ("_limit", "_pieces", "_size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            self._pieces.clear()  # who keeps the error must not keep these
            raise TooLarge(f"more than {self._limit} bytes")
        self._pieces.append(data)

    def body(self) -> bytes:
        return b"".join(self._pieces)
