"""The token endpoint over sockets: grants, refusals, silence, floods, redirects."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.deferreds import deferred
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from antigravity_proxy.canonical.grant import IssuedToken, RefreshRejected
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.table import OAuthPair
from antigravity_proxy.upstream import oauth
from antigravity_proxy.upstream.oauth import OAuthClient

PAIR = OAuthPair("an-id", Secret("a-secret"))


class Endpoint(Resource):
    """A token endpoint that answers as told."""

    isLeaf = True

    def __init__(self, status: int, body: bytes, headers: dict[bytes, bytes]) -> None:
        super().__init__()
        self.status, self.body, self.headers = status, body, headers
        self.forms: list[Any] = []

    def render(self, request: Any) -> Any:
        self.forms.append((dict(request.args), request.requestHeaders))
        if not self.status:
            return NOT_DONE_YET
        request.setResponseCode(self.status)
        for name, value in self.headers.items():
            request.setHeader(name, value)
        return self.body


@asynccontextmanager
async def endpoint(status: int, body: bytes = b"", **headers: bytes) -> AsyncIterator[tuple[Endpoint, Any]]:
    from twisted.internet import reactor

    made = Endpoint(status, body, {name.encode(): value for name, value in headers.items()})
    site = Site(made, timeout=None)
    site.log = lambda request: None  # type: ignore[method-assign]
    port = reactor.listenTCP(0, site, interface="127.0.0.1")
    url = f"http://127.0.0.1:{port.getHost().port}/token"
    pool = HTTPConnectionPool(reactor)
    client = OAuthClient(reactor, lambda: 1000.0, url, "ua/1")

    async def refresh() -> IssuedToken:
        return await client.refresh(Agent(reactor, pool=pool), Secret("1//r"), PAIR)

    try:
        yield made, refresh
    finally:
        await pool.closeCachedConnections()
        await port.stopListening()


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
