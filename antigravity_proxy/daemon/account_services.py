"""Accounts, and everything that keeps them able to serve: tokens, projects, quotas, ways out, what replicas share."""

from __future__ import annotations

import random
from typing import Any

from twisted.internet.defer import Deferred

from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.quota_poll import QuotaPoll
from antigravity_proxy.accounts.renewals import Renewals
from antigravity_proxy.accounts.replication import LocalState, Part, SharedState
from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.accounts.standing import Boards
from antigravity_proxy.accounts.tokens import Keep, TokenKeeper
from antigravity_proxy.canonical.offers import Offers
from antigravity_proxy.codeassist import notices
from antigravity_proxy.codeassist.decision_table import REASONS
from antigravity_proxy.codeassist.wire import CodeAssist
from antigravity_proxy.credentials.file import Found
from antigravity_proxy.daemon.account_calls import UpstreamCalls
from antigravity_proxy.daemon.in_force import InForce
from antigravity_proxy.daemon.official import Official
from antigravity_proxy.daemon.process import hex_digits, new_uuid
from antigravity_proxy.relay.context import RelayContext
from antigravity_proxy.relay.projects import Projects
from antigravity_proxy.relay.signatures import Signatures
from antigravity_proxy.relay.upstream import BaseUrls, Upstream
from antigravity_proxy.replicas.store import configured as shared_state
from antigravity_proxy.settings.parse import UPSTREAMS
from antigravity_proxy.startup import epoch
from antigravity_proxy.state.remembered import Remembering
from antigravity_proxy.state.served_today import ServedToday
from antigravity_proxy.state.store import StateStore
from antigravity_proxy.telemetry.drift import Drift
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.upstream.egress import configured as ways_out
from antigravity_proxy.upstream.oauth import OAuthClient


class AccountServices:
    """Built before what serves with it. ``keep`` stores renewed tokens, None: they stay in memory.

    Raises SettingsError.
    """

    def __init__(
        self,
        reactor: Any,
        ticker: Ticker,
        in_force: InForce,
        keep: Keep | None,
        remembered: StateStore,
        credentials: Found,
    ) -> None:
        self._settings = settings = in_force.settings
        self.egresses = ways_out(reactor, ticker, settings)
        self.oauth = OAuthClient(reactor, epoch, settings.token_url, settings.user_agent, settings.userinfo_url)
        self.bases = BaseUrls(settings.base_urls)
        self.drift = Drift(epoch)
        self.upstream = UpstreamCalls(reactor, settings, self.oauth, self.egresses, self.bases, self.drift)
        self.replicas = replicas = shared_state(reactor, epoch, settings)
        self.shared = shared = Remembering(LocalState() if replicas is None else replicas, remembered, epoch)
        self.pool = pool = Pool(reactor, epoch, random.random, Rules.of(settings), shared)
        self.tokens = TokenKeeper(reactor, epoch, self.upstream.refresh, shared, keep, pool.counters)
        self._renewals = Renewals(reactor, pool.now, lambda: pool.states, self.tokens)
        self._projects = Projects(reactor, self.upstream.project, settings.fallback_project, shared)
        self._in_force = in_force
        self._quota_poll = QuotaPoll(reactor, pool, self.upstream.available, self._offered, random.random, shared)
        pool.watch(self.tokens)
        self.official = official = Official(reactor, in_force, self.egresses, credentials, self.drift, shared)
        ServedToday(remembered, [upstream.pool for upstream in official.upstreams.values()])
        shared.find = lambda name: pool.find(name) or official.find(name)
        self.relay = RelayContext(
            boards=Boards(reactor),
            ticker=ticker,
            epoch=epoch,
            jitter=random.random,
            hex_digits=hex_digits,
            egresses=self.egresses,
            signatures=Signatures(reactor, None if replicas is None else lambda: replicas.signatures),
            upstream=Upstream(
                CodeAssist(new_uuid),
                pool,
                self.tokens,
                self._projects,
                self.bases,
                notices=notices,
                reasons=REASONS,
                drift=self.drift,
            ),
            others=official.upstreams,
            legs=_legs(shared),
        )

    def _offered(self, offers: Offers) -> None:
        """These models are on offer; those that no table knows are counted."""
        known = self._in_force.models
        for offer in offers.models:
            if offer.id not in known.accounts and not offer.id.startswith(known.hidden):
                self.drift.saw("model", offer.id)
        self._in_force.offered(offers)

    def start(self) -> None:
        """Asks upstream in the background from now on."""
        self._quota_poll.start()
        if self._settings.clients:
            self._renewals.start()
        self.official.start()

    def stop(self) -> Deferred[Any]:
        """Gives up what is under way, and closes the connections to upstream."""
        self._quota_poll.stop()
        self._renewals.stop()
        self.official.stop()
        self.tokens.stop()
        self._projects.stop()
        return self.egresses.close()


def _legs(shared: SharedState) -> SharedState:
    """Where conversations keep the upstream that serves them."""
    legs = Part(shared, "leg")
    for name in UPSTREAMS:
        legs.recall(name)
    return legs
