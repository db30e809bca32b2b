"""Ways out to upstream: one connection pool for each egress proxy, and one for none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, DeferredSemaphore
from twisted.web.client import HTTPConnectionPool

from antigravity_proxy.canonical.credential import Credential
from antigravity_proxy.http1.fields import field
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.limits import (
    ACCOUNT_CALLS_AT_ONCE,
    CONNECT_SECONDS,
    IDLE_CONNECTION_SECONDS,
    IDLE_CONNECTIONS_PER_HOST,
)
from antigravity_proxy.settings.proxies import UnusableProxy, parse_proxy_url
from antigravity_proxy.settings.resolve import SettingsError
from antigravity_proxy.settings.table import Settings
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.upstream.bounded_agent import bounded_agent
from antigravity_proxy.upstream.connections import Connections
from antigravity_proxy.upstream.endpoints import KeptEndpoints
from antigravity_proxy.upstream.exchange import Exchange, NoWayOut, head_for


class Egress:
    """One way out: kept endpoints and kept connections. ``silence`` in seconds, as for Exchange.

    ``calls`` bounds what accounts ask for themselves (tokens, projects, quotas) at the same time; requests of clients
    are bounded by the clients' connections.
    """

    def __init__(self, ticker: Ticker, endpoints: KeptEndpoints, user_agent: str, silence: float) -> None:
        self._ticker = ticker
        self._silence = silence
        self._user_agent = field(b"User-Agent", user_agent.encode("latin-1"))
        self._for_stream = self._told(b"text/event-stream")
        self.endpoints = endpoints
        self._connections = Connections(ticker, endpoints)
        self.calls = DeferredSemaphore(ACCOUNT_CALLS_AT_ONCE)
        self._pool = HTTPConnectionPool(ticker.clock)
        self._pool.retryAutomatically = False  # who asks tries again later
        self._pool.maxPersistentPerHost = IDLE_CONNECTIONS_PER_HOST
        self._pool.cachedConnectionTimeout = IDLE_CONNECTION_SECONDS
        #: for small answers, such as tokens
        self.agent = bounded_agent(ticker.clock, endpoints, self._pool)

    def exchange(self, silence: float = 0.0) -> Exchange:
        """A new exchange on this way, at least as patient as ``silence``."""
        return Exchange(self._ticker, self._connections, max(self._silence, silence))

    def head(self, method: bytes, url: bytes, own: bytes, accept: bytes = b"") -> bytes:
        """The head of a request to upstream (upstream.md 2), up to its last field: who we are, honestly, and no more.

        ``own`` are the headers of the upstream's wire, such as its authorization. ``accept``: what is wanted; empty: a
        stream. Raises ValueError for a URL that holds a line end.
        """
        return head_for(method, url) + own + (self._told(accept) if accept else self._for_stream)

    def _told(self, accept: bytes) -> bytes:
        said = field(b"Content-Type", b"application/json") + field(b"Accept", accept)
        return said + field(b"Accept-Encoding", b"identity") + self._user_agent

    def forget_idle(self) -> Deferred[Any]:
        """Closes the idle connections: one of them proved dead, and they are of an age."""
        return DeferredList([self._connections.close_idle(), self._pool.closeCachedConnections()])


class Egresses:
    """All ways out, made when first needed. ``proxy`` is for accounts that name none; None: they need none.

    Where that proxy can't be used nothing leaves in its place.
    """

    def __init__(self, make: Callable[[Secret | None], Egress], proxy: Secret | UnusableProxy | None) -> None:
        self._make = make
        self.proxy = proxy
        self._egresses: dict[Secret | None, Egress] = {}
        self._usual: Egress | None = None  # the default one, once it is made

    def of(self, credential: Credential) -> Egress:
        """The credential's own egress proxy, else the configured one, else none (contract.md 2).

        Raises NoWayOut where it names a proxy that can't be used.
        """
        own = credential.egress
        if own is None:
            return self._usual or self.default()
        try:
            return self._by_url(own)
        except ValueError as e:
            raise NoWayOut(str(e)) from None

    def default(self) -> Egress:
        """The way out that belongs to no account. Raises NoWayOut where that is a proxy that can't be used."""
        if isinstance(self.proxy, UnusableProxy):
            raise NoWayOut(f"the egress proxy can't be used: {self.proxy.reason}")
        self._usual = self._by_url(self.proxy)
        return self._usual

    def direct(self) -> Egress:
        """The way out without a proxy."""
        return self._by_url(None)

    def redirect(self, proxy: Secret | UnusableProxy | None) -> None:
        """From now on accounts that name no proxy leave by this one, None: by none."""
        self.proxy = proxy
        self._usual = None

    def trouble(self) -> str:
        """The problem of the proxy for accounts that name none, as it was last tried; empty: none."""
        if not isinstance(self.proxy, Secret) or self.proxy not in self._egresses:
            return ""
        health = self._egresses[self.proxy].endpoints.proxy_health
        return f"The egress proxy {health.name} {health.trouble}" if health is not None and health.trouble else ""

    def own_troubles(self, since: float) -> int:
        """How many of the other proxies failed when they were last tried, later than ``since`` (monotonic seconds)."""
        healths = [egress.endpoints.proxy_health for url, egress in self._egresses.items() if url != self.proxy]
        return sum(health is not None and bool(health.trouble) and health.failed_at > since for health in healths)

    def close(self) -> Deferred[Any]:
        """Closes every idle connection."""
        return DeferredList([egress.forget_idle() for egress in self._egresses.values()])

    def _by_url(self, url: Secret | None) -> Egress:
        egress = self._egresses.get(url)
        if egress is None:
            egress = self._egresses[url] = self._make(url)
        return egress


def configured(reactor: Any, ticker: Ticker, settings: Settings) -> Egresses:
    """The ways out that the settings describe. Raises SettingsError for trust roots that can't be used."""

    def make(proxy_url: Secret | None) -> Egress:
        endpoints = KeptEndpoints(
            reactor,
            connect_timeout=CONNECT_SECONDS,
            ca_file=settings.ca_file,
            proxy=parse_proxy_url(proxy_url.reveal()) if proxy_url else None,
        )
        return Egress(ticker, endpoints, settings.user_agent, settings.request_timeout)

    egresses = Egresses(make, settings.upstream_proxy)
    try:
        egresses.direct()
    except OSError as e:
        raise SettingsError(f"UPSTREAM_CA_FILE: {settings.ca_file} can't be read: {e.strerror or e}") from None
    return egresses
