"""The token endpoint over sockets: grants, refusals, silence, floods, redirects."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.deferreds import deferred
from support.token_endpoint import Endpoint, listening
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.web.client import Agent, HTTPConnectionPool

from antigravity_proxy.canonical.grant import IssuedToken, RefreshRejected
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.table import OAuthPair
from antigravity_proxy.upstream import oauth
from antigravity_proxy.upstream.bounded_agent import MOST, bounded_agent
from antigravity_proxy.upstream.endpoints import KeptEndpoints
from antigravity_proxy.upstream.oauth import OAuthClient

PAIR = OAuthPair("an-id", Secret("a-secret"))


@asynccontextmanager
async def endpoint(status: int, body: bytes = b"", **headers: bytes) -> AsyncIterator[tuple[Endpoint, Any]]:
    from twisted.internet import reactor

    made = Endpoint(status, body, {name.encode(): value for name, value in headers.items()})
    async with listening(made) as (url, agent):
        client = OAuthClient(reactor, lambda: 1000.0, url, "ua/1")

        async def refresh() -> IssuedToken:
            return await client.refresh(agent, Secret("1//r"), PAIR)

        yield made, refresh


@deferred()
async def test_a_grant() -> None:
    body = b'{"access_token":"ya29.n","expires_in":100}'
    async with endpoint(200, body, set_cookie=b"a=b; Path=/") as (made, refresh):
        assert await refresh() == IssuedToken(Secret("ya29.n"), 1100.0)
        await refresh()
    form, headers = made.forms[1]
    assert form == {
        b"grant_type": [b"refresh_token"],
        b"refresh_token": [b"1//r"],
        b"client_id": [b"an-id"],
        b"client_secret": [b"a-secret"],
    }
    assert headers.getRawHeaders("user-agent") == ["ua/1"]
    assert not headers.hasHeader("cookie")


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind"),
    [
        (400, b'{"error":"invalid_grant"}', {}, "dead"),
        (401, b'{"error":"invalid_client"}', {}, "misconfigured"),
        (503, b"<html>", {}, "temporary"),
        (302, b"", {"location": b"http://127.0.0.1:1/stolen"}, "temporary"),
        (200, b"x" * (100 * oauth.TOKEN_BODY), {}, "temporary"),
    ],
)
@deferred()
async def test_refusals(status: int, body: bytes, headers: dict[str, bytes], kind: str) -> None:
    async with endpoint(status, body, **headers) as (made, refresh):
        with pytest.raises(RefreshRejected) as e:
            await refresh()
        assert e.value.kind == kind
        assert "1//r" not in str(e.value)
        assert len(made.forms) == 1


@deferred()
async def test_a_silent_endpoint_is_temporary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oauth, "TOKEN_SECONDS", 0.1)
    async with endpoint(0) as (_, refresh):
        with pytest.raises(RefreshRejected) as e:
            await refresh()
        assert e.value.kind == "temporary"


@deferred()
async def test_an_endpoint_that_is_not_there_is_temporary() -> None:
    from twisted.internet import reactor

    client = OAuthClient(reactor, lambda: 0.0, "http://127.0.0.1:1/token", "ua")
    with pytest.raises(RefreshRejected) as e:
        await client.refresh(Agent(reactor), Secret("1//r"), PAIR)
    assert e.value.kind == "temporary"


class Flood(Protocol):
    """Sends the same again and again, until the other side has had enough."""

    def __init__(self, head: bytes, piece: bytes) -> None:
        self._head, self._piece = head, piece
        self.sent = 0
        self.ended: Deferred[int] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        if not self.sent:
            self.transport.write(self._head)  # type: ignore[union-attr]
            self.go_on()

    def go_on(self) -> None:
        from twisted.internet import reactor

        self.sent += len(self._piece)
        self.transport.write(self._piece)  # type: ignore[union-attr]
        self._next: Any = reactor.callLater(0, self.go_on)  # type: ignore[attr-defined]

    def connectionLost(self, reason: Any = None) -> None:
        self._next.cancel()
        self.ended.callback(self.sent)


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 10_000),
        (b"", b"HTTP/1.1 103 Early Hints\r\nX-A: b\r\n\r\n" * 2_000),
        (b"HTTP/1.1 200 OK\r\nX-A: b\r\n", b" folded\r\n" * 10_000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-A: b\r\n" * 10_000),
    ],
    ids=["fields", "interim responses", "folded lines", "trailers"],
)
@deferred()
async def test_an_endless_head_is_dropped_and_temporary(head: bytes, piece: bytes) -> None:
    from twisted.internet import reactor

    made = Flood(head, piece)
    port = reactor.listenTCP(0, Factory.forProtocol(lambda: made), interface="127.0.0.1")  # type: ignore[attr-defined]
    pool = HTTPConnectionPool(reactor)
    agent = bounded_agent(reactor, KeptEndpoints(reactor, connect_timeout=5.0), pool)
    client = OAuthClient(reactor, lambda: 0.0, f"http://127.0.0.1:{port.getHost().port}/token", "ua")
    try:
        with pytest.raises(RefreshRejected) as e:
            await client.refresh(agent, Secret("1//r"), PAIR)
        assert e.value.kind == "temporary"
        assert await made.ended < 32 * MOST  # with what lay in buffers
    finally:
        await pool.closeCachedConnections()
        await port.stopListening()
