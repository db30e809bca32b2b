"""One connection to upstream, and those that are kept: every state, every cut, on a transport of a test."""

from __future__ import annotations

from collections.abc import Awaitable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.client import URI

from antigravity_proxy.http1.parser import Malformed, ResponseHead
from antigravity_proxy.settings.limits import IDLE_CONNECTION_SECONDS, IDLE_CONNECTIONS_PER_HOST, LINGER_SECONDS
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.upstream.connection import COPIED_BODY, MAX_HEAD, MAX_INTERIM, Connection, Origin
from antigravity_proxy.upstream.connections import Connections
from antigravity_proxy.upstream.exchange import Broken, Exchange, Silent, Stale, head_for

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
ORIGIN: Origin = (b"http", b"h", 80)
URL = b"http://h/x"


class Transport(StringTransport):
    """Also abortable, and it says how it was closed."""

    aborted = lost = False

    def abortConnection(self) -> None:
        self.aborted = True

    def loseConnection(self) -> None:
        self.lost = True


class Endpoints:
    """Connects at once, on transports of the test."""

    def __init__(self) -> None:
        self.made: list[Connection] = []
        self.remembered: list[Origin] = []

    def remember_session(self, origin: Origin, transport: Any) -> None:
        self.remembered.append(origin)

    def endpointForURI(self, uri: URI) -> Endpoints:
        return self

    def connect(self, factory: Any) -> Deferred[Any]:
        connection = factory.buildProtocol(None)
        connection.makeConnection(Transport())
        self.made.append(connection)
        return succeed(connection)


async def awaited(what: Awaitable[Any]) -> Any:
    return await what


class World:
    """An exchange and what is below it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.ticker = Ticker(self.clock)
        self.endpoints = Endpoints()
        endpoints: Any = self.endpoints
        self.connections = Connections(self.ticker, endpoints)

    def exchange(self) -> Exchange:
        return Exchange(self.ticker, self.connections, 60.0)

    def open(self, exchange: Exchange, body: bytes | None = b"b") -> list[Any]:
        ended: list[Any] = []
        Deferred.fromCoroutine(awaited(exchange.open(URL, head_for(b"POST", URL), body))).addBoth(ended.append)
        return ended

    def read(self, exchange: Exchange) -> list[Any]:
        ended: list[Any] = []
        Deferred.fromCoroutine(exchange.read(1 << 20)).addBoth(ended.append)
        return ended

    @property
    def connection(self) -> Connection:
        return self.endpoints.made[-1]

    @property
    def sent(self) -> bytes:
        value: bytes = self.connection.transport.value()
        return value

    def asked(self, data: bytes) -> list[Any]:
        """An exchange that got these bytes, read to its end."""
        exchange = self.exchange()
        opened = self.open(exchange)
        self.connection.dataReceived(data)
        assert isinstance(opened[0], ResponseHead)
        return self.read(exchange)


@pytest.fixture
def world() -> World:
    return World()


def test_a_request_as_it_is_sent(world: World) -> None:
    world.open(world.exchange())
    assert world.sent == b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nb"
    world.open(world.exchange(), None)
    assert world.sent == b"POST /x HTTP/1.1\r\nHost: h\r\n\r\n"
    world.open(world.exchange(), b"x" * (COPIED_BODY + 1))
    assert world.sent.endswith(b"\r\n\r\n" + b"x" * (COPIED_BODY + 1))


@given(cuts=st.lists(st.integers(0, 500), max_size=8), kind=st.integers(0, 3))
def test_every_framing_however_it_is_cut(cuts: list[int], kind: int) -> None:
    world = World()
    interim = b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\n"
    framed = [
        head + b"Content-Length: 5\r\n\r\nhello",
        head + b"Transfer-Encoding: chunked\r\n\r\n2;x\r\nhe\r\n3\r\nllo\r\n0\r\nT: 1\r\n\r\n",
        head + b"\r\nhello",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ][kind]
    data = interim + framed
    exchange = world.exchange()
    opened, ended = world.open(exchange), []
    places = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    for a, b in pairwise(places):
        world.connection.dataReceived(data[a:b])
        if opened and not ended:
            ended.append(world.read(exchange))
    assert opened[0].code == 200
    if kind == 2:
        world.connection.connectionLost(Failure(ConnectionDone()))
    assert ended[0] == [b"hello"]
    kept = world.connections.take(ORIGIN)
    assert (kept is not None) == (kind < 2)
    assert world.connection.transport.lost == (kind == 3)


def test_a_connection_serves_again(world: World) -> None:
    assert world.asked(OK) == [b"hello"]
    assert world.asked(OK) == [b"hello"]
    assert len(world.endpoints.made) == 1
    assert world.endpoints.remembered == [ORIGIN]  # once is enough


@pytest.mark.parametrize(
    "end",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
        OK + b"HTTP/1.1 200 OK",
    ],
)
def test_a_connection_that_is_not_kept(world: World, end: bytes) -> None:
    assert world.asked(end) == [b"hello"]
    assert world.connection.transport.lost
    assert world.connections.take(ORIGIN) is None


@pytest.mark.parametrize("code", [204, 304])
def test_an_answer_without_a_body(world: World, code: int) -> None:
    assert world.asked(b"HTTP/1.1 %d No\r\nContent-Length: 9\r\n\r\n" % code) == [b""]


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_INTERIM + 1),
        b"junk\r\n\r\n",
        b"x" * (MAX_HEAD + 5),
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    ],
)
@pytest.mark.parametrize("reused", [False, True])
def test_a_head_that_is_malformed_or_without_end(world: World, data: bytes, reused: bool) -> None:
    if reused:
        world.asked(OK)
    opened = world.open(world.exchange())
    world.connection.dataReceived(data)
    assert opened[0].check(Broken)
    assert isinstance(opened[0].value.__cause__, Malformed)
    assert world.connection.transport.aborted


def test_a_body_that_is_malformed(world: World) -> None:
    ended = world.asked(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n")
    assert ended[0].check(Broken)
    assert world.connection.transport.aborted


@pytest.mark.parametrize(("received", "error"), [(b"", Stale), (b"HTTP", Broken)])
def test_a_kept_connection_that_proves_dead(world: World, received: bytes, error: type[Exception]) -> None:
    world.asked(OK)
    opened = world.open(world.exchange())
    if received:
        world.connection.dataReceived(received)
    world.connection.connectionLost(Failure(ConnectionLost()))
    assert opened[0].check(error)
    assert world.connections.take(ORIGIN) is None


def test_the_body_waits_until_somebody_takes_it(world: World) -> None:
    exchange = world.exchange()
    opened = world.open(exchange)
    world.connection.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
    assert opened
    assert world.connection.transport.producerState == "paused"
    exchange.resumeProducing()  # nobody takes it yet
    assert world.connection.transport.producerState == "paused"
    world.connection.dataReceived(b"l")  # was read in the same turn
    ended = world.read(exchange)
    assert world.connection.transport.producerState == "producing"
    world.connection.dataReceived(b"lo")
    assert ended == [b"hello"]


@pytest.mark.parametrize(
    ("early", "reason", "result"),
    [
        (b"hello", ConnectionDone(), b"hello"),
        (b"hel", ConnectionDone(), Broken),
        (b"hello", ConnectionLost(), b"hello"),
    ],
)
def test_a_connection_that_ends_before_its_body_is_taken(
    world: World, early: bytes, reason: Exception, result: Any
) -> None:
    exchange = world.exchange()
    world.open(exchange)
    world.connection.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" + early)
    world.connection.connectionLost(Failure(reason))
    ended = world.read(exchange)
    assert ended == [result] if isinstance(result, bytes) else ended[0].check(result)
    assert world.connections.take(ORIGIN) is None


@pytest.mark.parametrize(("reason", "well"), [(ConnectionDone(), True), (ConnectionLost(), False)])
def test_a_body_until_the_end_of_the_connection(world: World, reason: Exception, well: bool) -> None:
    ended = world.asked(b"HTTP/1.1 200 OK\r\n\r\nhello")
    world.connection.connectionLost(Failure(reason))
    assert ended == [b"hello"] if well else ended[0].check(Broken)


def test_a_paused_connection_goes_back_resumed(world: World) -> None:
    exchange = world.exchange()
    world.open(exchange)
    world.connection.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    ended = world.read(exchange)
    exchange.pauseProducing()
    assert world.connection.transport.producerState == "paused"
    world.connection.dataReceived(b"hello")
    assert ended == [b"hello"]
    assert world.connection.transport.producerState == "producing"
    exchange.pauseProducing()  # it is somebody else's by now
    assert world.connection.transport.producerState == "producing"
    exchange.abort()
    assert not world.connection.transport.aborted


def test_an_abort_ends_whoever_waits(world: World) -> None:
    exchange = world.exchange()
    opened = world.open(exchange)
    exchange.abort()
    assert opened[0].check(Broken)
    exchange = world.exchange()
    world.open(exchange)
    world.connection.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    ended = world.read(exchange)
    exchange.abort()
    assert ended[0].check(Broken)
    assert world.connection.transport.aborted


def test_silence_in_a_body(world: World) -> None:
    ended = world.asked(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
    world.clock.pump([1.0] * 62)
    assert ended[0].type.__name__ == "Silent"
    assert world.connection.transport.aborted


def test_silence_before_anybody_takes_the_body(world: World) -> None:
    exchange = world.exchange()
    world.open(exchange)
    world.connection.dataReceived(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
    world.clock.pump([1.0] * 62)
    consumer: list[Any] = []
    client: Any = SimpleNamespace(registerProducer=lambda *producer: consumer.append(producer))
    with pytest.raises(Silent):
        exchange.pipe(SimpleNamespace(data_received=consumer.append), client)
    assert not consumer


def test_an_answer_to_nothing_closes_a_kept_connection(world: World) -> None:
    world.asked(OK)
    world.connection.dataReceived(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    assert world.connection.transport.aborted
    world.connection.connectionLost()
    assert world.connections.take(ORIGIN) is None
    world.connection.dataReceived(b"more")  # nobody hears it


def test_idle_connections_end_in_time(world: World) -> None:
    world.asked(OK)
    world.clock.pump([1.0] * (IDLE_CONNECTION_SECONDS - 2))
    assert not world.connection.transport.lost
    world.clock.pump([1.0] * 4)
    assert world.connection.transport.lost
    world.clock.pump([1.0] * (int(LINGER_SECONDS) + 2))
    assert world.connection.transport.aborted  # the other side would not end it
    world.connection.connectionLost()
    world.clock.pump([1.0] * 2)
    assert not world.clock.getDelayedCalls()
    assert repr(world.connections) == "<Connections idle=0 closing=0>"


def test_only_so_many_are_kept(world: World) -> None:
    exchanges = [world.exchange() for _ in range(IDLE_CONNECTIONS_PER_HOST + 1)]
    for exchange in exchanges:
        world.open(exchange)
    for connection, exchange in zip(world.endpoints.made, exchanges, strict=True):
        connection.dataReceived(OK)
        assert world.read(exchange) == [b"hello"]
    assert world.connection.transport.lost
    assert repr(world.connections) == f"<Connections idle={IDLE_CONNECTIONS_PER_HOST} closing=1>"


def test_all_idle_ones_can_be_closed(world: World) -> None:
    closed: list[Any] = []
    world.connections.close_idle().addCallback(closed.append)
    assert closed == [None]
    world.asked(OK)
    assert repr(world.connection) == "<Connection idle reused>"
    world.connections.close_idle().addCallback(closed.append)
    assert len(closed) == 1
    world.connection.connectionLost()
    assert closed == [None, None]
