"""The admin listener's assembly, and its life within the daemon."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred
from twisted.web.client import Agent

from antigravity_proxy.admin import pages
from antigravity_proxy.admin.flow import SignIn
from antigravity_proxy.admin.gate import AdminGate
from antigravity_proxy.admin.resource import AdminPages
from antigravity_proxy.settings.resolve import Settings
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.upstream.egress import Egresses
from antigravity_proxy.upstream.oauth import OAuthClient
from antigravity_proxy.volume.writer import NewAccount, Written
from antigravity_proxy.web.edge import GuardedSite
from antigravity_proxy.web.keys import KeyRing

#: connections at a time; people with browsers need few
_MAX_CONNECTIONS = 200
#: seconds that sign-ins under way get at the end
_DRAIN = 5.0

Store = Callable[[NewAccount], Awaitable[Written]]


def sign_in(reactor: Any, settings: Settings, oauth: OAuthClient, egresses: Egresses, store: Store) -> SignIn:
    """Sign-ins that go out by the way that belongs to no account."""

    def agent() -> Agent:
        egress = egresses.default()
        found: Agent = Agent.usingEndpointFactory(reactor, egress.endpoints, egress.pool)
        return found

    return SignIn(settings, oauth, agent, store)


class Admin:
    """Pages, gate and site."""

    def __init__(
        self, reactor: Any, ticker: Ticker, settings: Settings, signing_in: SignIn, keys: KeyRing, *, read_only: bool
    ) -> None:
        self._reactor = reactor
        headers = pages.headers(settings.auth_url)
        self._pages = AdminPages(settings, signing_in, keys, headers, reactor.seconds, read_only=read_only)
        redirect = urlsplit(settings.oauth_redirect_url)
        hosts = (settings.oauth_listen_host, redirect.hostname or "", *settings.allowed_hosts)
        self._gate = gate = AdminGate(redirect.path, headers, keys, hosts)
        self.site = GuardedSite(self._pages.resource(), gate, ticker, max_connections=_MAX_CONNECTIONS)

    def use(self, keys: KeyRing) -> None:
        """These API keys are in force now."""
        self._gate.keys = keys
        self._pages.use(keys)

    def drain(self) -> Deferred[int]:
        """Lets what runs finish, for a moment."""
        return self.site.drain(self._reactor, _DRAIN).addBoth(self._stop)

    def _stop(self, outcome: Any) -> Any:
        self._pages.stop()
        return outcome
