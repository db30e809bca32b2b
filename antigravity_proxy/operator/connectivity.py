"""Whether Google's hosts, and the replicas' Redis, can be reached as the daemon would: no account is used."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import treq
from twisted.internet.defer import CancelledError, Deferred
from twisted.web.http_headers import Headers

from antigravity_proxy.operator.finding import Finding
from antigravity_proxy.replicas.connection import Lost
from antigravity_proxy.replicas.store import connector_of
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.proxies import UnusableProxy, parse_proxy_url
from antigravity_proxy.settings.table import Settings
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.upstream.egress import Egresses, configured
from antigravity_proxy.upstream.tunnel import ProxyUnreachable, TunnelRefused

#: seconds that a host may take to answer
PATIENCE = 10.0


async def connectivity(reactor: Any, settings: Settings, *, accounts: bool = True) -> list[Finding]:
    """Asks each host once; any answer counts. ``accounts``: those of the accounts too.

    Raises SettingsError for TLS files that can't be used."""
    ticker = Ticker(reactor)
    egresses = configured(reactor, ticker, settings)
    try:
        return [
            *([finding async for finding in _asked(reactor, egresses, settings)] if accounts else []),
            *[finding async for finding in _shared(reactor, settings)],
        ]
    finally:
        await egresses.close()
        ticker.stop()


def unusable_proxy(settings: Settings) -> Finding | None:
    """The finding that the settings alone give on connectivity: an egress proxy that can't be used."""
    if not isinstance(settings.upstream_proxy, UnusableProxy):
        return None
    source = settings.sources["upstream_proxy"]
    return Finding("upstream", "error", f"the egress proxy ({source}) can't be used: {settings.upstream_proxy.reason}")


async def _asked(reactor: Any, egresses: Egresses, settings: Settings) -> AsyncIterator[Finding]:
    unusable = unusable_proxy(settings)
    if unusable is not None:
        yield unusable
        return
    egress = egresses.default()
    urls = [*settings.base_urls, *([settings.token_url] if settings.clients else [])]
    for origin in dict.fromkeys("{0.scheme}://{0.netloc}".format(urlsplit(url)) for url in urls):
        began = reactor.seconds()
        headers = Headers({b"User-Agent": [settings.user_agent.encode("latin-1")]})
        asking: Deferred[Any] = egress.agent.request(b"GET", f"{origin}/".encode("ascii"), headers)
        try:
            response = await asking.addTimeout(PATIENCE, reactor)
            await treq.content(response).addTimeout(PATIENCE, reactor)
        except CancelledError:
            raise
        except Exception as e:  # of any kind: what matters is that nothing answered
            yield Finding("upstream", "error", _unreachable(origin, e, settings))
        else:
            ms = round((reactor.seconds() - began) * 1000)
            yield Finding("upstream", "ok", f"{origin} answers (status {response.code}, {ms} ms)")


async def _shared(reactor: Any, settings: Settings) -> AsyncIterator[Finding]:
    """Without its Redis a replica goes on, and knows less."""
    dialler, began = connector_of(reactor, settings), reactor.seconds()
    if dialler is None:
        return
    try:
        connection = await dialler.connect()
    except Lost as e:
        yield Finding("redis", "warning", f"{e}: replicas do not share their state")
    else:
        yield Finding("redis", "ok", f"Redis answers ({round((reactor.seconds() - began) * 1000)} ms)")
        await connection.end(reactor)


def _unreachable(origin: str, error: Exception, settings: Settings) -> str:
    """The failed part of a connection: that may be the egress proxy, to which alone a connection was made."""
    reasons = getattr(error, "reasons", None)
    inner = reasons[0].value if reasons else error
    words = " ".join(str(inner).split()) or type(inner).__name__
    if not isinstance(settings.upstream_proxy, Secret):
        return f"{origin} can't be reached: {words}"
    address = parse_proxy_url(settings.upstream_proxy.reveal())
    proxy = f"the egress proxy {address.shown} ({settings.sources['upstream_proxy']})"
    if isinstance(inner, ProxyUnreachable):
        words = words.rstrip(".")
        return f"{proxy} can't be reached, so neither can {origin}: {words} (UPSTREAM_PROXY_URL=none: no proxy)"
    if isinstance(inner, TunnelRefused):
        return f"{origin} can't be reached: {proxy} gave no way to it: {words}"
    return f"{origin} can't be reached through {proxy}: {words}"
