"""What replicas share: cooldowns, sessions, fresh tokens. The one seam behind which a shared store may stand.

A store that lies elsewhere keeps a mirror here: what this process says is written behind, what others say arrives by
``Listener``. So nothing that chooses an account ever waits for it. Only a renewal may, since it waits anyway.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred

from antigravity_proxy.codeassist.oauth import Grant

#: conversations whose account is remembered; the longest unused are forgotten first
MAX_SESSIONS = 20_000
#: seconds for which an unused one is remembered: upstream's prompt caches don't live longer
SESSION_SECONDS = 3600.0

Renewal = Callable[[], Coroutine[Deferred[Any], Any, Grant]]


class Listener(Protocol):
    """Who is told what other replicas learnt; accounts by their id, ``seconds`` from now."""

    def on_cooled(self, account: str, key: str, seconds: float, flagged: bool) -> None:
        """An account is set aside for one model, or for all (``state.ALL_MODELS``)."""
        ...

    def on_renewed(self, account: str, grant: Grant) -> None:
        """An account has a new token."""
        ...

    def on_forgiven(self, account: str) -> None:
        """Nothing sets an account aside any more: somebody said so."""
        ...


class SharedState(Protocol):
    """A store. All but ``renew`` return at once, whatever happens elsewhere; ``now`` is in monotonic seconds."""

    def listen(self, listener: Listener) -> None:
        """Tells this listener from now on."""
        ...

    def cooled(self, account: str, key: str, seconds: float, flagged: bool) -> None:
        """This process sets an account aside."""
        ...

    def forgiven(self, account: str) -> None:
        """Somebody has this process take an account back into use."""
        ...

    def account_of(self, session: bytes, now: float) -> str | None:
        """The account that a session is bound to; asking keeps the binding alive."""
        ...

    def bind(self, session: bytes, account: str, now: float) -> None:
        """Binds a session to an account, whatever it was bound to."""
        ...

    async def renew(self, account: str, ask: Renewal) -> Grant:
        """A new token: what ``ask`` brings, or what another replica has just been given. Raises what ``ask`` does."""
        ...


class _Binding(Struct):
    account: str
    until: float


class LocalState:
    """The store of a process that shares with nobody: it remembers sessions, and passes on the rest."""

    def __init__(self, max_sessions: int = MAX_SESSIONS, seconds: float = SESSION_SECONDS) -> None:
        self._max = max_sessions
        self._seconds = seconds
        self._sessions: OrderedDict[bytes, _Binding] = OrderedDict()  # the longest unused first

    def listen(self, listener: Listener) -> None:
        """Nobody else says anything."""

    def cooled(self, account: str, key: str, seconds: float, flagged: bool) -> None:
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

    async def renew(self, account: str, ask: Renewal) -> Grant:
        """Asks."""
        return await ask()

    def __len__(self) -> int:
        """How many sessions are remembered."""
        return len(self._sessions)
