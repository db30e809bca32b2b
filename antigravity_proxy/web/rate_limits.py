"""The rest of each client key's limits: requests a minute, concurrent requests, expiry. No I/O."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

from antigravity_proxy.errors import ClientLimited, Unauthorized
from antigravity_proxy.telemetry.record import Record
from antigravity_proxy.web.budgets import Left
from antigravity_proxy.web.client_keys import ClientKey

_MINUTE = 60.0
#: seconds after which a client with too many concurrent requests may try again: the end of one is not known
_AGAIN = 2


class RateLimits:
    """Counts by key name, so that a key whose limits change keeps its counts.

    ``seconds`` is the monotonic clock, ``epoch`` the wall clock. An observer of the ledger: a record that closes is a
    request no longer under way.
    """

    def __init__(self, seconds: Callable[[], float], epoch: Callable[[], float]) -> None:
        self._seconds = seconds
        self._epoch = epoch
        self._times: dict[str, deque[float]] = {}
        self._under_way: dict[str, dict[int, int]] = {}  # by record: how many requests it makes of upstream

    def take(self, key: ClientKey, record: Record, *, asks_model: bool) -> None:
        """Counts a request of this key. Raises Unauthorized if its time is over, ClientLimited if it is at a limit."""
        if key.has_expired(self._epoch()):
            raise Unauthorized("This API key has expired.")
        if not asks_model:
            return
        self._count(key, record, 1)

    def add(self, key: ClientKey, record: Record, more: int) -> None:
        """Counts ``more`` requests: those that this one causes besides itself. Raises ClientLimited."""
        if more > 0:
            self._count(key, record, more)

    def __call__(self, record: Record) -> None:
        """The request has ended."""
        if record.key and (under_way := self._under_way.get(record.key)) is not None:
            under_way.pop(id(record), None)

    def left(self, key: ClientKey) -> Left | None:
        """The key's remaining requests within this minute; None: they have no limit."""
        if key.requests_per_minute is None:
            return None
        now, times = self._seconds(), self._times.get(key.name, ())
        recent = [each for each in times if now - each < _MINUTE]
        rest = recent[0] + _MINUTE - now if recent else 0.0
        return Left(key.requests_per_minute, max(0, key.requests_per_minute - len(recent)), rest)

    def _count(self, key: ClientKey, record: Record, count: int) -> None:
        under_way = self._under_way.setdefault(key.name, {})
        if key.concurrent is not None and sum(under_way.values()) + count > key.concurrent:
            words = f"This API key may have {key.concurrent} requests under way at a time; each choice counts."
            raise ClientLimited(words, retry_after=_AGAIN)
        if key.requests_per_minute is not None:
            self._note(key.name, key.requests_per_minute, count)
        under_way[id(record)] = under_way.get(id(record), 0) + count

    def _note(self, name: str, limit: int, count: int) -> None:
        now, times = self._seconds(), self._times.setdefault(name, deque())
        while times and now - times[0] >= _MINUTE:
            times.popleft()
        if len(times) + count > limit:
            oldest = times[min(len(times), len(times) + count - limit) - 1] if times else now
            words = f"This API key may send {limit} requests a minute; each choice counts."
            raise ClientLimited(words, retry_after=max(1, math.ceil(oldest + _MINUTE - now)))
        times.extend([now] * count)
