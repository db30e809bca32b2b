"""Keeps what sets accounts aside over restarts: cooldowns, strikes, bars, used-up quotas (contract.md 10)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from antigravity_proxy.accounts.replication import Listener, Listeners, LookUp, Renewal, SharedState
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.canonical.grant import IssuedToken
from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.canonical.verdict import Cause
from antigravity_proxy.secret import Secret
from antigravity_proxy.state.store import StateStore

#: the kinds of facts here
_COOLED, _BARRED, _QUOTAS = "cooled", "barred", "quotas"
#: between an account's id and a cooldown's key, in a fact's name
_SEPARATOR = "\n"
#: seconds for which strikes are remembered after their cooldown, and a bar: a daemon that starts later asks once
_STRIKES_SECONDS, _BAR_SECONDS = 3600.0, 30 * 86_400.0
#: no cooldown is longer, whatever a clock says: upstream states none that is (upstream.md 6.3)
_LONGEST = 8 * 86_400.0


class _Cooled(Struct, array_like=True):
    until: float
    marks: int
    strikes: dict[str, int] = {}


class _Barred(Struct, array_like=True):
    sign_in: str
    reason: str


class Remembering:
    """A store of what replicas share, which also remembers by itself. ``epoch``: the wall clock in seconds.

    ``find`` gives an account by what it is called here (`Part`); set it before the directory is read.
    """

    def __init__(self, shared: SharedState, store: StateStore, epoch: Callable[[], float]) -> None:
        self._shared = shared
        self._store = store
        self._epoch = epoch
        #: as SharedState's, which each request asks
        self.account_of: Callable[[bytes, float], str | None] = shared.account_of
        self._listeners = Listeners()
        self._names: dict[str, set[str]] = {}  # of facts on cooldowns, by account
        self._recalled: set[str] = set()
        self.find: Callable[[str], AccountState | None] = lambda account: None
        store.on_loaded(self._loaded)

    def listen(self, listener: Listener, part: str = "") -> None:
        """As SharedState's."""
        self._listeners.add(listener, part)
        prefix = f"{part}/" if part else ""
        self._shared.listen(_Forgiving(listener, lambda account: self._forget(prefix + account)), part)

    def recall(self, account: str) -> None:
        """As SharedState's; what this process knew before its last end comes first."""
        self._recalled.add(account)
        self._recall(account)
        self._shared.recall(account)

    def cooled(self, account: str, key: str, seconds: float, marks: int) -> None:
        """As SharedState's."""
        state, until = self.find(account), self._epoch() + seconds
        strikes = {} if state is None else {cause.value: n for (of, cause), n in state.strikes.items() if of == key}
        name = f"{account}{_SEPARATOR}{key}"
        self._put(_COOLED, name, _Cooled(until, marks, strikes), until + _STRIKES_SECONDS)
        self._names.setdefault(account, set()).add(name)
        self._shared.cooled(account, key, seconds, marks)

    def barred(self, account: str, sign_in: str, reason: str) -> None:
        """As SharedState's."""
        self._put(_BARRED, account, _Barred(sign_in, reason), self._epoch() + _BAR_SECONDS)
        self._shared.barred(account, sign_in, reason)

    def grouped(self, account: str, sign_in: str, project: str) -> None:
        """As SharedState's."""
        self._shared.grouped(account, sign_in, project)

    def forgiven(self, account: str) -> None:
        """As SharedState's."""
        self._forget(account)
        self._shared.forgiven(account)

    def observed(self, account: str, figures: Mapping[str, ModelQuota]) -> None:
        """As SharedState's."""
        now = self._epoch()
        known = {} if (state := self.find(account)) is None else state.quota
        told = {
            model: (quota.remaining, quota.resets_at)
            for model, quota in {**known, **figures}.items()
            if quota.resets_at is not None and quota.resets_at > now
        }
        if told:
            self._put(_QUOTAS, account, told, max(resets_at or 0.0 for _, resets_at in told.values()))
        else:
            self._store.remove(_QUOTAS, account)
        self._shared.observed(account, figures)

    def bind(self, session: bytes, account: str, now: float) -> None:
        """As SharedState's."""
        self._shared.bind(session, account, now)

    async def renew(self, account: str, current: Secret, ask: Renewal) -> IssuedToken:
        """As SharedState's."""
        return await self._shared.renew(account, current, ask)

    async def project(self, account: str, refused: str | None, ask: LookUp) -> str | None:
        """As SharedState's."""
        return await self._shared.project(account, refused, ask)

    async def claim(self, work: str, account: str, seconds: float) -> bool:
        """As SharedState's."""
        return await self._shared.claim(work, account, seconds)

    def _put(self, kind: str, name: str, value: Any, until: float) -> None:
        text = msgspec.json.encode(value).decode()
        try:
            self._store.put(kind, name, text, until)
        except ValueError:  # an id or a name that is not of our form: it is known until the end of this process
            return

    def _forget(self, account: str) -> None:
        for name in self._names.pop(account, set()):
            self._store.remove(_COOLED, name)
        self._store.remove(_BARRED, account)

    def _loaded(self) -> None:
        """Facts have come from the directory, at the start or late."""
        self._names = {}
        for name in self._store.of(_COOLED):
            self._names.setdefault(name.partition(_SEPARATOR)[0], set()).add(name)
        for account in self._recalled:
            self._recall(account)

    def _recall(self, account: str) -> None:
        now, state = self._epoch(), self.find(account)
        listener, called = self._listeners.of(account)
        for name in tuple(self._names.get(account, ())):
            cooled = self._read(_COOLED, name, _Cooled)
            if cooled is None:
                self._names[account].discard(name)
                continue
            key = name.partition(_SEPARATOR)[2]
            if cooled.until > now:
                listener.on_cooled(called, key, min(cooled.until - now, _LONGEST), cooled.marks)
            for cause, count in cooled.strikes.items():
                if state is not None and cause in _CAUSES:
                    state.strikes.setdefault((key, _CAUSES[cause]), count)
        barred = self._read(_BARRED, account, _Barred)
        if barred is not None:
            listener.on_barred(called, barred.sign_in, barred.reason)
        quotas = self._read(_QUOTAS, account, dict[str, tuple[float, float | None]])
        if quotas:
            listener.on_observed(called, {model: ModelQuota(*each) for model, each in quotas.items()})

    def _read(self, kind: str, name: str, form: Any) -> Any:
        """The fact, if it is there and one of ours."""
        text = self._store.get(kind, name)
        if text is None:
            return None
        try:
            return msgspec.json.decode(text, type=form)
        except (msgspec.MsgspecError, RecursionError):
            return None


_CAUSES = {cause.value: cause for cause in Cause}


class _Forgiving:
    """Passes on what other replicas say; an account that they take back into use is not set aside at the next start."""

    def __init__(self, listener: Listener, forget: Callable[[str], None]) -> None:
        self._listener = listener
        self._forget = forget

    def on_forgiven(self, account: str) -> None:
        """As Listener's."""
        self._forget(account)
        self._listener.on_forgiven(account)

    def on_cooled(self, account: str, key: str, seconds: float, marks: int) -> None:
        """As Listener's."""
        self._listener.on_cooled(account, key, seconds, marks)

    def on_renewed(self, account: str, grant: IssuedToken) -> None:
        """As Listener's."""
        self._listener.on_renewed(account, grant)

    def on_barred(self, account: str, sign_in: str, reason: str) -> None:
        """As Listener's."""
        self._listener.on_barred(account, sign_in, reason)

    def on_grouped(self, account: str, sign_in: str, project: str) -> None:
        """As Listener's."""
        self._listener.on_grouped(account, sign_in, project)

    def on_observed(self, account: str, figures: Mapping[str, ModelQuota]) -> None:
        """As Listener's."""
        self._listener.on_observed(account, figures)

    def on_project(self, account: str, project: str) -> None:
        """As Listener's."""
        self._listener.on_project(account, project)
