"""An endpoint that answers as told, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site


class Endpoint(Resource):
    """Answers every request alike; with status 0 never."""

    isLeaf = True

    def __init__(self, status: int, body: bytes, headers: Mapping[bytes, bytes]) -> None:
        super().__init__()
        self.status, self.body, self.headers = status, body, headers
        self.forms: list[Any] = []
        self.paths: list[bytes] = []

    def render(self, request: Any) -> Any:
        self.forms.append((dict(request.args), request.requestHeaders))
        self.paths.append(request.path)
        if not self.status:
            return NOT_DONE_YET
        request.setResponseCode(self.status)
        for name, value in self.headers.items():
            request.setHeader(name, value)
        return self.body


@asynccontextmanager
async def listening(made: Endpoint) -> AsyncIterator[tuple[str, Agent]]:
    """The endpoint's URL, and an agent for it."""
    from twisted.internet import reactor

    site = Site(made, timeout=None)
    site.log = lambda request: None  # type: ignore[method-assign]
    port = reactor.listenTCP(0, site, interface="127.0.0.1")
    pool = HTTPConnectionPool(reactor)
    try:
        yield f"http://127.0.0.1:{port.getHost().port}/token", Agent(reactor, pool=pool)
    finally:
        await pool.closeCachedConnections()
        await port.stopListening()
