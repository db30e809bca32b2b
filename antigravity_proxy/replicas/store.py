"""The shared state of one volume's replicas: a cache in this process, which Redis keeps in step with the others'.

Everything that chooses an account looks into the cache alone. This process's changes are published in the background;
what others learn comes over the channel, and after every trouble both sides are brought together.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from antigravity_proxy.accounts.replication import Listener, Listeners, LookUp, Renewal
from antigravity_proxy.accounts.tokens import REFRESH_AHEAD
from antigravity_proxy.canonical.grant import IssuedToken, RefreshRejected
from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.replicas.connector import Connector
from antigravity_proxy.replicas.counts import SharedCounts
from antigravity_proxy.replicas.facts import Bar, Fact, Group, Project, Quotas, Token
from antigravity_proxy.replicas.leases import LOOK, Leases, Shared
from antigravity_proxy.replicas.link import Link
from antigravity_proxy.replicas.publisher import Publisher
from antigravity_proxy.replicas.responses import SharedResponses
from antigravity_proxy.replicas.signatures import SharedSignatures
from antigravity_proxy.replicas.state import ReplicaState, grant
from antigravity_proxy.replicas.status import NOT_YET
from antigravity_proxy.replicas.sync import Sync
from antigravity_proxy.replicas.vault import Vault
from antigravity_proxy.replicas.wire import Keys
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.resolve import SettingsError
from antigravity_proxy.settings.table import Settings
from antigravity_proxy.volume.reader import VolumeState

#: seconds that the volume and Redis have to be there
START_SECONDS = 3.0
#: seconds for which a look-up waits for them at the start: replicas that start together would each ask upstream
START_PATIENCE = 1.0
#: the words while there is no key to seal with
NO_KEY = "Nothing can be sealed: the volume's master key is not known, and ANTIGRAVITY_MASTER_KEY is not set"


class Sharing(Struct, frozen=True):
    """The state of sharing: ``trouble`` is the problem, empty: none; ``replicas`` are alive, this one among them.

    ``changes``: how often it has changed between well and not. ``untold``: changes that are not yet in Redis.
    """

    trouble: str
    replicas: int = 1
    changes: int = 0
    untold: int = 0


class _Parts:
    """Everything that belongs to one key, and so to one namespace in Redis."""

    def __init__(
        self,
        clock: IReactorTime,
        epoch: Callable[[], float],
        connector: Connector,
        listeners: Listeners,
        sender: str,
        vault: Vault,
        responses: int,
        fresh: Callable[[], object],
    ) -> None:
        self.link = link = Link(clock, connector, Keys(vault.namespace), sender)
        self.state = state = ReplicaState(vault, link.time, epoch, listeners, sender)
        self.publisher = publisher = Publisher(clock, link, state)
        self.sync = sync = Sync(clock, link, state, publisher.wake)
        self.leases = Leases(clock, link, state.outbox, publisher.wake, sender)
        self.signatures = SharedSignatures(link, state.keys, vault, state.outbox, publisher.wake)
        self.responses = SharedResponses(link, state.keys, vault, responses)
        self.counts = SharedCounts(link, state.keys, vault)

        def bring_together() -> None:
            sync.everything()
            fresh()

        link.on_fresh = bring_together
        link.on_lost = sync.stop
        link.on_message = lambda message: state.hear(message, clock.seconds())

    def end(self) -> Deferred[None]:
        """Publishes what is left, as far as that goes in a moment; fires when the connection is gone."""
        self.sync.stop()
        self.publisher.stop()
        return self.link.stop()


class Replicas(Service):
    """The store that a volume's replicas share; ``accounts.replication.SharedState`` says what its methods promise.

    Until the volume's master key is known, and while Redis is away, it serves this process alone. ``epoch`` is the wall
    clock in seconds; ``responses`` is how many bytes of stored responses this process may keep in Redis.
    """

    def __init__(
        self, reactor: Any, epoch: Callable[[], float], connector: Connector, responses: int = 64 << 20
    ) -> None:
        self._clock: IReactorTime = reactor
        self._responses = responses
        self._epoch = epoch
        self._connector = connector
        self._sender = secrets.token_hex(6)  # names this process among all
        self._listeners = Listeners()
        #: called when Redis may know other things than this process
        self.on_fresh: Callable[[], object] = lambda: None
        self._key: Secret | None = None
        self._has_no_key = False  # as far as anybody has said
        self._started = float("inf")
        self.parts = self._parts_with(secrets.token_bytes(32))

    def __repr__(self) -> str:
        return f"<Replicas: {self.sharing.trouble or 'shared'}, {self.sharing.replicas} alive>"

    def listen(self, listener: Listener, part: str = "") -> None:
        """Tells this listener of that part from now on."""
        self._listeners.add(listener, part)

    def use_key(self, key: Secret | None) -> None:
        """The volume's master key, in hex; None: it is not known (any more), and what is in force stays.

        Another key is another namespace: facts about accounts get there when somebody learns them again.
        """
        self._has_no_key = key is None and self._key is None
        if key is None or key == self._key:
            return
        before = self.parts
        before.end()
        self._key = key
        self.parts = self._parts_with(bytes.fromhex(key.reveal()))
        for account in before.state.cache.names:
            self.recall(account)
        if self.running:
            self.parts.link.start()

    def startService(self) -> None:
        """Connects as soon as there is a key."""
        super().startService()
        self._started = self._clock.seconds()
        if self._key is not None:
            self.parts.link.start()

    def stopService(self) -> Deferred[None]:
        """Tells what is left, as far as that goes in a moment, and ends the connection."""
        super().stopService()
        return self.parts.end()

    @property
    def sharing(self) -> Sharing:
        """The present state. A start counts as trouble only if it takes longer than a moment."""
        status = self.parts.link.status
        trouble = status.trouble if self._key else NO_KEY
        if trouble in (NOT_YET, NO_KEY) and self._clock.seconds() - self._started < START_SECONDS:
            trouble = ""  # a start takes a moment
        return Sharing(trouble, max(self.parts.link.replicas, 1), status.changes, len(self.parts.state.outbox))

    @property
    def signatures(self) -> SharedSignatures:
        """Thought signatures; another key has others."""
        return self.parts.signatures

    @property
    def responses(self) -> SharedResponses:
        """Stored responses; another key has others."""
        return self.parts.responses

    @property
    def counts(self) -> SharedCounts:
        """What was counted of clients' keys; another key has others."""
        return self.parts.counts

    async def _begun(self) -> None:
        """Waits for the start to end, as long as there is patience: for the key, and for Redis' first word."""
        deadline = self._clock.seconds() + START_PATIENCE
        while self.running and self._clock.seconds() < deadline:
            link = self.parts.link
            if self._has_no_key or (self._key is not None and link.status.trouble != NOT_YET):
                return
            await deferLater(self._clock, LOOK)

    def _parts_with(self, key: bytes) -> _Parts:
        vault = Vault(key)
        return _Parts(
            self._clock,
            self._epoch,
            self._connector,
            self._listeners,
            self._sender,
            vault,
            self._responses,
            lambda: self.on_fresh(),
        )

    def recall(self, account: str) -> None:
        """An account has joined, or its row has changed."""
        if self.parts.state.recall(account, self._clock.seconds()):
            self.parts.sync.joined(self.parts.state.name(account))

    def cooled(self, account: str, key: str, seconds: float, marks: int) -> None:
        """This process sets an account aside."""
        self.parts.state.cool(account, key, seconds, marks, self._clock.seconds())
        self.parts.publisher.wake()

    def barred(self, account: str, sign_in: str, reason: str) -> None:
        """This process takes an account out of use."""
        self._learn(account, Bar(sign_in, reason))

    def grouped(self, account: str, sign_in: str, project: str) -> None:
        """Upstream has reported the project of an account."""
        self._learn(account, Group(sign_in, project))

    def forgiven(self, account: str) -> None:
        """Somebody takes an account back into use."""
        self.parts.state.forgive(account, self._clock.seconds())
        self.parts.publisher.wake()

    def observed(self, account: str, figures: Mapping[str, ModelQuota]) -> None:
        """Upstream has reported an account's quotas."""
        self._learn(account, Quotas({model: (each.remaining, each.resets_at) for model, each in figures.items()}))

    def account_of(self, session: bytes, now: float) -> str | None:
        """The account that a session is bound to."""
        account = self.parts.state.account_of(session, now)
        if self.parts.state.outbox:
            self.parts.publisher.wake()
        return account

    def bind(self, session: bytes, account: str, now: float) -> None:
        """Binds a session to an account."""
        self.parts.state.bind(session, account, now)
        self.parts.publisher.wake()

    async def renew(self, account: str, current: Secret, ask: Renewal) -> IssuedToken:
        """A token other than ``current``, asked for once by all."""
        await self._begun()
        name = self.parts.state.name(account)
        bar = self._fact(name, Bar.kind)

        def fits(fact: Fact | None) -> IssuedToken | None:
            if not isinstance(fact, Token) or fact.expires_at - self._epoch() < REFRESH_AHEAD:
                return None
            return None if fact.access_token == current.reveal() else grant(fact)

        def known() -> IssuedToken | None:
            new_bar = self._fact(name, Bar.kind)
            if isinstance(new_bar, Bar) and new_bar != bar:
                raise RefreshRejected("dead", new_bar.reason)
            return fits(self._fact(name, Token.kind))

        async def do() -> IssuedToken:
            granted = await ask()
            self._learn(account, Token(granted.access_token.reveal(), granted.expires_at))
            return granted

        return await self.parts.leases.once(self._work(name, Token.kind, fits, known), do)

    async def project(self, account: str, refused: str | None, ask: LookUp) -> str | None:
        """A project other than the ``refused``, looked up once by all."""
        await self._begun()
        name = self.parts.state.name(account)

        def fits(fact: Fact | None) -> Project | None:
            return fact if isinstance(fact, Project) and fact.project != refused else None

        async def do() -> Project:
            found = Project(await ask() or "")
            self._learn(account, found)
            return found

        work = self._work(name, Project.kind, fits, lambda: fits(self._fact(name, Project.kind)))
        return (await self.parts.leases.once(work, do)).project or None

    async def claim(self, work: str, account: str, seconds: float) -> bool:
        """Whether this process shall do a piece of periodic work now."""
        await self._begun()
        return await self.parts.leases.claim(self.parts.state.keys.lease(work, self.parts.state.name(account)), seconds)

    def _fact(self, name: str, kind: str) -> Fact | None:
        return self.parts.state.fact(name, kind, self._clock.seconds())

    def _learn(self, account: str, fact: Fact) -> None:
        self.parts.state.learn(account, fact, self._clock.seconds())
        self.parts.publisher.wake()

    def _work(self, name: str, kind: str, fits: Callable[[Fact | None], Any], known: Callable[[], Any]) -> Shared[Any]:
        def read(sealed: bytes) -> Any:
            return fits(self.parts.state.opened(name, kind, sealed))

        keys = self.parts.state.keys
        return Shared(keys.lease(kind, name), keys.fact(kind, name), read, known)


def sealing_key(state: VolumeState, settings: Settings) -> Secret | None:
    """The key that all replicas of a volume seal with: its master key, or that of the settings where it has none."""
    return state.key or settings.master_key


def configured(reactor: Any, epoch: Callable[[], float], settings: Settings) -> Replicas | None:
    """The store that the settings describe; None: this process shares with no other. Raises SettingsError."""
    connector = connector_of(reactor, settings)
    return None if connector is None else Replicas(reactor, epoch, connector, settings.responses_store)


def connector_of(reactor: Any, settings: Settings) -> Connector | None:
    """The connector to the Redis of the settings; None: they name none. Raises SettingsError."""
    if settings.redis_url is None:
        return None
    try:
        return Connector(reactor, settings.redis_url)
    except OSError as e:
        where, what = f"REDIS_URL ({settings.sources['redis_url']})", e.filename or "a TLS file"
        raise SettingsError(f"{where}: {what} can't be used: {e.strerror or e}") from None
