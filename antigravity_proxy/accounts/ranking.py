"""The accounts in the order in which they serve one model, kept sorted incrementally. Pure.

A scan of 10,000 accounts for every request would cost more than the rest of the request. So each model has a sorted
list; an account is moved when something changes. A change that makes an account worse (a lease, a token that ends)
moves it only when it comes to the front: its place is never worse than it deserves. A change that makes it better (a
lease that ends, a new token, a new row) is reported by ``touch``; an improvement by time alone has a timer.

A model's first request doesn't wait for its whole order: of very many accounts each choice takes in some more.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Iterable
from typing import Generic, TypeVar

from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.policy import Eligibility, Moment, Rank
from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.accounts.state import AccountState

K = TypeVar("K", Rank, float)

#: accounts that one choice wakes at most, while it finds one without waking more: thousands may cool to the same second
_WAKE_AT_ONCE = 8
#: accounts that one choice takes in at most, while it finds one among them: about a millisecond
TAKE_IN_AT_ONCE = 250
#: smaller than the rank of any account that has to renew its token first
_TOKENLESS: Rank = (policy.TOKENLESS, *(float("-inf"),) * 4)  # type: ignore[assignment]


class Sorted(Generic[K]):
    """Accounts by a key, the smallest first; among equals by serial. Moving a pointer is cheap, even past thousands."""

    __slots__ = ("_keys", "entries")

    def __init__(self) -> None:
        self._keys: dict[AccountState, K] = {}
        #: key, serial and account, in order; only ``put`` changes them
        self.entries: list[tuple[K, int, AccountState]] = []

    def key(self, state: AccountState) -> K | None:
        """The account's key; None: it isn't here."""
        return self._keys.get(state)

    def at_least(self, key: K) -> AccountState | None:
        """The first account whose key is not smaller."""
        i = bisect_left(self.entries, (key,))
        return self.entries[i][2] if i < len(self.entries) else None

    def up_to(self, key: K) -> int:
        """How many keys are not greater."""
        return bisect_right(self.entries, (key, float("inf")))

    def put(self, state: AccountState, key: K | None) -> None:
        """Moves the account to its new key; None takes it out."""
        known = self._keys.get(state)
        if known == key:
            return
        if known is not None:
            del self.entries[bisect_left(self.entries, (known, state.serial))]
            del self._keys[state]
        if key is not None:
            insort(self.entries, (key, state.serial, state))
            self._keys[state] = key


class Ranking:
    """All accounts, ranked for one model. ``busy``: those that are only at the limit of their leases."""

    __slots__ = ("_cooling", "_newcomers", "_ready", "_rules", "_waking", "busy", "model")

    def __init__(self, model: str, states: Iterable[AccountState], rules: Rules, now: Moment) -> None:
        self.model = model
        self._rules = rules
        self._ready: Sorted[Rank] = Sorted()
        self._cooling: Sorted[float] = Sorted()
        self._waking: Sorted[float] = Sorted()
        self._newcomers = dict.fromkeys(states)
        self.busy: set[AccountState] = set()
        self._take_in(now, TAKE_IN_AT_ONCE)

    def first(self, now: Moment, tried: Collection[AccountState] = ()) -> AccountState | None:
        """The account to lease next, other than those ``tried``; None if there is none now."""
        if self._waking.entries:
            self._wake(now, _WAKE_AT_ONCE)
        if self._newcomers:
            self._take_in(now, TAKE_IN_AT_ONCE)
        found = self._first(now, tried)
        if found is None and (self._wake(now, len(self._waking.entries)) or self._newcomers):
            self._take_in(now, len(self._newcomers))
            found = self._first(now, tried)
        return found

    def _first(self, now: Moment, tried: Collection[AccountState]) -> AccountState | None:
        ready, i = self._ready.entries, 0
        while i < len(ready):
            rank, _, state = ready[i]
            if state in tried:
                i += 1
            elif self.touch(state, now).rank == rank:
                return state
        return None

    def first_free(self, now: Moment) -> float | None:
        """When the first account in cooldown becomes available (monotonic seconds); None: there is none.

        Flagged accounts don't count: time alone does not bring them back.
        """
        self._take_in(now, len(self._newcomers))
        while self._cooling.entries:
            until, _, state = self._cooling.entries[0]
            self.touch(state, now)
            if self._cooling.key(state) == until:
                return until
        return None

    def counts(self, now: Moment) -> tuple[int, int]:
        """How many can serve, busy or not, and how many cool; as far as they have been put in order."""
        free_again = self._cooling.up_to(now.monotonic)
        return len(self._ready.entries) + free_again + len(self.busy), len(self._cooling.entries) - free_again

    def first_tokenless(self) -> AccountState | None:
        """The account to use next once it has a new token; None: all that can serve have one, as far as is known."""
        entries = self._ready.entries
        if not entries or entries[-1][0][0] < policy.TOKENLESS:  # mostly: not even the last is that far back
            return None
        return self._ready.at_least(_TOKENLESS)

    def touch(self, state: AccountState, now: Moment) -> Eligibility:
        """Something about the account may have changed: puts it where it belongs now."""
        self._newcomers.pop(state, None)
        if state.ranked_with < state.in_flight:
            state.ranked_with = state.in_flight
        found = policy.eligibility(state, self.model, self._rules, now)
        self._ready.put(state, found.rank)
        self._cooling.put(state, found.cools or None)
        self._waking.put(state, found.retry_at if found.retry_at != float("inf") else None)
        if found.busy:
            self.busy.add(state)
        else:
            self.busy.discard(state)
        return found

    def released(self, state: AccountState, now: Moment) -> None:
        """One lease fewer: moves the account if it is too far back for that."""
        rank = self._ready.key(state)
        if state in self.busy or (rank is not None and rank[policy.IN_FLIGHT] > state.in_flight):
            self.touch(state, now)

    def leave(self, state: AccountState) -> None:
        """The account is gone."""
        self._newcomers.pop(state, None)
        self._ready.put(state, None)
        self._cooling.put(state, None)
        self._waking.put(state, None)
        self.busy.discard(state)

    def _take_in(self, now: Moment, at_most: int) -> None:
        """Puts accounts into the order that are not in it yet."""
        for _ in range(min(at_most, len(self._newcomers))):
            self.touch(next(reversed(self._newcomers)), now)

    def _wake(self, now: Moment, at_most: int) -> bool:
        """Looks again at accounts that time may have bettered; says whether there were any."""
        woken = 0
        waking = self._waking.entries
        while woken < at_most and waking and waking[0][0] <= now.monotonic:
            self.touch(waking[0][2], now)
            woken += 1
        return woken > 0
