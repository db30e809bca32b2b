"""The connections of one way out: made by its endpoints, kept for a while, each for one exchange at a time."""

from __future__ import annotations

from typing import Any, Protocol, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.web.client import URI

from antigravity_proxy.settings.limits import IDLE_CONNECTION_SECONDS, IDLE_CONNECTIONS_PER_HOST, LINGER_SECONDS
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.upstream.connection import Connection, ConnectionFactory, Origin


class Endpoints(Protocol):
    """Where connections come from."""

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """The endpoint for a URI's host."""
        ...

    def remember_session(self, origin: Origin, transport: Any) -> None:
        """A connection to that origin works: the next one may resume its TLS session."""
        ...


class Connections:
    """Gives the connection that was used last, since it is the least likely to be closed by the other side."""

    __slots__ = ("_closed", "_closing", "_endpoints", "_idle", "_ticker")

    def __init__(self, ticker: Ticker, endpoints: Endpoints) -> None:
        self._ticker = ticker
        self._endpoints = endpoints
        self._idle: dict[Origin, list[Connection]] = {}
        self._closing: dict[Connection, float] = {}  # and since when, in monotonic seconds
        self._closed: list[Deferred[None]] = []  # wait for the last of them

    def __repr__(self) -> str:
        return f"<Connections idle={sum(map(len, self._idle.values()))} closing={len(self._closing)}>"

    def take(self, origin: Origin) -> Connection | None:
        """A kept connection, which now belongs to the caller alone."""
        kept = self._idle.get(origin)
        return kept.pop() if kept else None

    def connect(self, uri: URI) -> Deferred[Connection]:
        """A new connection. Fails with what the endpoint fails with; may be cancelled."""
        endpoint = self._endpoints.endpointForURI(uri)
        factory: Any = ConnectionFactory(self, (uri.scheme, uri.host, uri.port))
        connecting: Any = endpoint.connect(factory)
        return cast("Deferred[Connection]", connecting)

    def released(self, connection: Connection, *, first: bool) -> None:
        """It has served a request (its ``first`` one), and may serve another."""
        if first:
            self._endpoints.remember_session(connection.origin, connection.transport)
        connection.idle_since = self._ticker.clock.seconds()
        kept = self._idle.get(connection.origin)
        if kept is None:
            kept = self._idle[connection.origin] = []
        if not kept:
            self._ticker.watch(self)
        elif len(kept) >= IDLE_CONNECTIONS_PER_HOST:
            self._close(connection)
            return
        kept.append(connection)

    def retired(self, connection: Connection) -> None:
        """It serves nothing more: upstream closes it, or it said more than its answer."""
        self._endpoints.remember_session(connection.origin, connection.transport)
        self._close(connection)

    def lost(self, connection: Connection) -> None:
        """It is closed, by whomever."""
        kept = self._idle.get(connection.origin)
        if kept is not None and connection in kept:
            kept.remove(connection)
        if self._closing.pop(connection, None) is not None and not self._closing:
            self._all_closed()

    def close_idle(self) -> Deferred[None]:
        """Closes every kept connection; fires when all are closed."""
        for kept in self._idle.values():
            while kept:
                self._close(kept.pop())
        if not self._closing:
            return succeed(None)
        closed = Deferred[None]()
        self._closed.append(closed)
        return closed

    def tick(self, now: float) -> None:
        """Closes what was idle for too long, and drops what does not end its closing."""
        for kept in self._idle.values():
            while kept and now - kept[0].idle_since >= IDLE_CONNECTION_SECONDS:
                self._close(kept.pop(0))
        for connection, since in list(self._closing.items()):
            if now - since >= LINGER_SECONDS:
                connection.transport.abortConnection()
        if not self._closing and not any(self._idle.values()):
            self._ticker.leave(self)

    def _close(self, connection: Connection) -> None:
        self._closing[connection] = self._ticker.clock.seconds()
        self._ticker.watch(self)
        connection.close()

    def _all_closed(self) -> None:
        closed, self._closed = self._closed, []
        for each in closed:
            each.callback(None)
