"""Assembly: every object of the daemon is built here from its settings, and tied to the life of the process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from twisted.application.service import IService, IServiceCollection, MultiService
from twisted.internet.defer import inlineCallbacks
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized

from antigravity_proxy import startup
from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.admin.account import called
from antigravity_proxy.admin.client_keys import ClientKeys
from antigravity_proxy.admin.history import History
from antigravity_proxy.admin.overview import Sources
from antigravity_proxy.admin.service import Admin, sign_in
from antigravity_proxy.admin.usage import UsageView
from antigravity_proxy.canonical.model_file import ModelsError
from antigravity_proxy.canonical.model_table import ModelTable
from antigravity_proxy.credentials.file import CredentialsError, Found
from antigravity_proxy.daemon.account_calls import VolumeCalls
from antigravity_proxy.daemon.account_services import AccountServices
from antigravity_proxy.daemon.apply_volume import VolumeApplier
from antigravity_proxy.daemon.event_loop import poll_plainly
from antigravity_proxy.daemon.health import Health
from antigravity_proxy.daemon.in_force import InForce
from antigravity_proxy.daemon.listeners import Listeners
from antigravity_proxy.daemon.notices import Notices
from antigravity_proxy.daemon.observability import Observability
from antigravity_proxy.daemon.process import (
    forbid_core_dumps,
    hex_digits,
    keep_monotonic_time,
    room_for_connections,
    tune_garbage_collection,
)
from antigravity_proxy.daemon.reload import Reloader
from antigravity_proxy.daemon.signals import Signals
from antigravity_proxy.daemon.systemd import Notifier, Sockets, sockets
from antigravity_proxy.daemon.webhook import Webhook
from antigravity_proxy.followed import FollowedFile
from antigravity_proxy.settings import limits
from antigravity_proxy.settings.resolve import SettingsError
from antigravity_proxy.settings.table import Settings
from antigravity_proxy.startup import Start, epoch
from antigravity_proxy.state.store import StateStore
from antigravity_proxy.state.usage import UsageLedger
from antigravity_proxy.telemetry.record import Ledger
from antigravity_proxy.telemetry.why import WhyLog
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.volume.reader import VolumeState
from antigravity_proxy.volume.service import VolumeService
from antigravity_proxy.volume.writing import WriterService
from antigravity_proxy.web.api import ApiResource
from antigravity_proxy.web.budgets import Budgets
from antigravity_proxy.web.client_keys_file import ClientKeysFile
from antigravity_proxy.web.decoding import Decoding
from antigravity_proxy.web.gate import ApiAdmission, ApiGate
from antigravity_proxy.web.health import HealthPages
from antigravity_proxy.web.key_policy import KeyPolicy
from antigravity_proxy.web.limits import enforced
from antigravity_proxy.web.rate_limits import RateLimits
from antigravity_proxy.web.responses import Responses
from antigravity_proxy.web.site import GuardedSite

log = Logger()


def make(options: Mapping[str, Any], environ: Mapping[str, str]) -> IService:
    """The daemon for these options and this environment. Raises SettingsError."""
    from twisted.internet import reactor

    forbid_core_dumps()
    keep_monotonic_time(reactor)
    poll_plainly(reactor)
    handed = sockets(reactor)
    start = startup.begin(options, environ)
    return Daemon(reactor, replace(start, settings=handed.told(start.settings)), handed, Notifier(reactor, environ))


class Daemon(MultiService):
    """The whole daemon as a service: the volume's watch, the account pool, the API listener, the admin listener."""

    account_services: AccountServices
    pool: Pool
    gate: ApiGate
    admin: Admin
    site: GuardedSite[ApiAdmission]
    ledger: Ledger
    responses: Responses
    health: Health
    remembered: StateStore
    usage: UsageLedger

    def __init__(self, reactor: Any, start: Start, handed: Sockets, notifier: Notifier) -> None:
        super().__init__()
        self._reactor = reactor
        self._notifier = notifier
        self.settings = settings = start.settings
        self.in_force = in_force = InForce(settings, start.given, start.state, start.models)
        self._ticker = ticker = Ticker(reactor)
        self._signals: Signals | None = None
        self._opening: Any = None

        # what is seen of all that follows
        self.observability = observability = Observability(reactor, settings)
        self.ledger = ledger = observability.ledger

        # what outlasts this process
        self.remembered = remembered = _state_store(reactor, start)
        self.usage = usage = UsageLedger(remembered, epoch)
        usage.settle = ledger.observe_later(usage)

        # the volume, and what is written into it
        writable = startup.is_writable(start.places.directory)
        read_only = settings.read_only or not writable
        self.volume = volume = VolumeService(reactor, start.reader)
        writer = WriterService(reactor, start.writer)
        stored = VolumeCalls(writer, volume)

        # the accounts
        keep = None if read_only else stored.keep
        self.account_services = services = AccountServices(reactor, ticker, in_force, keep, remembered, start.official)
        self.pool = pool = services.pool
        if settings.on_terms_ban == "pause":
            pool.terms_rest.switch_on(remembered)

        self.credentials = credentials = _credentials(reactor, start)
        if credentials is not None:
            credentials.observe(services.official.take)
        models = _models(reactor, start)
        if models is not None:
            models.observe(in_force.correct)

        # the API listener
        self.client_keys = client_keys = _client_keys(reactor, settings)
        keys = KeyPolicy.of(settings)
        keys.clients = () if client_keys is None else client_keys.keys
        keys.needs_config = bool(settings.data_dir) or not start.official.credentials
        ring = keys.at_start(start.state.config, absent=start.state.config_absent)
        budgets = Budgets(remembered, epoch)
        ledger.observe(budgets, keys_only=True)
        limits_of_keys = RateLimits(reactor.seconds, epoch)
        hosts = (settings.host, *settings.allowed_hosts)
        origins, trusted = settings.cors_origins, settings.trusted_proxies
        self.gate = gate = ApiGate(
            ring, settings.max_body, hex_digits, ledger, limits_of_keys, hosts=hosts, origins=origins, trusted=trusted
        )
        self.health = health = Health(
            reactor,
            in_force,
            volume,
            pool,
            services.tokens,
            services.egresses,
            gate,
            services.replicas,
            client_keys,
            remembered,
            services.official,
            credentials,
            models,
            services.relay.upstream,
            writable=writable,
        )
        pages = HealthPages(health.now, observability.metrics.render, reactor.seconds).resource()
        decoding = Decoding(reactor)
        replicas = services.replicas
        key_limits = enforced(reactor, replicas, limits_of_keys, budgets, ledger)
        self.responses = responses = Responses(
            ticker,
            decoding,
            settings.responses_store,
            settings.max_body,
            None if replicas is None else lambda: replicas.responses,
        )
        api = ApiResource(
            services.relay,
            lambda: in_force.router,
            gate,
            pages,
            hex_digits,
            ledger,
            decoding,
            responses,
            usage,
            budgets,
            key_limits,
        )
        self.webhook = webhook = _webhook(reactor, settings, remembered, services, lambda: in_force.state)
        if webhook is not None:
            ledger.observe(webhook)
        self._room = room_for_connections(limits.MAX_CONNECTIONS)
        self.site = GuardedSite(api, gate, ticker, max_connections=self._room)

        # the admin listener
        signing_in = sign_in(reactor, settings, services.oauth, services.egresses, stored.store)
        history = History(reactor.seconds)
        history.settle = ledger.observe_later(history.note)
        why = WhyLog()
        why.settle = ledger.observe_later(why)
        keys_shown = _keys_shown(client_keys, budgets, settings, start.places.directory)
        sources = Sources(
            settings=lambda: in_force.settings,
            models=lambda: in_force.models,
            pool=pool,
            official={name: upstream.pool for name, upstream in services.official.upstreams.items()},
            state=lambda: in_force.state,
            condition=health.now,
            ledger=ledger,
            history=history,
            usage=UsageView(usage, lambda identity: called(pool.find(identity), identity)).look,
            client_keys=keys_shown.look,
            read_only=read_only,
        )
        self.admin = admin = Admin(reactor, ticker, settings, signing_in, stored, ring, sources, why, keys_shown)

        # what changes all that while it runs
        self._applier = applier = VolumeApplier(
            in_force, keys, pool, services.egresses, gate, admin, services.replicas, services.official
        )
        volume.observe(self._take)
        if client_keys is not None:
            client_keys.observe(applier.take_clients)
        self.reloader = Reloader(
            in_force,
            start.resolve,
            volume.read,
            services.upstream,
            signing_in,
            applier,
        )

        self._listeners = Listeners(reactor, settings, self.site, admin.site, handed)
        observability.watch(
            self.site,
            services.relay.upstreams,
            services.egresses,
            volume,
            in_force,
            services.replicas,
            health,
            remembered,
            webhook,
        )
        for part in (
            remembered,
            webhook,
            client_keys,
            credentials,
            models,
            observability,
            volume,
            writer,
            services.replicas,
            key_limits,  # which are told before those stop
            decoding,
            notifier,
        ):
            if part is not None:
                part.setServiceParent(self)

    @property
    def state(self) -> VolumeState:
        """The state of the volume that is in effect."""
        return self.in_force.state

    def setServiceParent(self, parent: IServiceCollection) -> None:
        """Takes its place in the application, and gives that our log."""
        if isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self.observability.log_observer())
            # the process is ours
            self._signals = Signals(self._reactor, self.reload, self.observability.output.reopen)
        super().setServiceParent(parent)

    def privilegedStartService(self) -> None:
        """Binds the ports."""
        self._listeners.bind()
        super().privilegedStartService()

    def startService(self) -> None:
        """Starts serving."""
        super().startService()
        tune_garbage_collection()
        if self._signals is not None:
            self._reactor.callLater(0, self._signals.install)  # Twisted takes them when the reactor starts
        self._listeners.announce()
        if self._room < limits.MAX_CONNECTIONS:
            log.info("at most {count} connections at a time: the limit of open files allows no more", count=self._room)
        self._opening = self._reactor.callLater(limits.FIRST_READ, self._open)
        self.account_services.start()
        self.health.tell()

    def reload(self) -> None:
        self.observability.output.reopen()
        self.reloader.reload()
        if self.client_keys is not None:
            self.client_keys.look().addErrback(
                lambda failure: log.failure("the clients' keys could not be read", failure)
            )

    def _take(self, state: VolumeState) -> None:
        """A state of the volume takes effect; from the first one on, clients are let in."""
        taken = self._applier.take(state)
        taken.addCallback(lambda _: self._open())
        taken.addCallback(lambda _: self.health.tell())

    def _open(self) -> None:
        if self._opening is not None:
            opening, self._opening = self._opening, None
            if opening.active():
                opening.cancel()
            self._listeners.open()
            self._notifier.ready()

    @inlineCallbacks
    def stopService(self) -> Any:
        """Drains: no new connections, open answers to their last byte, up to the deadline."""
        self.health.draining = True
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None
        self._notifier.stopping()
        yield self._listeners.close()
        admin_drained = self.admin.drain()
        log.info("draining {count} connections", count=len(self.site.channels))
        cut = yield self.site.drain(self._reactor, self.settings.drain_seconds)
        if cut:
            log.warn("{count} connections were closed at the deadline", count=cut)
        yield admin_drained
        yield self.account_services.stop()
        self._ticker.stop()
        yield super().stopService()


def _client_keys(reactor: Any, settings: Settings) -> ClientKeysFile | None:
    """The file of clients' keys, if there is to be one."""
    path = settings.client_keys_file
    return None if path is None else ClientKeysFile(reactor, Path(path))


def _credentials(reactor: Any, start: Start) -> FollowedFile[Found] | None:
    """The file of official credentials, if there is to be one."""
    source = start.credentials
    if source.path is None:
        return None
    return FollowedFile(reactor, "PROXY_CREDENTIALS_FILE", source.read, CredentialsError, start.official)


def _models(reactor: Any, start: Start) -> FollowedFile[ModelTable] | None:
    """The operator's file of models, if there is to be one."""
    source = start.models_file
    if source.path is None:
        return None
    return FollowedFile(reactor, "PROXY_MODELS_FILE", source.read, ModelsError, start.models)


def _state_store(reactor: Any, start: Start) -> StateStore:
    """The memory that survives a restart, if there is a directory for it. Raises SettingsError."""
    if start.settings.state_dir is None:
        return StateStore(reactor, epoch, None)
    directory = Path(start.settings.state_dir)
    if startup.lies_in(directory, start.places.directory):
        raise SettingsError(
            f"PROXY_STATE_DIR: {directory} lies in the credential volume, which belongs to the desktop app: "
            "name a directory outside it"
        )
    return StateStore(reactor, epoch, directory)


def _webhook(
    reactor: Any,
    settings: Settings,
    remembered: StateStore,
    services: AccountServices,
    state: Callable[[], VolumeState],
) -> Webhook | None:
    """The sender of notices, if a URL is set."""
    if settings.webhook_url is None:
        return None
    notices = Notices(remembered, epoch)
    official = [upstream.pool for upstream in services.official.upstreams.values()]
    claim = services.shared.claim
    return Webhook(reactor, settings.webhook_url, notices, services.pool, official, lambda: state().error, claim)


def _keys_shown(file: ClientKeysFile | None, budgets: Budgets, settings: Settings, volume: Path) -> ClientKeys:
    """Clients' keys on the page. In read-only mode a file in the volume is not written."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else settings.host  # noqa: S104 - it is compared
    url = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    why_not = ""
    if file is not None and settings.read_only and startup.lies_in(file.path, volume):
        why_not = "READONLY_MODE is true, and the file of clients' keys lies in the data directory"
    return ClientKeys(file, budgets, epoch, url, why_not)
