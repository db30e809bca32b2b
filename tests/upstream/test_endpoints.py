"""Where connections to upstream go."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectingCancelledError, ConnectionRefusedError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactor
from twisted.python.failure import Failure
from twisted.web.client import URI

from antigravity_proxy.upstream.endpoints import KeptEndpoints


def test_an_address_is_connected_to_and_never_looked_up() -> None:
    reactor: Any = MemoryReactor()
    reactor.nameResolver = None
    endpoint = KeptEndpoints(reactor, connect_timeout=7).endpointForURI(URI.fromBytes(b"http://192.0.2.1:81/x"))
    refused: list[Failure] = []
    for _ in range(2):
        endpoint.connect(Factory.forProtocol(Protocol)).addErrback(refused.append)
    host, port, factory, timeout, _ = reactor.tcpClients[0]
    assert (host, port, timeout) == ("192.0.2.1", 81, 7)
    factory.clientConnectionFailed(None, Failure(ConnectionRefusedError()))
    assert refused[0].check(ConnectionRefusedError)
    cancelled: list[Failure] = []
    waiting = endpoint.connect(Factory.forProtocol(Protocol)).addErrback(cancelled.append)
    waiting.cancel()
    assert cancelled[0].check(ConnectingCancelledError)
