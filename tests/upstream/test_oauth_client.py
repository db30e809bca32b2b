"""The token endpoint over sockets: grants, refusals, silence, floods, redirects."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.deferreds import deferred
from support.token_endpoint import Endpoint, listening
from twisted.web.client import Agent

from antigravity_proxy.canonical.grant import IssuedToken, RefreshRejected
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.table import OAuthPair
from antigravity_proxy.upstream import oauth
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
