"""What transports let go once they are made, over real sockets: the connection is as good as before, to its end."""

from __future__ import annotations

from typing import Any

from support.deferreds import deferred
from twisted.internet import tcp
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from antigravity_proxy.http1.sending import unwrap
from antigravity_proxy.http1.transports import made_by_client, made_to_upstream


class Echo(Protocol):
    def connectionMade(self) -> None:
        made_by_client(self.transport)

    def dataReceived(self, data: bytes) -> None:
        made: Any = self.transport
        made.write(data)


class Asks(Protocol):
    def __init__(self) -> None:
        self.heard: Deferred[bytes] = Deferred()
        self.ended: Deferred[Failure] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.heard.callback(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ended.callback(None)  # type: ignore[arg-type]


@deferred()
async def test_a_made_connection_keeps_nothing_of_how_it_was_made() -> None:
    from twisted.internet import reactor

    made: Any = reactor
    echoes: list[Echo] = []

    def build() -> Echo:
        echoes.append(Echo())
        return echoes[-1]

    port = await TCP4ServerEndpoint(made, 0, interface="127.0.0.1").listen(Factory.forProtocol(build))
    endpoint = HostnameEndpoint(made, b"127.0.0.1", port.getHost().port)
    clients = [await endpoint.connect(Factory.forProtocol(Asks)) for _ in range(2)]
    transports: list[Any] = [client.transport for client in clients]
    for client, transport in zip(clients, transports, strict=True):
        peer = transport.getPeer()
        unwrap(transport, client)
        assert transport.protocol is client
        assert transport.getPeer() == peer
    one, other = transports
    assert type(one) is tcp.Client
    for name in ("connector", "addr", "realAddress", "logstr"):
        assert getattr(one, name) is getattr(other, name), name
    for client in clients:
        client.transport.write(b"x")
        assert await client.heard == b"x"
        client.transport.loseConnection()
        assert await client.ended is None
        assert not client.transport.connected
    assert [repr(echo.transport) for echo in echoes] == ["client", "client"]
    await port.stopListening()


def test_other_transports_are_left_alone() -> None:
    other = object()
    made_to_upstream(other)
    made_by_client(other)
