"""The rest of each client key's limits: requests a minute, concurrent requests, expiry. No I/O."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection

from msgspec import Struct

from antigravity_proxy.errors import ClientLimited, Unauthorized
from antigravity_proxy.replicas.counts import Counts
from antigravity_proxy.telemetry.record import Record
from antigravity_proxy.web.budgets import Left, nobody
from antigravity_proxy.web.client_keys import ClientKey

_MINUTE = 60.0
#: seconds after which a client with too many concurrent requests may try again: the end of one is not known
_AGAIN = 2
#: moments of a minute that are distinguished; of more, those so close together (seconds) count as the later one
_MOMENTS, _CLOSE = 240, 0.25


class _Came(Struct):
    """Requests that came at one moment (monotonic seconds)."""

    at: float
    count: int


class RateLimits:
    """Counts by key name, so that a key whose limits change keeps its counts.

    ``seconds`` is the monotonic clock, ``epoch`` the wall clock. An observer of the ledger, for records with a
    key's name: one that closes is a request no longer under way.
    """

    def __init__(self, seconds: Callable[[], float], epoch: Callable[[], float]) -> None:
        self._seconds = seconds
        self._epoch = epoch
        self._came: dict[str, deque[_Came]] = {}
        self._under_way: dict[str, dict[int, int]] = {}  # by record: how many requests it makes of upstream
        #: whether requests are counted after their head, when other replicas have agreed
        self.counts_late = False
        #: what other replicas have counted of a key
        self.others: Callable[[str], Collection[Counts]] = nobody

    def take(self, key: ClientKey, record: Record, *, asks_model: bool) -> None:
        """A request of this key has come: counts it, unless that is left to ``add``.

        Raises Unauthorized if its time is over, ClientLimited if it is at a limit.
        """
        if key.has_expired(self._epoch()):
            raise Unauthorized("This API key has expired.")
        if not asks_model:
            return
        self.check(key, 1)
        if not self.counts_late:
            self.add(key, record, 1)

    def add(self, key: ClientKey, record: Record, count: int) -> None:
        """Counts further requests, which one of this key causes; ``check`` comes before."""
        under_way = self._under_way.setdefault(key.name, {})
        under_way[id(record)] = under_way.get(id(record), 0) + count
        self._note(key.name, count)

    def __call__(self, record: Record) -> None:
        """The request has ended."""
        if (under_way := self._under_way.get(record.key)) is not None:
            under_way.pop(id(record), None)

    def left(self, key: ClientKey) -> Left | None:
        """The key's remaining requests within this minute; None: they have no limit."""
        if key.requests_per_minute is None:
            return None
        recent = self._recent(key.name, self.others(key.name))
        rest = recent[0][0] + _MINUTE - self._seconds() if recent else 0.0
        count = sum(number for _, number in recent)
        return Left(key.requests_per_minute, max(0, key.requests_per_minute - count), rest)

    def under_way(self, name: str) -> int:
        """Requests of the key of that name that are under way here."""
        return sum(self._under_way.get(name, {}).values())

    def times(self, name: str) -> tuple[tuple[float, int], ...]:
        """When requests of the key of that name came here within the last minute, and how many; the oldest first."""
        return tuple(self._recent(name, ()))

    def check(self, key: ClientKey, count: int, others: Collection[Counts] = ()) -> None:
        """Whether further requests may come beside what others have counted. Raises ClientLimited."""
        under_way = self.under_way(key.name) + sum(each.under_way for each in others)
        if key.concurrent is not None and under_way + count > key.concurrent:
            words = f"This API key may have {key.concurrent} requests under way at a time; each choice counts."
            raise ClientLimited(words, retry_after=_AGAIN)
        limit, now = key.requests_per_minute, self._seconds()
        if limit is None:
            return
        recent, free_at = self._recent(key.name, others), now
        excess = sum(number for _, number in recent) + count - limit
        if excess <= 0:
            return
        for at, number in recent:
            free_at, excess = at, excess - number
            if excess <= 0:
                break
        words = f"This API key may send {limit} requests a minute; each choice counts."
        raise ClientLimited(words, retry_after=max(1, math.ceil(free_at + _MINUTE - now)))

    def _recent(self, name: str, others: Collection[Counts]) -> list[tuple[float, int]]:
        """When requests came within the last minute, and how many; the oldest first."""
        since, came = self._seconds() - _MINUTE, self._came.get(name, deque())
        while came and came[0].at <= since:
            came.popleft()
        found = [(each.at, each.count) for each in came]
        theirs = [pair for each in others for pair in each.times if pair[0] > since]
        return sorted(found + theirs) if theirs else found

    def _note(self, name: str, count: int) -> None:
        now, came = self._seconds(), self._came.setdefault(name, deque())
        while came and now - came[0].at >= _MINUTE:
            came.popleft()
        if came and (came[-1].at == now or (len(came) >= _MOMENTS and now - came[-1].at < _CLOSE)):
            came[-1].at, came[-1].count = now, came[-1].count + count
        else:
            came.append(_Came(now, count))
