"""The admin listener's assembly, and its life within the daemon."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.web.iweb import IAgent

from antigravity_proxy.accounts.slices import Slices
from antigravity_proxy.admin import pages
from antigravity_proxy.admin.changes import Changes, Stored
from antigravity_proxy.admin.client_keys import ClientKeys, ClientKeysPages
from antigravity_proxy.admin.http import Answers, BaseUrl
from antigravity_proxy.admin.login import Access, LoginPages
from antigravity_proxy.admin.overview import Overview, Sources
from antigravity_proxy.admin.pages import Pages
from antigravity_proxy.admin.resource import AdminGate, AdminResource
from antigravity_proxy.admin.signin import SignIn, SignInPages
from antigravity_proxy.admin.status_pages import StatusPages
from antigravity_proxy.admin.why import WhyPage
from antigravity_proxy.canonical.grant import RefreshRejected
from antigravity_proxy.settings.table import Settings
from antigravity_proxy.telemetry.why import WhyLog
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.upstream.egress import Egresses
from antigravity_proxy.upstream.exchange import Unreachable
from antigravity_proxy.upstream.oauth import OAuthClient
from antigravity_proxy.volume.writer import NewAccount, Written
from antigravity_proxy.web.key_ring import KeyRing
from antigravity_proxy.web.site import GuardedSite

#: connections at a time; people with browsers need few
_MAX_CONNECTIONS = 200
#: of them from one address, so that no single one keeps the others out
_MAX_PER_ADDRESS = _MAX_CONNECTIONS // 4
#: seconds that sign-ins under way get at the end
_DRAIN = 5.0

Store = Callable[[NewAccount], Awaitable[Written]]


def sign_in(reactor: Any, settings: Settings, oauth: OAuthClient, egresses: Egresses, store: Store) -> SignIn:
    """Sign-ins that go out by the way that belongs to no account; without it they fail with RefreshRejected."""

    def agent() -> IAgent:
        try:
            egress = egresses.default()
        except Unreachable as e:
            raise RefreshRejected("temporary", str(e)) from None
        return egress.agent

    return SignIn(settings, oauth, agent, store)


class Admin:
    """Pages, gate and site."""

    def __init__(
        self,
        reactor: Any,
        ticker: Ticker,
        settings: Settings,
        signing_in: SignIn,
        stored: Stored,
        keys: KeyRing,
        sources: Sources,
        why: WhyLog,
        client_keys: ClientKeys,
    ) -> None:
        self._reactor = reactor
        read_only = sources.read_only
        base_url, headers = BaseUrl.of(settings), pages.headers(settings.auth_url)
        made, answers = Pages(base_url), Answers(base_url, headers)
        self.access = access = Access(answers, made, keys, settings.trusted_proxies, reactor.seconds)
        self.signing_in = SignInPages(answers, made, access, signing_in, reactor.seconds, read_only=read_only)
        self.status = StatusPages(
            answers,
            made,
            access,
            Overview(sources, Slices(reactor)),
            Changes(sources.pool, stored, sources.state, read_only=read_only),
            ticker,
            addable=lambda: not read_only and bool(sources.settings().clients),
        )
        keys_pages = ClientKeysPages(answers, made, access, client_keys)
        why_page = WhyPage(answers, made, access, why)
        login = LoginPages(answers, made, access)
        routes = AdminResource(answers, made, login, self.signing_in, self.status, why_page, keys_pages)
        gate = AdminGate(base_url, made, headers)
        self.site = GuardedSite(
            routes.resource(),
            gate,
            ticker,
            max_connections=_MAX_CONNECTIONS,
            max_per_address=_MAX_PER_ADDRESS,
            trusted=settings.trusted_proxies,
        )

    def use(self, keys: KeyRing) -> None:
        """These API keys are in force now."""
        self.access.use(keys)

    def drain(self) -> Deferred[int]:
        """Lets running work finish, for a moment; open pages get no further events."""
        self.status.stop()
        return self.site.drain(self._reactor, _DRAIN).addBoth(self._stop)

    def _stop(self, outcome: Any) -> Any:
        self.signing_in.stop()
        return outcome
