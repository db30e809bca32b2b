"""How all accounts are doing, counted a slice at a time: of very many no look may hold up a request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.singleflight import SingleFlight
from antigravity_proxy.accounts.slices import Slices
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.admin.accounts import KINDS, Kind, kind_of

#: accounts that are looked at in one turn of the reactor: about a millisecond
_AT_ONCE = 250


class Counted(Struct, frozen=True):
    """All accounts in the pool's order, and by kind."""

    accounts: Sequence[AccountState] = ()
    kinds: Mapping[Kind, Sequence[AccountState]] = {}


class Census:
    """Counts a pool's accounts by how they are doing."""

    def __init__(self, pool: Pool, slices: Slices) -> None:
        self._pool = pool
        self._slices = slices
        self._flights: SingleFlight[None] = SingleFlight()
        self._counted = Counted()

    async def now(self) -> Counted:
        """The accounts as they are now; who asks while a count is under way gets its outcome."""
        await self._flights.do(self, lambda: self._slices.run(self._counting()))
        return self._counted

    def stop(self) -> None:
        """Gives up what is under way."""
        self._flights.cancel()

    def _counting(self) -> Iterator[None]:
        kinds: dict[Kind, list[AccountState]] = {kind: [] for kind in KINDS}
        rules, now = self._pool.rules, self._pool.now()
        states = tuple(self._pool.states)
        for number, state in enumerate(states, 1):
            kinds[kind_of(state, rules, now)].append(state)
            if number % _AT_ONCE == 0:
                yield
        self._counted = Counted(states, kinds)
