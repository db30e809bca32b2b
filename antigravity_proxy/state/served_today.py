"""How many requests of the UTC day each official credential has served: a restart begins no new day."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from antigravity_proxy.accounts.policy import DAY, served_today
from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.accounts.watcher import PoolWatcher
from antigravity_proxy.state.store import StateStore

_KIND = "served"


class _Served(Struct, array_like=True, forbid_unknown_fields=True):
    day: int
    count: int


class ServedToday(PoolWatcher):
    """A part of what the state directory writes; gives the credentials of ``pools`` back what it knows of them."""

    def __init__(self, store: StateStore, pools: Iterable[Pool]) -> None:
        self._store = store
        self._pools = tuple(pools)
        store.add(self)
        store.on_loaded(self._loaded)
        for pool in self._pools:
            pool.watch(self)

    def joined(self, state: AccountState) -> None:
        """As PoolWatcher's."""
        text = self._store.get(_KIND, state.credential.id)
        try:
            served = None if text is None else msgspec.json.decode(text, type=_Served)
        except (msgspec.MsgspecError, RecursionError):
            return
        if served is None or served.day < state.served_on:
            return
        state.served_today = max(served.count, state.served_today if served.day == state.served_on else 0)
        state.served_on = served.day

    def take(self) -> None:
        """As Part's: what has been counted today becomes facts, which are written with all others."""
        for pool in self._pools:
            now = pool.now()
            for state in pool.states:
                if served_today(state, now):
                    value = msgspec.json.encode(_Served(state.served_on, state.served_today)).decode()
                    self._store.put(_KIND, state.credential.id, value, (state.served_on + 1) * DAY)

    def put_back(self) -> None:
        """As Part's; never called, since ``take`` hands over nothing."""

    def written(self) -> None:
        """As Part's; never called."""

    def _loaded(self) -> None:
        for pool in self._pools:
            for state in pool.states:
                self.joined(state)
