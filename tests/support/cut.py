"""An upstream of plain bytes: it answers every request with the same ones, and then closes, resets, or falls silent."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

Then = Literal["closes", "resets", "hangs"]
_LENGTH = re.compile(rb"content-length: *(\d+)", re.I)


class Upstream:
    """``requests`` holds what arrived, head and body; ``before_body``: ends before a request is read whole."""

    def __init__(self, answer: bytes, then: Then, before_body: bool) -> None:
        self.answer = answer
        self.then: Then = then
        self.before_body = before_body
        self.requests: list[bytes] = []
        self.port = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def generating(self) -> list[bytes]:
        """The requests for answers: the daemon asks for its accounts' quotas whenever it likes."""
        return [request for request in self.requests if b"enerateContent" in request.partition(b"\r\n")[0]]


class _Connection(Protocol):
    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._seen = b""
        self._end: Any = None

    def dataReceived(self, data: bytes) -> None:
        self._seen += data
        head, end, body = self._seen.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        whole = end and len(body) >= (int(length[1]) if length else 0)
        if self._end is not None or not (whole or self._upstream.before_body):
            return
        self._upstream.requests.append(self._seen)
        self._seen = b""
        transport: Any = self.transport
        transport.write(self._upstream.answer)
        if self._upstream.then == "closes":
            transport.loseConnection()
        elif self._upstream.then == "resets":
            from twisted.internet import reactor

            self._end = reactor.callLater(0.01, transport.abortConnection)  # type: ignore[attr-defined]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._end is not None and self._end.active():
            self._end.cancel()


@asynccontextmanager
async def upstream(answer: bytes, then: Then = "closes", *, before_body: bool = False) -> AsyncIterator[Upstream]:
    """It listens while the context lasts."""
    from twisted.internet import reactor

    made: Any = reactor
    found = Upstream(answer, then, before_body)
    port = made.listenTCP(0, Factory.forProtocol(lambda: _Connection(found)), interface="127.0.0.1")
    found.port = port.getHost().port
    try:
        yield found
    finally:
        await port.stopListening()
