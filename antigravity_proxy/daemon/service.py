"""Assembly: every object of the daemon is built here from its settings, and tied to the life of the process."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Mapping
from typing import Any

from twisted.application.service import IService, IServiceCollection, MultiService
from twisted.internet.defer import inlineCallbacks
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized

from antigravity_proxy import logs, startup
from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.accounts.shared import LocalState
from antigravity_proxy.accounts.tokens import TokenKeeper
from antigravity_proxy.admin.history import History
from antigravity_proxy.admin.service import Admin, sign_in
from antigravity_proxy.admin.survey import Sources
from antigravity_proxy.daemon.account_calls import UpstreamCalls, VolumeCalls
from antigravity_proxy.daemon.condition import Conditions
from antigravity_proxy.daemon.following import Following
from antigravity_proxy.daemon.listeners import Listeners
from antigravity_proxy.daemon.process import hex_digits, new_uuid, tune_garbage_collection
from antigravity_proxy.relay.bases import BaseUrls
from antigravity_proxy.relay.projects import Projects
from antigravity_proxy.relay.resources import Resources
from antigravity_proxy.startup import Start, epoch
from antigravity_proxy.telemetry.access import AccessLog
from antigravity_proxy.telemetry.record import Ledger
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.upstream.egress import configured
from antigravity_proxy.upstream.oauth import OAuthClient
from antigravity_proxy.volume.reader import VolumeState
from antigravity_proxy.volume.service import VolumeService
from antigravity_proxy.volume.writing import WriterService
from antigravity_proxy.web.api import ApiResource
from antigravity_proxy.web.edge import GuardedSite
from antigravity_proxy.web.gate import ApiGate
from antigravity_proxy.web.health import HealthPages
from antigravity_proxy.web.keys import KeyPolicy

log = Logger()


def make(options: Mapping[str, Any], environ: Mapping[str, str]) -> IService:
    """The daemon for these options and this environment. Raises SettingsError."""
    from twisted.internet import reactor

    return Daemon(reactor, startup.begin(options, environ))


class Daemon(MultiService):
    """The whole daemon as a service: the volume's watch, the account pool, the API listener, the admin listener."""

    pool: Pool
    bases: BaseUrls
    gate: ApiGate
    admin: Admin
    site: GuardedSite
    ledger: Ledger
    conditions: Conditions

    def __init__(self, reactor: Any, start: Start) -> None:
        super().__init__()
        self._reactor = reactor
        self._settings = settings = start.settings
        writable = os.access(start.places.directory, os.W_OK)
        read_only = settings.read_only or not writable
        keys = KeyPolicy.of(settings)
        ring = keys.at_start(start.state.config, absent=start.state.config_absent)
        self._ticker = Ticker(reactor)

        self._egresses = configured(reactor, self._ticker, settings)
        oauth = OAuthClient(reactor, epoch, settings.token_url, settings.user_agent, settings.userinfo_url)
        self.bases = bases = BaseUrls(settings.base_urls)
        upstream = UpstreamCalls(reactor, settings, oauth, self._egresses, bases)
        self._volume = VolumeService(reactor, start.reader, lambda state: self._following.take(state))
        self._volume.setServiceParent(self)
        writer = WriterService(reactor, start.writer)
        writer.setServiceParent(self)
        stored = VolumeCalls(writer, self._volume)

        shared = LocalState()
        self.pool = Pool(reactor, epoch, random.random, Rules.of(settings, start.state.config), shared)
        self._tokens = TokenKeeper(reactor, epoch, upstream.refresh, shared, None if read_only else stored.keep)
        self.pool.on_tokenless = self._tokens.live
        resources = Resources(
            ticker=self._ticker,
            epoch=epoch,
            jitter=random.random,
            new_uuid=new_uuid,
            pool=self.pool,
            tokens=self._tokens,
            projects=Projects(reactor, upstream.load_project, settings.fallback_project),
            egresses=self._egresses,
            bases=bases,
        )

        self.ledger = ledger = Ledger(reactor.seconds)
        out = sys.stdout if settings.log_level in ("debug", "info") else None
        ledger.observe(AccessLog(out, settings.log_format, epoch))
        self.gate = gate = ApiGate(ring, settings.max_body, hex_digits, ledger)
        signing_in = sign_in(reactor, settings, oauth, self._egresses, stored.store)
        history = History(reactor.seconds, epoch)
        ledger.observe(history.note)
        sources = Sources(
            settings=settings,
            pool=self.pool,
            state=lambda: self.state,
            condition=lambda: self.conditions.now(),
            ledger=ledger,
            history=history,
            read_only=read_only,
        )
        self.admin = Admin(reactor, self._ticker, signing_in, stored, ring, sources)
        self._following = following = Following(
            settings, start.state, keys, self.pool, self._egresses, gate, self.admin
        )
        self.conditions = Conditions(
            reactor,
            settings,
            lambda: following.state,
            self._volume,
            self.pool,
            self._tokens,
            gate,
            writable=writable,
        )
        pages = HealthPages(self.conditions.now).resource()
        api = ApiResource(resources, lambda: following.catalogue, gate, pages, hex_digits, ledger)
        self.site = GuardedSite(api, gate, self._ticker)
        self._listeners = Listeners(reactor, settings, self.site, self.admin.site)

    @property
    def state(self) -> VolumeState:
        """The state of the volume that is in effect."""
        return self._following.state

    def setServiceParent(self, parent: IServiceCollection) -> None:
        """Takes its place in the application, and gives that our log."""
        if isinstance(parent, Componentized):
            observer = logs.observer(sys.stdout, self._settings.log_level, self._settings.log_format)
            parent.setComponent(ILogObserver, observer)
        super().setServiceParent(parent)

    def privilegedStartService(self) -> None:
        """Binds the ports."""
        self._listeners.bind()
        super().privilegedStartService()

    def startService(self) -> None:
        """Starts serving."""
        super().startService()
        tune_garbage_collection()
        self._listeners.announce()
        for warning in self.conditions.warnings():
            log.warn("{warning}", warning=warning)

    @inlineCallbacks
    def stopService(self) -> Any:
        """Drains: no new connections, open answers to their last byte, up to the deadline."""
        self.conditions.draining = True
        yield self._listeners.close()
        admin_drained = self.admin.drain()
        log.info("draining {count} connections", count=len(self.site.channels))
        cut = yield self.site.drain(self._reactor, self._settings.drain_seconds)
        if cut:
            log.warn("{count} connections were cut at the deadline", count=cut)
        yield admin_drained
        self._tokens.stop()
        yield self._egresses.close()
        self._ticker.stop()
        yield super().stopService()
