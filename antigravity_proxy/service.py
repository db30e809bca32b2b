"""Assembly: every object of the daemon is built here from its settings, and tied to the life of the process."""

from __future__ import annotations

import gc
import os
import random
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

from twisted.application.service import IService, IServiceCollection, MultiService
from twisted.internet.defer import inlineCallbacks
from twisted.internet.error import CannotListenError
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized
from twisted.python.failure import Failure
from twisted.web.client import Agent

from antigravity_proxy import logs, startup
from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.accounts.shared import LocalState
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.accounts.tokens import TokenKeeper
from antigravity_proxy.admin.service import Admin, sign_in
from antigravity_proxy.canonical.models import Catalogue
from antigravity_proxy.codeassist.oauth import Grant
from antigravity_proxy.relay.bases import BaseUrls
from antigravity_proxy.relay.projects import Projects
from antigravity_proxy.relay.resources import Resources
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings import limits
from antigravity_proxy.startup import Start, epoch
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.upstream.account_methods import load_project
from antigravity_proxy.upstream.clients import refreshed
from antigravity_proxy.upstream.egress import configured
from antigravity_proxy.upstream.oauth import OAuthClient
from antigravity_proxy.volume.guiconfig import GuiConfig
from antigravity_proxy.volume.reader import VolumeState
from antigravity_proxy.volume.service import VolumeService
from antigravity_proxy.volume.snapshot import VolumeError
from antigravity_proxy.volume.writer import NewAccount, NotWritten, Written
from antigravity_proxy.volume.writing import WriterService
from antigravity_proxy.web.access import AccessLog
from antigravity_proxy.web.api import ApiResource
from antigravity_proxy.web.edge import GuardedSite
from antigravity_proxy.web.gate import ApiGate
from antigravity_proxy.web.health import Condition, HealthPages
from antigravity_proxy.web.health import Volume as VolumeHealth
from antigravity_proxy.web.keys import KeyPolicy
from antigravity_proxy.web.warnings import Surroundings, warnings

log = Logger()

#: account rows that can't be used, told in the log at most of one read
_PROBLEMS_TOLD = 20


def make(options: Mapping[str, Any], environ: Mapping[str, str]) -> IService:
    """The daemon for these options and this environment. Raises SettingsError."""
    from twisted.internet import reactor

    return Daemon(reactor, startup.begin(options, environ))


class Daemon(MultiService):
    """The whole daemon as a service: the volume's watch, the account pool, the API listener, the admin listener."""

    def __init__(self, reactor: Any, start: Start) -> None:
        super().__init__()
        settings, places, state = start.settings, start.places, start.state
        self._reactor = reactor
        self._settings = settings
        self._places = places
        self._state = state
        self._writable = os.access(places.directory, os.W_OK)
        self._draining = False
        self._port: Any = None
        self._admin_port: Any = None
        self._keys = KeyPolicy.of(settings)
        ring = self._keys.at_start(state.config, absent=state.config_absent)
        self._catalogue = _catalogue(state.config)
        self._ticker = Ticker(reactor)
        shared = LocalState()
        self._pool = Pool(reactor, epoch, random.random, Rules.of(settings, state.config), shared)
        self._egresses = configured(reactor, self._ticker, settings)
        self._oauth = OAuthClient(reactor, epoch, settings.token_url, settings.user_agent, settings.userinfo_url)
        self._writer = WriterService(reactor, start.writer)
        self._tokens = TokenKeeper(reactor, epoch, self._refresh, shared, None if self._read_only else self._keep)
        self._pool.on_tokenless = self._tokens.live
        self._bases = BaseUrls(settings.base_urls)
        self._gate = ApiGate(ring, settings.max_body, _hex_digits)
        self._site = self._make_site()
        self._volume = VolumeService(reactor, start.reader, self._on_volume)
        self._volume.setServiceParent(self)
        self._writer.setServiceParent(self)
        signing_in = sign_in(reactor, settings, self._oauth, self._egresses, self._store)
        self._admin = Admin(reactor, self._ticker, settings, signing_in, ring, read_only=self._read_only)

    def setServiceParent(self, parent: IServiceCollection) -> None:
        """Takes its place in the application, and gives that our log."""
        if isinstance(parent, Componentized):
            observer = logs.observer(sys.stdout, self._settings.log_level, self._settings.log_format)
            parent.setComponent(ILogObserver, observer)
        super().setServiceParent(parent)

    def privilegedStartService(self) -> None:
        """Binds the ports; one that is taken ends the start with one line and status 1."""
        settings = self._settings
        self._port = self._listen("PROXY_PORT", settings.host, settings.port, self._site)
        if settings.oauth_listen_port:
            host, port = settings.oauth_listen_host, settings.oauth_listen_port
            self._admin_port = self._listen("OAUTH_LISTEN_PORT (0 for none)", host, port, self._admin.site)
        super().privilegedStartService()

    def _listen(self, setting: str, host: str, port: int, site: GuardedSite) -> Any:
        try:
            return self._reactor.listenTCP(port, site, backlog=511, interface=host)
        except CannotListenError as e:
            if sys.__stderr__ is not None:  # sys.stderr is the log by now
                words = f"antigravity-proxy: {setting}: {host}:{port} can't be listened on: {e.socketError}\n"
                sys.__stderr__.write(words)
            sys.exit(1)

    def startService(self) -> None:
        """Starts serving."""
        super().startService()
        _tune_garbage_collection()
        log.info("serving on {host}:{port}", host=self._settings.host, port=self._port.getHost().port)
        if self._admin_port is not None:
            address = self._admin_port.getHost()
            log.info("admin pages on {host}:{port}", host=address.host, port=address.port)
        for warning in self._warnings():
            log.warn("{warning}", warning=warning)

    @inlineCallbacks
    def stopService(self) -> Any:
        """Drains: no new connections, open answers to their last byte, up to the deadline."""
        self._draining = True
        yield self._port.stopListening()
        if self._admin_port is not None:
            yield self._admin_port.stopListening()
        admin_drained = self._admin.drain()
        log.info("draining {count} connections", count=len(self._site.channels))
        cut = yield self._site.drain(self._reactor, self._settings.drain_seconds)
        if cut:
            log.warn("{count} connections were cut at the deadline", count=cut)
        yield admin_drained
        self._tokens.stop()
        yield self._egresses.close()
        self._ticker.stop()
        yield super().stopService()

    def _make_site(self) -> GuardedSite:
        resources = Resources(
            ticker=self._ticker,
            epoch=epoch,
            jitter=random.random,
            new_uuid=_new_uuid,
            pool=self._pool,
            tokens=self._tokens,
            projects=Projects(self._reactor, self._load_project, self._settings.fallback_project),
            egresses=self._egresses,
            bases=self._bases,
        )
        pages = HealthPages(self._condition).resource()
        out = sys.stdout if self._settings.log_level in ("debug", "info") else None
        access = AccessLog(out, self._settings.log_format, epoch)
        api = ApiResource(resources, lambda: self._catalogue, self._gate, pages, _hex_digits, access)
        return GuardedSite(api, self._gate, self._ticker)

    async def _refresh(self, state: AccountState) -> Grant:
        """A new grant by the OAuth client that the account's token names, else by the plain one."""
        egress = self._egresses.of(state.account)
        agent = Agent.usingEndpointFactory(self._reactor, egress.endpoints, egress.pool)
        return await refreshed(
            self._settings.clients,
            state.account.token.oauth_client_key or "",
            lambda client: self._oauth.refresh(agent, state.refresh_token, client),
        )

    def _keep(self, identity: str, used: Secret, grant: Grant) -> None:
        """A renewed token goes to the volume too; serving never waits for that, nor depends on it."""
        self._writer.renew(identity, used, grant).addErrback(self._not_kept, identity)

    def _not_kept(self, failure: Failure, identity: str) -> None:
        failure.trap(VolumeError)
        words = "account {account}: its new token stays in memory: {reason}"
        log.warn(words, account=identity, reason=failure.getErrorMessage())

    async def _store(self, account: NewAccount) -> Written:
        """Stores who signed in, and has read it back when this returns. Raises NotWritten."""
        written = await self._writer.add(account)
        state = await self._volume.read()
        found = {account.id: account.token.access_token for account in state.accounts}
        if found.get(written.id) != account.access_token:
            reasons = (problem.reason for problem in state.problems if problem.id == written.id)
            why = state.error or next(reasons, "it is not there")
            raise NotWritten(f"it was written, but can't be read back: {why}")
        return written

    async def _load_project(self, state: AccountState) -> str | None:
        base = self._bases.in_order(self._reactor.seconds())[0]
        return await load_project(self._reactor, self._egresses.of(state.account), base, state.access_token)

    def _on_volume(self, state: VolumeState) -> None:
        """A new state of the volume is in effect at once."""
        before, self._state = self._state, state
        updating = self._pool.update(state.accounts)
        if state.config != before.config:
            self._catalogue = _catalogue(state.config)
            self._pool.rules = Rules.of(self._settings, state.config)
        ring = self._keys.decide(state.config, absent=state.config_absent)
        if ring is not None:
            self._gate.keys = ring
            self._admin.use(ring)
        if not state.error:
            updating.addCallback(self._tell_of_accounts, state, before)
            updating.addErrback(partial(log.failure, "the volume's accounts could not be taken"))
        elif state.error != before.error:
            log.error("the volume can't be read: {reason}", reason=state.error)

    def _tell_of_accounts(self, _: None, state: VolumeState, before: VolumeState) -> None:
        log.info(
            "the volume has {count} accounts, {usable} usable", count=len(state.accounts), usable=self._pool.usable()
        )
        known = set(before.problems)
        new = [problem for problem in state.problems if problem not in known]
        for problem in new[:_PROBLEMS_TOLD]:
            log.warn("account {account} can't be used: {reason}", account=problem.id, reason=problem.reason)
        if len(new) > _PROBLEMS_TOLD:
            words = "{count} further accounts can't be used; 'antigravity-proxy accounts list' tells why"
            log.warn(words, count=len(new) - _PROBLEMS_TOLD)

    @property
    def _read_only(self) -> bool:
        return self._settings.read_only or not self._writable

    def _condition(self) -> Condition:
        state = self._state
        return Condition(
            epoch=epoch(),
            database=self._database(),
            ever_read=state.read_at is not None,
            accounts=len(state.accounts),
            usable=self._pool.usable(),
            read_only=self._read_only,
            draining=self._draining,
            volume=self._volume_health(),
            warnings=self._warnings(),
        )

    def _database(self) -> str:
        """``connected``, or why the volume can't be read at the moment."""
        state, busy_since = self._state, self._volume.busy_since
        if state.error:
            return state.error
        if busy_since is not None and self._reactor.seconds() - busy_since > limits.SLOW_READ:
            return "a read of the data directory hangs"
        return "connected" if state.read_at is not None else "not read yet"

    def _volume_health(self) -> VolumeHealth:
        state, seen_at = self._state, self._volume.seen_at
        return VolumeHealth(
            age=None if seen_at is None else round(self._reactor.seconds() - seen_at, 1),
            open=len(state.accounts) - state.unconfirmed,
            sealed=state.sealed_rows,
            broken=len(state.problems) - state.sealed_rows,
            leaving=state.unconfirmed,
            paused=state.paused,
        )

    def _warnings(self) -> tuple[str, ...]:
        around = Surroundings(self._gate.keys.closed, self._tokens.misconfigured, self._writable)
        return warnings(self._settings, self._state, around)


def _tune_garbage_collection() -> None:
    """What is loaded now stays: it is never looked at again, and young objects less often.

    Requests leave few cycles behind, but make many objects: the default of 700 costs some 5 % of the time. The second
    number keeps the middle generation small, which is looked through while every thread waits.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 5, 100)


def _catalogue(config: GuiConfig | None) -> Catalogue:
    return Catalogue() if config is None else Catalogue(config.custom_mapping, config.anthropic_mapping)


def _new_uuid() -> str:
    """A random UUID (RFC 9562 5.4); the standard library's class takes four times as long."""
    digits = _hex_digits(32)
    return (
        f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{'89ab'[int(digits[16], 16) & 3]}{digits[17:20]}-{digits[20:]}"
    )


def _hex_digits(count: int) -> str:
    """Random hex digits for ids: they only have to differ, so no system call is made for them."""
    return f"{random.getrandbits(4 * count):0{count}x}"
