"""One exchange with upstream: open it, read or pipe its body, abort it any time.

This is the seam of the hot path: above it nobody knows how bytes travel. Below it is Twisted's `Agent` on a pool of
kept connections; every failure surfaces as one of the errors defined here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.error import ConnectError, ConnectingCancelledError, DNSLookupError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, HTTPConnectionPool, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IBodyProducer, IResponse
from zope.interface import implementer

from antigravity_proxy.ticker import Ticker


class ExchangeError(Exception):
    """Base: the exchange came to no good end."""


class Unreachable(ExchangeError):
    """No connection could be made: upstream has received nothing."""


class Stale(ExchangeError):
    """A kept connection turned out to be dead before a byte came back: worth one fresh one, at nobody's charge."""


class Broken(ExchangeError):
    """The connection broke before the answer's head, or within its body."""


class Silent(ExchangeError):
    """Upstream sent nothing for too long."""


class TooLarge(ExchangeError):
    """A body that is read as a whole grew over its limit."""


@implementer(IBodyProducer)
class BytesBody:
    """A request body in one write, with its length announced; a new one for every attempt."""

    __slots__ = ("_body", "length")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._body)
        self._body = b""  # Twisted keeps this object until the answer's end
        return succeed(None)

    def pauseProducing(self) -> None:
        """Nothing to pause: it is all written already."""

    def resumeProducing(self) -> None:
        """Nothing to resume."""

    def stopProducing(self) -> None:
        """Nothing to stop."""


class _Hold:
    """A pool for one request: remembers the connection, so that it can be aborted, and whether it was used before."""

    __slots__ = ("_pool", "connection", "persistent", "reused")

    def __init__(self, pool: HTTPConnectionPool) -> None:
        self._pool = pool
        self.persistent = pool.persistent
        self.connection: Any = None
        self.reused = False

    def getConnection(self, key: object, endpoint: Any) -> Deferred[Any]:
        return self._pool.getConnection(key, endpoint).addCallback(self._keep)

    def _keep(self, connection: Any) -> Any:
        self.connection = connection
        self.reused = getattr(connection, "antigravity_used", False)
        connection.antigravity_used = True
        return connection


class _Agent(Agent):
    """An Agent that parses each URL once: there are few, and they are asked for again and again."""

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        parsed, origin_form = _parsed(uri)
        key = (parsed.scheme, parsed.host, parsed.port)
        endpoint = self._getEndpoint(parsed)
        return self._requestWithEndpoint(key, endpoint, method, parsed, headers, bodyProducer, origin_form)


@functools.lru_cache(maxsize=64)
def _parsed(url: bytes) -> tuple[URI, bytes]:
    parsed = URI.fromBytes(url)
    return parsed, parsed.originForm


def host_header(url: bytes) -> bytes:
    """The ``Host`` for a URL: without the port where that is the scheme's own (RFC 9110 7.2)."""
    parsed, _ = _parsed(url)
    usual = {b"http": 80, b"https": 443}.get(parsed.scheme)
    host: bytes = parsed.netloc if usual != parsed.port else parsed.host
    return host


class Receiver(Protocol):
    """Takes a body as it arrives. What ``data_received`` raises aborts the exchange and comes out of ``pipe``."""

    def data_received(self, data: bytes) -> None: ...


class Exchange:
    """One request to upstream and its answer.

    ``silence`` is the longest time in seconds without a byte: before the head as well as within the body. It does not
    run while the client is the slow one.
    """

    __slots__ = ("_agent", "_heard", "_hold", "_late", "_request", "_response", "_silence", "_ticker")

    def __init__(
        self, ticker: Ticker, endpoints: IAgentEndpointFactory, pool: HTTPConnectionPool, silence: float
    ) -> None:
        self._ticker = ticker
        self._silence = silence
        self._hold = _Hold(pool)
        self._agent = _Agent.usingEndpointFactory(ticker.clock, endpoints, self._hold)
        self._late = False
        self._heard = 0.0  # monotonic seconds: when upstream was last heard of
        self._request: Deferred[IResponse] | None = None
        self._response: Any = None

    async def open(self, method: bytes, url: bytes, headers: Headers, body: bytes | None) -> IResponse:
        """Sends the request; returns when the answer's head is there.

        Raises Unreachable, Stale, Broken, Silent. Being cancelled drops the connection.
        """
        self._request = self._agent.request(method, url, headers, None if body is None else BytesBody(body))
        self.listen()
        try:
            response = self._response = await self._request
        except Exception as e:  # Agent wraps everything, cancellation included
            raise self._translated(e) from e
        finally:
            self._request = None
            self._ticker.leave(self)
        return response

    async def read(self, limit: int) -> bytes:
        """The whole body; raises TooLarge above ``limit`` bytes, else as ``pipe``."""
        collected = _Collected(limit)
        await self.pipe(collected, None)
        return collected.body()

    async def pipe(self, receiver: Receiver, consumer: IConsumer | None) -> None:
        """Feeds the body to ``receiver`` until its end, no faster than ``consumer`` takes it.

        Raises Broken or Silent, or what the receiver raised.
        """
        pipe = _Pipe(self, receiver, consumer)
        self.listen()
        self._response.deliverBody(pipe)
        try:
            await pipe.done
        except _Raised as e:
            raise e.reason from None
        except CancelledError:
            raise
        except Exception as e:
            if self._late:
                raise Silent("no byte within the answer for too long") from e
            raise Broken("the connection broke within the answer") from e

    def abort(self) -> None:
        """Drops the connection now.

        ``loseConnection`` and the protocol's own ``abort`` would wait for TLS's close_notify, which a streaming peer
        may never send.
        """
        connection = self._hold.connection
        if connection is not None and connection.transport is not None:
            connection.transport.abortConnection()

    def listen(self) -> None:
        """Upstream is expected to say something from now on."""
        self._heard = self._ticker.clock.seconds()
        self._ticker.watch(self)

    def heard(self) -> None:
        """Upstream said something just now."""
        self._heard = self._ticker.clock.seconds()

    def pause(self) -> None:
        """Upstream's silence is not its own: nobody takes what it says."""
        self._ticker.leave(self)

    def tick(self, now: float) -> None:
        """Gives up on an upstream that is silent for too long."""
        if now - self._heard < self._silence:
            return
        self._late = True
        self._ticker.leave(self)
        if self._request is not None:
            self._request.cancel()
        else:
            self.abort()

    def _translated(self, e: Exception) -> ExchangeError:
        if self._late:
            return Silent("no answer for too long")
        if self._hold.connection is None or isinstance(e, ConnectError | DNSLookupError | ConnectTimeout):
            return Unreachable(_reason(e))
        if self._hold.reused:
            return Stale(_reason(e))
        return Unreachable(_reason(e)) if _is_tls(e) else Broken(_reason(e))


class _Raised(Exception):
    """Carries what a receiver raised through the body protocol."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(type(reason).__name__)
        self.reason = reason


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


@implementer(IPushProducer)
class _Pipe(TwistedProtocol):
    """The body protocol: upstream's bytes to the receiver, the client's slowness to upstream's socket."""

    def __init__(self, exchange: Exchange, receiver: Receiver, consumer: IConsumer | None) -> None:
        self._exchange = exchange
        self._receive: Callable[[bytes], None] | None = receiver.data_received
        self._consumer = consumer
        self.done: Deferred[None] = Deferred(lambda _: self._give_up())

    def connectionMade(self) -> None:
        if self._consumer is not None:
            self._consumer.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        if self._receive is None:
            return
        self._exchange.heard()
        try:
            self._receive(data)
        except Exception as e:
            self._end(fail(_Raised(e)))
            self._exchange.abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        clean = reason.check(ResponseDone, PotentialDataLoss) is not None
        self._end(succeed(None) if clean else fail(reason))

    def pauseProducing(self) -> None:
        self._exchange.pause()  # a slow client is not a slow upstream
        self._transport().pauseProducing()

    def resumeProducing(self) -> None:
        self._exchange.listen()
        self._transport().resumeProducing()

    def stopProducing(self) -> None:  # the client is gone, and its channel with it
        self._consumer = None
        self._give_up()

    def _transport(self) -> Any:
        return self.transport

    def _give_up(self) -> None:
        self._receive = None
        self._exchange.pause()
        self._exchange.abort()

    def _end(self, result: Deferred[None]) -> None:
        self._exchange.pause()
        self._receive = None
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.unregisterProducer()
        if self.done.called:  # cancelled, or ended before: the reason interests nobody any more
            result.addErrback(lambda _: None)
        else:
            result.chainDeferred(self.done)


def _reason(e: Exception) -> str:
    """What went wrong in a few words, without addresses or values: it may end up in a log line."""
    reasons = getattr(e, "reasons", None)
    inner = reasons[0].value if reasons else e
    return type(inner).__name__


def _is_tls(e: Exception) -> bool:
    """Whether the handshake failed: then upstream has received nothing."""
    reasons = getattr(e, "reasons", ())
    return any(
        type(reason.value).__module__.startswith(("OpenSSL", "service_identity")) for reason in reasons
    ) or isinstance(e, ConnectingCancelledError)
