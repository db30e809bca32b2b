"""What each client's own key still may: requests a minute, requests under way, its time. No I/O."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

from antigravity_proxy.errors import ClientLimited, Unauthorized
from antigravity_proxy.telemetry.record import Record
from antigravity_proxy.web.client_keys import ClientKey

_MINUTE = 60.0
#: seconds after which a client with too many requests under way may look again: nobody knows when one ends
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
        self._under_way: dict[str, set[int]] = {}

    def take(self, key: ClientKey, record: Record, *, asks_model: bool) -> None:
        """Counts a request of this key. Raises Unauthorized if its time is over, ClientLimited if it is at a limit."""
        if key.has_expired(self._epoch()):
            raise Unauthorized("This API key has expired.")
        if not asks_model:
            return
        under_way = self._under_way.setdefault(key.name, set())
        if key.concurrent is not None and len(under_way) >= key.concurrent:
            words = f"This API key may have {key.concurrent} requests under way at a time."
            raise ClientLimited(words, retry_after=_AGAIN)
        if key.requests_per_minute is not None:
            self._count(key.name, key.requests_per_minute)
        under_way.add(id(record))

    def __call__(self, record: Record) -> None:
        """The request has ended."""
        if record.key and (under_way := self._under_way.get(record.key)) is not None:
            under_way.discard(id(record))

    def _count(self, name: str, limit: int) -> None:
        now, times = self._seconds(), self._times.setdefault(name, deque())
        while times and now - times[0] >= _MINUTE:
            times.popleft()
        if len(times) >= limit:
            wait = max(1, math.ceil(times[-limit] + _MINUTE - now))
            raise ClientLimited(f"This API key may send {limit} requests a minute.", retry_after=wait)
        times.append(now)
