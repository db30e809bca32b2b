"""Twisted's agent for small answers: all bytes of one are counted, its head's and those of interim responses too.

Twisted's own HTTP client bounds a line of a head, but neither their number nor that of responses before the last.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.web.client import URI, Agent, HTTPConnectionPool
from twisted.web.iweb import IAgent, IAgentEndpointFactory
from zope.interface import implementer

from antigravity_proxy.settings.limits import TOKEN_BODY
from antigravity_proxy.upstream.connection import MAX_HEAD

#: bytes that may follow a request
MOST = MAX_HEAD + TOKEN_BODY


def bounded_agent(reactor: Any, endpoints: IAgentEndpointFactory, pool: HTTPConnectionPool) -> IAgent:
    """An agent over these endpoints that drops a connection on which more than MOST bytes come for one request."""
    agent: IAgent = Agent.usingEndpointFactory(reactor, _Endpoints(endpoints), pool)
    return agent


class _Counted(ProtocolWrapper):
    """A connection that counts what has come since the last request began."""

    received = 0

    def write(self, data: bytes) -> None:
        self.received = 0
        super().write(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.received = 0
        super().writeSequence(data)

    def dataReceived(self, data: bytes) -> None:
        self.received += len(data)
        if self.received > MOST:
            transport: Any = self.transport
            transport.abortConnection()
        else:
            super().dataReceived(data)


class _Factory(WrappingFactory):
    protocol = _Counted
    noisy = False


@implementer(IStreamClientEndpoint)
class _Endpoint:
    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint

    def connect(self, factory: IProtocolFactory) -> Deferred[Any]:
        connecting: Deferred[Any] = self._endpoint.connect(_Factory(factory))
        return connecting.addCallback(lambda counted: counted.wrappedProtocol)


@implementer(IAgentEndpointFactory)
class _Endpoints:
    def __init__(self, endpoints: IAgentEndpointFactory) -> None:
        self._endpoints = endpoints

    def endpointForURI(self, uri: URI) -> _Endpoint:
        return _Endpoint(self._endpoints.endpointForURI(uri))
