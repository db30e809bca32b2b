"""The official upstreams: a pool for each, filled from the credentials; who is asked, and what they offer."""

from __future__ import annotations

import random
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from antigravity_proxy.accounts.condition import kind_of
from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.renewals import Renewals
from antigravity_proxy.accounts.replication import LocalState, Part, SharedState
from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.accounts.tokens import TokenKeeper
from antigravity_proxy.canonical.credential import ACCOUNTS, FREE, GEMINI, VERTEX
from antigravity_proxy.canonical.offers import Offers
from antigravity_proxy.canonical.router import Routing
from antigravity_proxy.canonical.wire import Wire
from antigravity_proxy.credentials.file import Found
from antigravity_proxy.daemon.credential_calls import CredentialCalls
from antigravity_proxy.daemon.gemini_models import GeminiModels
from antigravity_proxy.daemon.in_force import InForce
from antigravity_proxy.geminiapi.wire import GeminiApi
from antigravity_proxy.relay.projects import Projects
from antigravity_proxy.relay.upstream import BaseUrls, Upstream
from antigravity_proxy.settings.parse import UPSTREAMS
from antigravity_proxy.startup import epoch
from antigravity_proxy.telemetry.drift import Drift
from antigravity_proxy.upstream.egress import Egresses
from antigravity_proxy.upstream.grants import TokenGrants
from antigravity_proxy.upstream.oauth import OAuthClient
from antigravity_proxy.vertex.wire import Vertex

log = Logger()


class Official:
    """Everything that the official credentials need; ``upstreams`` by name. Without credentials nothing is asked."""

    def __init__(
        self,
        reactor: Any,
        in_force: InForce,
        egresses: Egresses,
        found: Found,
        drift: Drift,
        shared: SharedState | None = None,
    ) -> None:
        settings = in_force.settings
        self._reactor = reactor
        self._in_force = in_force
        self._found = Found()
        self._drift = drift
        self._shared = LocalState() if shared is None else shared
        self._offers: dict[str, Offers] = {}
        oauth = OAuthClient(reactor, epoch, settings.token_url, settings.user_agent, settings.userinfo_url)
        replaced = settings.sources["token_url"] != "default"  # noqa: S105 - a setting's name
        grants = TokenGrants(epoch, oauth, settings.token_url if replaced else "")
        self._calls = CredentialCalls(grants, egresses)
        self.upstreams = {
            GEMINI: self._upstream(GeminiApi(), settings.gemini_base_url),
            VERTEX: self._upstream(Vertex(), settings.vertex_base_url or ""),  # else each location has its host
        }
        self._renewals = [_renewals(reactor, upstream) for upstream in self.upstreams.values()]
        gemini = self.upstreams[GEMINI]
        base = settings.gemini_base_url.rstrip("/").encode("ascii")
        self._models = GeminiModels(reactor, gemini.pool, egresses, base, self._offered, random.random)
        self.take(found)

    def take(self, found: Found) -> None:
        """These are the official credentials from now on."""
        self._found = found
        for name, upstream in self.upstreams.items():
            upstream.pool.update(each for each in found.credentials if each.upstream == name)
        self.route()

    def route(self) -> None:
        """Credentials, or the volume's accounts, have changed: who is asked follows."""
        given = {each.upstream for each in self._found.credentials} & self.upstreams.keys()
        serving = frozenset(given) | ({ACCOUNTS} if self._in_force.state.accounts or not given else frozenset())
        order = self._in_force.settings.upstream_order
        self._in_force.route(Routing(order, self._found.routes, serving, dict(self._offers)))

    @property
    def found(self) -> Found:
        """The credentials that are in force."""
        return self._found

    @property
    def replace_the_volume(self) -> bool:
        """Whether no data directory is configured, none is there, and official credentials serve instead."""
        state, settings = self._in_force.state, self._in_force.settings
        return not settings.data_dir and state.read_at is None and bool(self._found.credentials)

    def find(self, name: str) -> AccountState | None:
        """The credential that replicas call so (`Part`)."""
        upstream, _, credential = name.partition("/")
        return self.upstreams[upstream].pool.find(credential) if upstream in self.upstreams else None

    def counts(self) -> dict[str, int]:
        """How many credentials there are, by upstream."""
        every = [each.upstream for each in self._found.credentials]
        return {name: every.count(name) for name in UPSTREAMS if name != ACCOUNTS}

    def warnings(self) -> tuple[str, ...]:
        """Notes on the credentials for the operator; names none."""
        found = []
        for name, upstream in self.upstreams.items():
            pool, count = upstream.pool, len(upstream.pool.states)
            now = pool.now()
            if clock := upstream.tokens.clock_trouble:
                found.append(f"Service accounts get no token: {clock}")
            wanting = sum(kind_of(state, pool.rules, now) == "out" for state in pool.states)
            if wanting:
                words = "the status page and 'antigravity-proxy check' say why"
                found.append(f"{wanting} of {count} credentials of {name} need attention: {words}")
            # of those that their file calls free somebody knows; the page says it of all
            free = sum(state.tier == FREE != state.credential.tier for state in upstream.pool.states)
            if free:
                words = "Google uses what is sent by them to improve its products, and people may read it"
                found.append(f"{free} of {count} credentials of {name} are on the free tier: {words}")
        return tuple(found)

    def use(self, rules: Rules) -> None:
        """Other rules are in force."""
        for upstream in self.upstreams.values():
            upstream.pool.rules = replace(rules, reserve=0.0)

    def start(self) -> None:
        """Asks upstream in the background from now on."""
        self._models.start()
        for each in self._renewals:
            each.start()

    def stop(self) -> None:
        """Gives up what is under way."""
        self._models.stop()
        for each in self._renewals:
            each.stop()
        for upstream in self.upstreams.values():
            upstream.tokens.stop()
            upstream.projects.stop()

    def look(self) -> Deferred[None]:
        """Asks now what is offered."""
        return self._models.look()

    def _upstream(self, wire: Wire, base: str) -> Upstream:
        reactor, shared = self._reactor, Part(self._shared, wire.name)
        rules = replace(Rules.of(self._in_force.settings), reserve=0.0)
        pool = Pool(reactor, epoch, random.random, rules, shared)
        tokens = TokenKeeper(reactor, epoch, self._calls.refresh, shared, None, pool.counters)
        pool.watch(tokens)
        ask = None if wire.name == GEMINI else self._calls.project
        return Upstream(wire, pool, tokens, Projects(reactor, ask, None), BaseUrls([base]), drift=self._drift)

    def _offered(self, offers: Offers) -> None:
        self._offers[GEMINI] = offers
        log.info("the Gemini API offers {count} models", count=len(offers.models))
        self.route()


def _renewals(reactor: Any, upstream: Upstream) -> Renewals:
    return Renewals(reactor, upstream.pool.now, lambda: upstream.pool.states, upstream.tokens)


def states(upstreams: dict[str, Upstream]) -> list[AccountState]:
    """All official credentials."""
    return [state for upstream in upstreams.values() for state in upstream.pool.states]
