"""A replica's state: its cache, its outbox, the effects of other replicas' messages, and its listeners. Does no I/O.

``now`` is in monotonic seconds of this process.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from msgspec.structs import replace

from antigravity_proxy.accounts.replication import Listeners
from antigravity_proxy.canonical.grant import IssuedToken
from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.replicas import facts, wire
from antigravity_proxy.replicas.cache import MAX_COOLING, Cache, Cooling
from antigravity_proxy.replicas.facts import Bar, Fact, Group, Quotas, Token
from antigravity_proxy.replicas.outbox import Batch, Outbox
from antigravity_proxy.replicas.sessions import Sessions
from antigravity_proxy.replicas.vault import Vault
from antigravity_proxy.replicas.wire import Keys, Message, RedisTime
from antigravity_proxy.secret import Secret

#: seconds of the longest cooldown: upstream states none that is longer (upstream.md 6.3)
MAX_SECONDS = 8 * 86_400.0
#: seconds after which a message counts for nothing: none is under way for that long
STALE = 30.0


class ReplicaState:
    """Of one volume. ``epoch`` is the wall clock in seconds, which tokens end by; ``sender`` names this process."""

    def __init__(
        self, vault: Vault, time: RedisTime, epoch: Callable[[], float], listeners: Listeners, sender: str
    ) -> None:
        self._vault = vault
        self._time = time
        self._epoch = epoch
        self._sender = sender
        self._listeners = listeners
        self.keys = Keys(vault.namespace)
        self.cache = Cache()
        self.sessions = Sessions()
        self.outbox = Outbox()
        self._forgiven: dict[str, int] = {}  # when accounts were last taken back into use, in Redis' milliseconds

    def name(self, account: str) -> str:
        """The account's name in Redis."""
        return self.cache.names.get(account) or self._vault.account(account)

    def recall(self, account: str, now: float) -> bool:
        """Tells the listener what is known of an account; says whether the account is new here.

        Of one that is not, what a changed row may have made true: quotas and projects it knows, or better.
        """
        cache = self.cache
        is_new = account not in cache.names
        name = self.name(account)
        cache.join(account, name)
        for cooling in cache.cooling_of(name, now):
            self._tell_of_cooling(account, cooling, now)
        for fact in cache.facts_of(name, now):
            if is_new or isinstance(fact, Bar | Token | Group):
                self._tell_listener(account, fact)
        return is_new

    # what this process learns

    def cool(self, account: str, model: str, seconds: float, marks: int, now: float) -> None:
        """Sets an account aside."""
        cooling = Cooling(self.name(account), model, now + seconds, marks)
        if self.cache.cool(cooling, now):
            self.outbox.cool(cooling)

    def forgive(self, account: str, now: float) -> None:
        """Takes an account back into use."""
        name = self.name(account)
        self._forgiven[name] = self._time.theirs(now)
        self.outbox.forgive(name, self.cache.forgive(name))

    def learn(self, account: str, fact: Fact, now: float) -> None:
        """Takes a fact."""
        name = self.name(account)
        if self.cache.hold(name, fact, now + facts.life(fact, self._epoch()), now):
            self.outbox.tell(name, fact.kind)

    def bind(self, session: bytes, account: str, now: float) -> None:
        """Binds a session to an account."""
        self._bind(self._vault.session(session), self.name(account), now)

    def account_of(self, session: bytes, now: float) -> str | None:
        """The account that a session is bound to, if it is here; looking keeps the binding alive."""
        name = self._vault.session(session)
        found = self.sessions.find(name, now)
        if found is None:
            return None
        account, fresh = found
        if not fresh:
            self._bind(name, account, now)
        return self.cache.identities.get(account)

    def fact(self, name: str, kind: str, now: float) -> Fact | None:
        """The known facts about an account, by its name in Redis."""
        held = self.cache.held(name, kind, now)
        return None if held is None else held.fact

    def commands(self, batch: Batch, now: float) -> list[wire.Command]:
        """The commands that publish a batch."""
        vault = self._vault
        return wire.commands(
            batch, self.keys, self._time, now, self._sender, partial(self._sealed, now), vault.signed, vault.proof
        )

    def read_cooldowns(self, pairs: object) -> list[Cooling]:
        """The cooldowns in a page of Redis'."""
        return wire.read_cooldowns(pairs, self._time, self._vault.proof)

    def read_sessions(self, pairs: list[bytes]) -> dict[bytes, str]:
        """Sessions and their accounts in a page of Redis'."""
        return wire.read_sessions(pairs, self._vault.proof)

    # what others have learnt

    def hear(self, data: bytes, now: float) -> None:
        """Takes what came over the channel."""
        plain = self._vault.verified(data)
        message = None if plain is None else wire.read_message(plain)
        if message is None or abs(message.sent_at - self._time.theirs(now)) > STALE * 1000:
            return  # not of this volume's replicas, or an old one sent again
        if message.sessions:  # our own too: the last message is right, for every replica
            self.sessions.merge(message.sessions, message.accounts, now)
        if message.sender != self._sender:
            self._hear_of_accounts(message, now)

    def take_cooling(self, cooling: Cooling, now: float) -> None:
        """Takes a cooldown; none is longer than what upstream can state."""
        if not now < cooling.until:
            return
        cooling = replace(cooling, until=min(cooling.until, now + MAX_SECONDS))
        account = self.cache.identities.get(cooling.account)
        if self.cache.cool(cooling, now) and account is not None:
            self._tell_of_cooling(account, cooling, now)

    def take_fact(self, name: str, kind: str, sealed: bytes, now: float) -> None:
        """Takes a fact; one of an account that is not here, or that this volume's key does not open, is ignored."""
        account, fact = self.cache.identities.get(name), self.opened(name, kind, sealed)
        if account is None or fact is None:
            return
        if self.cache.hold(name, fact, now + facts.life(fact, self._epoch()), now):
            self._tell_listener(account, fact)

    def opened(self, name: str, kind: str, sealed: bytes) -> Fact | None:
        """The fact in sealed bytes."""
        account = self.cache.identities.get(name)
        plain = None if account is None else self._vault.open(account, kind, sealed)
        fact = None if plain is None else facts.decode(plain)
        return fact if fact is not None and fact.kind == kind else None

    def _hear_of_accounts(self, message: Message, now: float) -> None:
        for name in message.forgiven:
            self._forgiven[name] = max(message.sent_at, self._forgiven.get(name, 0))
            self.cache.forgive(name)
            account = self.cache.identities.get(name)
            if account is not None:
                listener, called = self._listeners.of(account)
                listener.on_forgiven(called)
        for name, model, until, marks in message.cooling:
            if self._is_forgiven(name, message):
                continue
            self.take_cooling(Cooling(name, model, self._time.ours(until), marks), now)
        for kind, name, sealed in message.facts:
            if kind != Bar.kind or not self._is_forgiven(name, message):
                self.take_fact(name, kind, sealed, now)
        if len(self._forgiven) > MAX_COOLING:
            self._forgiven.clear()

    def _is_forgiven(self, name: str, message: Message) -> bool:
        """Whether somebody took the account back into use after the message was sent."""
        return message.sent_at < self._forgiven.get(name, 0)

    def _bind(self, session: bytes, name: str, now: float) -> None:
        self.sessions.bind(session, name, now)
        self.outbox.bind(session, name)

    def _sealed(self, now: float, name: str, kind: str) -> tuple[bytes, float] | None:
        held, account = self.cache.held(name, kind, now), self.cache.identities.get(name)
        if held is None or account is None:
            return None
        return self._vault.seal(account, kind, facts.encode(held.fact)), held.until - now

    def _tell_of_cooling(self, account: str, cooling: Cooling, now: float) -> None:
        listener, account = self._listeners.of(account)
        listener.on_cooled(account, cooling.model, cooling.until - now, cooling.marks)

    def _tell_listener(self, account: str, fact: Fact) -> None:
        listener, account = self._listeners.of(account)
        if isinstance(fact, Token):
            listener.on_renewed(account, grant(fact))
        elif isinstance(fact, Bar):
            listener.on_barred(account, fact.sign_in, fact.reason)
        elif isinstance(fact, Group):
            listener.on_grouped(account, fact.sign_in, fact.project)
        elif isinstance(fact, Quotas):
            listener.on_observed(account, {model: ModelQuota(*each) for model, each in fact.figures.items()})
        elif fact.project:
            listener.on_project(account, fact.project)


def grant(token: Token) -> IssuedToken:
    """A shared token as upstream's grant."""
    return IssuedToken(Secret(token.access_token), token.expires_at)
