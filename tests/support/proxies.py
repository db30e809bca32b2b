"""Egress proxies that want a user and a password, CONNECT and SOCKS5. They join who may to the port that it names."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

USER, PASSWORD = "me@here", "p:ss wörd"
#: for a URL
CREDENTIALS = "me%40here:p%3Ass%20w%C3%B6rd"
Kind = Literal["http", "socks5"]


class EgressProxy:
    """``targets``: the hosts and ports that it was asked to join to; ``refused`` counts who had no business here."""

    def __init__(self, kind: Kind) -> None:
        self.kind: Kind = kind
        self.targets: list[str] = []
        self.refused = 0
        self.port = 0

    @property
    def url(self) -> str:
        """For settings and accounts; with the credentials."""
        return f"{self.kind}://{CREDENTIALS}@127.0.0.1:{self.port}"


class _Far(Protocol):
    def __init__(self, near: _Near) -> None:
        self._near = near

    def dataReceived(self, data: bytes) -> None:
        self._near.out.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._near.out.loseConnection()


class _Near(Protocol):
    def __init__(self, proxy: EgressProxy) -> None:
        self._proxy = proxy
        self._seen = b""
        self._step = self._connect if proxy.kind == "http" else self._greeted
        self._far: Any = None

    @property
    def out(self) -> Any:
        """The client's side."""
        return self.transport

    def dataReceived(self, data: bytes) -> None:
        if self._far is not None:
            self._far.transport.write(data)
        else:
            self._seen += data
            self._step()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._far is not None:
            self._far.transport.loseConnection()

    def _connect(self) -> None:
        if b"\r\n\r\n" not in self._seen:
            return
        head = self._seen.decode().splitlines()
        right = "Proxy-Authorization: Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if right not in head:
            self._proxy.refused += 1
            self.out.write(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")
            return
        self._join(head[0].split()[1], b"HTTP/1.1 200 OK\r\n\r\n")

    def _greeted(self) -> None:
        if self._seen != b"\x05\x01\x02":
            self._proxy.refused += 1
            self.out.write(b"\x05\xff")
            return
        self._next(self._signed_in, b"\x05\x02")

    def _signed_in(self) -> None:
        user, password = USER.encode(), PASSWORD.encode()
        right = b"\x01" + bytes([len(user)]) + user + bytes([len(password)]) + password
        if len(self._seen) < len(right) and right.startswith(self._seen):
            return
        if self._seen != right:
            self._proxy.refused += 1
            self.out.write(b"\x01\x01")
            return
        self._next(self._asked, b"\x01\x00")

    def _asked(self) -> None:
        kind, rest = self._seen[3], self._seen[4:]
        host = ".".join(map(str, rest[:4])) if kind == 1 else rest[1 : 1 + rest[0]].decode()
        self._join(f"{host}:{int.from_bytes(self._seen[-2:], 'big')}", b"\x05\x00\x00\x01" + bytes(6))

    def _next(self, step: Any, answer: bytes) -> None:
        self._seen, self._step = b"", step
        self.out.write(answer)

    def _join(self, target: str, answer: bytes) -> None:
        from twisted.internet import reactor

        self._proxy.targets.append(target)
        port = int(target.rpartition(":")[2])

        def joined(far: Any) -> None:
            self._far = far
            self.out.write(answer)

        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        connectProtocol(endpoint, _Far(self)).addCallbacks(joined, lambda _: self.out.loseConnection())


@asynccontextmanager
async def proxy(kind: Kind) -> AsyncIterator[EgressProxy]:
    """It listens while the context lasts."""
    from twisted.internet import reactor

    found, made = EgressProxy(kind), reactor
    port = made.listenTCP(0, Factory.forProtocol(lambda: _Near(found)), interface="127.0.0.1")  # type: ignore[attr-defined]
    found.port = port.getHost().port
    try:
        yield found
    finally:
        await port.stopListening()
