"""The state that replicas share: cooldowns, groups, sessions, tokens, quotas, look-ups. A shared store implements this
interface.

A store that lies elsewhere keeps a mirror here: what this process says is written behind, what others say arrives by
``Listener``. So nothing that chooses an account ever waits for it. Only who looks something up may, since it waits
anyway.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import lru_cache
from typing import Any, Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred

from antigravity_proxy.accounts.groups import WHOLE_UPSTREAM, Groups
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.accounts.terms import ALL_ACCOUNTS, TermsRest
from antigravity_proxy.canonical.grant import IssuedToken
from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.secret import Secret

#: conversations whose account is remembered; the longest unused are forgotten first
MAX_SESSIONS = 20_000
#: seconds for which an unused one is remembered: upstream's prompt caches don't live longer
SESSION_SECONDS = 3600.0

Renewal = Callable[[], Coroutine[Deferred[Any], Any, IssuedToken]]
LookUp = Callable[[], Awaitable[str | None]]


@lru_cache(maxsize=1024)  # of names that are short (`dialect.session`): each turn of a conversation asks for its own
def session_key(name: str, model: str) -> bytes:
    """A conversation's key for ``model``: upstream's prompt caches are one for each model."""
    return hashlib.blake2b(f"{model}\0{name}".encode("utf-8", "replace"), digest_size=16).digest()


class Listener(Protocol):
    """Receives what other replicas learnt; accounts by their id, ``seconds`` from now."""

    def on_cooled(self, account: str, key: str, seconds: float, marks: int) -> None:
        """An account is set aside for one model, or for all (``state.ALL_MODELS``), with `Cooldown.marks`."""
        ...

    def on_renewed(self, account: str, grant: IssuedToken) -> None:
        """An account has a new token."""
        ...

    def on_barred(self, account: str, sign_in: str, reason: str) -> None:
        """An account is out of use as long as its row holds this sign-in (``state.AccountState.sign_in``)."""
        ...

    def on_grouped(self, account: str, sign_in: str, project: str) -> None:
        """An account with this sign-in belongs to a project of Google's, whose quotas all share who belong to it."""
        ...

    def on_forgiven(self, account: str) -> None:
        """Nothing sets an account aside any more: somebody said so."""
        ...

    def on_observed(self, account: str, figures: Mapping[str, ModelQuota]) -> None:
        """Upstream says this of an account's quotas, by model."""
        ...

    def on_project(self, account: str, project: str) -> None:
        """An account's project was looked up."""
        ...


class Unheard:
    """A listener that takes no notice: before there is a pool that does."""

    def on_cooled(self, account: str, key: str, seconds: float, marks: int) -> None:
        """Takes no notice."""

    def on_renewed(self, account: str, grant: IssuedToken) -> None:
        """Takes no notice."""

    def on_barred(self, account: str, sign_in: str, reason: str) -> None:
        """Takes no notice."""

    def on_grouped(self, account: str, sign_in: str, project: str) -> None:
        """Takes no notice."""

    def on_forgiven(self, account: str) -> None:
        """Takes no notice."""

    def on_observed(self, account: str, figures: Mapping[str, ModelQuota]) -> None:
        """Takes no notice."""

    def on_project(self, account: str, project: str) -> None:
        """Takes no notice."""


class Listeners:
    """The listeners by account: those of a part of the store call them ``part/name`` there (`Part`)."""

    def __init__(self) -> None:
        self._parts: dict[str, Listener] = {}
        self._other: Listener = Unheard()

    def add(self, listener: Listener, part: str = "") -> None:
        """Tells this one of that part from now on; empty: of all that is of none."""
        if part:
            self._parts[part] = listener
        else:
            self._other = listener

    def of(self, account: str) -> tuple[Listener, str]:
        """The listener for an account, and the account's name there."""
        part, slash, name = account.partition("/")
        listener = self._parts.get(part) if slash else None
        return (self._other, account) if listener is None else (listener, name)


class SharedState(Protocol):
    """A store.

    Functions that are not async return at once, whatever happens elsewhere; ``now`` is in monotonic seconds.
    """

    def listen(self, listener: Listener, part: str = "") -> None:
        """Tells this listener of that part from now on (`Listeners`)."""
        ...

    def recall(self, account: str) -> None:
        """An account has joined, or its row has changed: passes on to the listener what other replicas know of it."""
        ...

    def cooled(self, account: str, key: str, seconds: float, marks: int) -> None:
        """This process sets an account aside."""
        ...

    def barred(self, account: str, sign_in: str, reason: str) -> None:
        """This process takes an account out of use until its row holds another sign-in."""
        ...

    def grouped(self, account: str, sign_in: str, project: str) -> None:
        """Upstream has reported the project of an account with this sign-in."""
        ...

    def forgiven(self, account: str) -> None:
        """Somebody has this process take an account back into use."""
        ...

    def observed(self, account: str, figures: Mapping[str, ModelQuota]) -> None:
        """Upstream has reported an account's quotas, by model."""
        ...

    def account_of(self, session: bytes, now: float) -> str | None:
        """The account that a session is bound to; asking keeps the binding alive."""
        ...

    def bind(self, session: bytes, account: str, now: float) -> None:
        """Binds a session to an account, whatever it was bound to."""
        ...

    async def renew(self, account: str, current: Secret, ask: Renewal) -> IssuedToken:
        """A token other than ``current``: what ``ask`` brings, or what another replica was given. Raises as ``ask``."""
        ...

    async def project(self, account: str, refused: str | None, ask: LookUp) -> str | None:
        """A project other than the ``refused``: what ``ask`` brings, here or at another replica. Raises as ``ask``."""
        ...

    async def claim(self, work: str, account: str, seconds: float) -> bool:
        """Whether this process shall do a piece of work on an account now, which one of all does every ``seconds``."""
        ...


class _Binding(Struct):
    account: str
    until: float


class LocalState:
    """The store of a process that shares with no other: it remembers sessions, and passes on the rest."""

    def __init__(self, max_sessions: int = MAX_SESSIONS, seconds: float = SESSION_SECONDS) -> None:
        self._max = max_sessions
        self._seconds = seconds
        self._sessions: OrderedDict[bytes, _Binding] = OrderedDict()  # the longest unused first

    def listen(self, listener: Listener, part: str = "") -> None:
        """Nobody else says anything."""

    def recall(self, account: str) -> None:
        """Nobody else knows anything."""

    def cooled(self, account: str, key: str, seconds: float, marks: int) -> None:
        """Nobody else wants to know."""

    def barred(self, account: str, sign_in: str, reason: str) -> None:
        """Nobody else wants to know."""

    def grouped(self, account: str, sign_in: str, project: str) -> None:
        """Nobody else wants to know."""

    def observed(self, account: str, figures: Mapping[str, ModelQuota]) -> None:
        """Nobody else wants to know."""

    def forgiven(self, account: str) -> None:
        """Nobody else wants to know."""

    def account_of(self, session: bytes, now: float) -> str | None:
        """As SharedState's."""
        binding = self._sessions.get(session)
        if binding is None or binding.until <= now:
            return None
        binding.until = now + self._seconds
        self._sessions.move_to_end(session)
        return binding.account

    def bind(self, session: bytes, account: str, now: float) -> None:
        """As SharedState's."""
        sessions = self._sessions
        sessions[session] = _Binding(account, now + self._seconds)
        sessions.move_to_end(session)
        while len(sessions) > self._max or next(iter(sessions.values())).until <= now:
            sessions.popitem(last=False)

    async def renew(self, account: str, current: Secret, ask: Renewal) -> IssuedToken:
        """Asks."""
        return await ask()

    async def project(self, account: str, refused: str | None, ask: LookUp) -> str | None:
        """Asks."""
        return await ask()

    async def claim(self, work: str, account: str, seconds: float) -> bool:
        """No other process can do it."""
        return True

    def __len__(self) -> int:
        """How many sessions are remembered."""
        return len(self._sessions)


class Part:
    """A part of a store for what may be called as something else is: one upstream's credentials.

    Callers give sessions keys that can't collide.
    """

    def __init__(self, shared: SharedState, name: str) -> None:
        self._shared = shared
        self._name = name
        self._prefix = f"{name}/"

    def listen(self, listener: Listener, part: str = "") -> None:
        """As SharedState's: of this part, which has none of its own."""
        self._shared.listen(listener, self._name)

    def recall(self, account: str) -> None:
        """As SharedState's."""
        self._shared.recall(self._prefix + account)

    def cooled(self, account: str, key: str, seconds: float, marks: int) -> None:
        """As SharedState's."""
        self._shared.cooled(self._prefix + account, key, seconds, marks)

    def barred(self, account: str, sign_in: str, reason: str) -> None:
        """As SharedState's."""
        self._shared.barred(self._prefix + account, sign_in, reason)

    def grouped(self, account: str, sign_in: str, project: str) -> None:
        """As SharedState's."""
        self._shared.grouped(self._prefix + account, sign_in, project)

    def forgiven(self, account: str) -> None:
        """As SharedState's."""
        self._shared.forgiven(self._prefix + account)

    def observed(self, account: str, figures: Mapping[str, ModelQuota]) -> None:
        """As SharedState's."""
        self._shared.observed(self._prefix + account, figures)

    def account_of(self, session: bytes, now: float) -> str | None:
        """As SharedState's."""
        account = self._shared.account_of(session, now)
        return account.removeprefix(self._prefix) if account and account.startswith(self._prefix) else None

    def bind(self, session: bytes, account: str, now: float) -> None:
        """As SharedState's."""
        self._shared.bind(session, self._prefix + account, now)

    async def renew(self, account: str, current: Secret, ask: Renewal) -> IssuedToken:
        """As SharedState's."""
        return await self._shared.renew(self._prefix + account, current, ask)

    async def project(self, account: str, refused: str | None, ask: LookUp) -> str | None:
        """As SharedState's."""
        return await self._shared.project(self._prefix + account, refused, ask)

    async def claim(self, work: str, account: str, seconds: float) -> bool:
        """As SharedState's."""
        return await self._shared.claim(work, self._prefix + account, seconds)


class ReplicaEvents:
    """Implements ``shared.Listener`` over the accounts that are here; news of others is passed over.

    ``set_aside`` sets an account aside, for a model's key, for ``seconds`` from now, with `Cooldown.marks`;
    ``leave_alone`` does that with a model of the whole upstream. ``rest`` is that of all accounts.
    """

    def __init__(
        self,
        states: Mapping[str, AccountState],
        set_aside: Callable[[AccountState, str, float, int], object],
        leave_alone: Callable[[str, float, int], object],
        groups: Groups,
        rest: TermsRest,
    ) -> None:
        self._states = states
        self._rest = rest
        self._set_aside = set_aside
        self._leave_alone = leave_alone
        self._groups = groups

    def on_forgiven(self, account: str) -> None:
        """At another replica somebody takes an account back into use."""
        if account == ALL_ACCOUNTS:
            self._rest.heard_end()
        state = self._states.get(account)
        if state is not None:
            state.forgive()

    def on_cooled(self, account: str, key: str, seconds: float, marks: int) -> None:
        """Another replica has set an account aside, or leaves a model of the upstream alone."""
        if account == WHOLE_UPSTREAM:
            self._leave_alone(key, seconds, marks)
        state = self._states.get(account)
        if state is not None:
            self._set_aside(state, key, seconds, marks)

    def on_renewed(self, account: str, grant: IssuedToken) -> None:
        """Another replica has a new token."""
        state = self._states.get(account)
        if state is not None and grant.expires_at > state.expires_at and grant.access_token != state.refused:
            state.renewed(grant)

    def on_barred(self, account: str, sign_in: str, reason: str) -> None:
        """Another replica takes an account out of use."""
        if account == ALL_ACCOUNTS:
            self._rest.heard(reason)
        state = self._states.get(account)
        if state is not None and state.sign_in == sign_in:
            state.bar(reason)

    def on_grouped(self, account: str, sign_in: str, project: str) -> None:
        """Another replica has learnt an account's project."""
        state = self._states.get(account)
        if state is not None and state.sign_in == sign_in:
            self._groups.belongs(state, project)

    def on_observed(self, account: str, figures: Mapping[str, ModelQuota]) -> None:
        """Another replica has learnt an account's quotas."""
        state = self._states.get(account)
        if state is not None:
            state.observed(figures)

    def on_project(self, account: str, project: str) -> None:
        """Another replica has looked up a project."""
        state = self._states.get(account)
        if state is not None and state.project is None and project != state.project_refused:
            state.project = project
