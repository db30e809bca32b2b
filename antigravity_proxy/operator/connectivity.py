"""Whether Google's hosts, and the replicas' Redis, can be reached as the daemon would: no account is used."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal
from urllib.parse import urlsplit

import treq
from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.web.client import Agent
from twisted.web.http_headers import Headers

from antigravity_proxy.replicas.connection import Lost
from antigravity_proxy.replicas.store import connector_of
from antigravity_proxy.settings.table import Settings
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.upstream.egress import Egresses, configured
from antigravity_proxy.upstream.exchange import Unreachable

#: seconds that a host may take to answer
PATIENCE = 10.0

Level = Literal["ok", "warning", "error"]


class Finding(Struct, frozen=True):
    """One thing that was looked at: how it is, in words to act on."""

    subject: str
    level: Level
    message: str


async def connectivity(reactor: Any, settings: Settings) -> list[Finding]:
    """Asks each host once; any answer counts. Raises SettingsError for TLS files that can't be used."""
    ticker = Ticker(reactor)
    egresses = configured(reactor, ticker, settings)
    try:
        return [
            *[finding async for finding in _asked(reactor, egresses, settings)],
            *[finding async for finding in _shared(reactor, settings)],
        ]
    finally:
        await egresses.close()
        ticker.stop()


async def _asked(reactor: Any, egresses: Egresses, settings: Settings) -> AsyncIterator[Finding]:
    try:
        egress = egresses.default()
    except Unreachable as e:
        yield Finding("upstream", "error", str(e))
        return
    agent = Agent.usingEndpointFactory(reactor, egress.endpoints, egress.pool)
    urls = [*settings.base_urls, *([settings.token_url] if settings.clients else [])]
    for origin in dict.fromkeys("{0.scheme}://{0.netloc}".format(urlsplit(url)) for url in urls):
        began = reactor.seconds()
        headers = Headers({b"User-Agent": [settings.user_agent.encode("latin-1")]})
        asking: Deferred[Any] = agent.request(b"GET", f"{origin}/".encode("ascii"), headers)
        try:
            response = await asking.addTimeout(PATIENCE, reactor)
            await treq.content(response).addTimeout(PATIENCE, reactor)
        except Exception as e:  # of any kind: what matters is that nothing answered
            yield Finding("upstream", "error", f"{origin} can't be reached: {_words(e)}")
        else:
            ms = round((reactor.seconds() - began) * 1000)
            yield Finding("upstream", "ok", f"{origin} answers (status {response.code}, {ms} ms)")


async def _shared(reactor: Any, settings: Settings) -> AsyncIterator[Finding]:
    """Without its Redis a replica serves on, and knows less."""
    dialler, began = connector_of(reactor, settings), reactor.seconds()
    if dialler is None:
        return
    try:
        connection = await dialler.connect()
    except Lost as e:
        yield Finding("redis", "warning", f"{e}: replicas don't share what they learn")
    else:
        yield Finding("redis", "ok", f"Redis answers ({round((reactor.seconds() - began) * 1000)} ms)")
        await connection.end(reactor)


def _words(error: Exception) -> str:
    """The innermost reason, in one line."""
    reasons = getattr(error, "reasons", None)
    inner = reasons[0].value if reasons else error
    return " ".join(str(inner).split()) or type(inner).__name__
