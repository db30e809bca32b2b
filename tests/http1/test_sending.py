"""The short way out of a socket, over real ones: nothing lost, nothing out of order; and its tripwire."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from support.deferreds import deferred
from twisted.internet import abstract, tcp
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from antigravity_proxy.http1 import sending


def test_twisted_still_keeps_what_waits_where_it_did() -> None:
    """A release that changes this must be looked at: bytes could overtake each other."""
    made = abstract.FileDescriptor(reactor=object())  # type: ignore[arg-type]
    assert made.dataBuffer == b""
    assert made._tempDataBuffer == []
    assert tcp.Connection.TLS is False
    assert (made.connected, made.disconnecting) == (0, 0)
    assert {tcp.Server, tcp.Client} == sending.PLAIN


class Collect(Protocol):
    def __init__(self) -> None:
        self.seen = hashlib.sha256()
        self.size = 0
        self.paused = False
        self.ended: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        self.paused = True
        made: Any = self.transport
        made.pauseProducing()

    def dataReceived(self, data: bytes) -> None:
        self.seen.update(data)
        self.size += len(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ended.callback(None)


@pytest.mark.parametrize("size", [10, 1000, 300_000])
@deferred()
async def test_what_the_socket_does_not_take_follows_in_order(size: int) -> None:
    from twisted.internet import reactor

    made: Any = reactor
    collected = Collect()
    port = await TCP4ServerEndpoint(made, 0, interface="127.0.0.1").listen(Factory.forProtocol(lambda: collected))
    client = await TCP4ClientEndpoint(made, "127.0.0.1", port.getHost().port).connect(Factory.forProtocol(Protocol))
    expected = hashlib.sha256()
    for n in range(0, 3_000_000, size) if size > 1000 else range(200):
        data = (b"%d," % n) * (size // 8 + 1)
        expected.update(data)
        sending.send(client.transport, data)
    server: Any = collected.transport
    while server is None:
        await Deferred.fromCoroutine(_turn(made))
        server = collected.transport
    server.resumeProducing()
    client.transport.loseConnection()
    await collected.ended
    assert collected.seen.digest() == expected.digest()
    await port.stopListening()


async def _turn(reactor: Any) -> None:
    turned: Deferred[None] = Deferred()
    reactor.callLater(0, turned.callback, None)
    await turned


def test_other_transports_take_their_own_way() -> None:
    class Other:
        written = b""

        def write(self, data: bytes) -> None:
            self.written += data

    other = Other()
    sending.send(other, b"x")
    assert other.written == b"x"


def test_a_wrapper_that_is_not_known_is_left_alone() -> None:
    class Transport:
        protocol: Any = None

    transport, mine = Transport(), object()
    transport.protocol = wrapper = object()
    sending.unwrap(transport, mine)
    assert transport.protocol is wrapper
