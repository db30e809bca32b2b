"""Our requests as Twisted's, for resources that know only those: Klein's pages.

Twisted does the same for HTTP/2: its own request, on a channel that only looks like its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from typing import Any

from twisted.internet.interfaces import IAddress, IPushProducer
from twisted.python.failure import Failure
from twisted.web import server
from twisted.web.http_headers import Headers
from twisted.web.resource import IResource

from antigravity_proxy.web.edge import GuardedRequest


class TwistedRequest(server.Request):
    """A ``twisted.web.server.Request`` whose answer is sent by one of ours. It takes the body."""

    #: with it Twisted leaves the framing to the channel
    clientproto = b"HTTP/2"

    def __init__(self, request: GuardedRequest[Any]) -> None:
        super().__init__(_Channel(request), parsePOSTFormSubmission=False)
        self._request = request
        self.site = request.channel.site
        self.method, self.uri, self.path = request.method, request.uri, request.path
        self.requestHeaders = Headers({name: list(values) for name, values in request.requestHeaders.items()})
        self.args: dict[bytes, list[bytes]] = {}
        self.content: Any = BytesIO(request.take_body())
        self.prepath, self.postpath = [], self.path[1:].split(b"/")
        self.parseCookies()
        for name, value in request.fields:
            self.setHeader(name, value)
        request.on_lost = self.connectionLost

    @property
    def admitted(self) -> Any:
        """The gate's notes."""
        return self._request.admitted

    def take_body(self) -> bytes:
        """The whole body."""
        body: bytes = self.content.getvalue()
        return body

    def render(self, resource: IResource) -> None:
        """Has the resource render it; whatever it raises is answered."""
        try:
            super().render(resource)
        except Exception:
            self.processingFailed(Failure())

    def processingFailed(self, reason: Failure) -> Failure:
        """Twisted's and Klein's: a fault of ours in a page."""
        self._request.fail(reason)
        return reason


class _Channel:
    """The part of a channel that Twisted's request uses."""

    factory = None

    def __init__(self, request: GuardedRequest[Any]) -> None:
        self._request = request
        self.site = request.channel.site
        self.transport = request.channel.transport

    def getPeer(self) -> IAddress:
        return self._request.getClientAddress()

    def getHost(self) -> IAddress:
        address: IAddress = self.transport.getHost()
        return address

    def isSecure(self) -> bool:
        return False

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        request = self._request
        request.setResponseCode(int(code))
        for name, values in headers.getAllRawHeaders():
            request.setHeader(name.lower(), *values)

    def write(self, data: bytes) -> None:
        self._request.write(data)

    def writeSequence(self, pieces: Iterable[bytes]) -> None:
        self._request.write(b"".join(pieces))

    def requestDone(self, request: server.Request) -> None:
        self._request.finish()

    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:
        self._request.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        self._request.unregisterProducer()

    def loseConnection(self) -> None:
        self.transport.loseConnection()
