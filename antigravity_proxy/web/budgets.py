"""The tokens that each client's own key has used today and this month, and those reserved (contract.md 11)."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec
from msgspec import Struct, field

from antigravity_proxy.errors import ClientLimited
from antigravity_proxy.replicas.counts import Counts
from antigravity_proxy.state.store import StateStore
from antigravity_proxy.telemetry.record import Record
from antigravity_proxy.web.client_keys import ClientKey

#: the kind of the facts that outlast a restart, and the days for which one is remembered unused
_KIND, _REMEMBERED = "budget", 70
#: the kind and name of the fact that says by which name this directory's daemons count
_ORIGIN = "budget origin", "own"
_DAY = 86_400
#: days and months that are remembered of a key: a clock that is set back finds what it had counted
_DAYS, _MONTHS = 4, 3
#: seconds after which a client may try again whose tokens are only reserved: the end of a request is not known
_AGAIN = 2


class Left(NamedTuple):
    """A budget: its limit, what is left of it, and the seconds until it begins again."""

    limit: int
    remaining: int
    seconds: float


class _Spent(Struct):
    """Tokens by day (since 1970) and by month (of the year 0), the last touched last."""

    days: dict[int, int] = field(default_factory=dict)
    months: dict[int, int] = field(default_factory=dict)

    def add(self, day: int, month: int, tokens: int) -> None:
        for counts, span, most in ((self.days, day, _DAYS), (self.months, month, _MONTHS)):
            counts[span] = counts.pop(span, 0) + tokens
            while len(counts) > most:
                del counts[next(iter(counts))]

    def merge(self, days: Mapping[int, int], months: Mapping[int, int]) -> None:
        """What the same one has counted, as somebody else knows: what is more is newer."""
        for mine, theirs, most in ((self.days, days, _DAYS), (self.months, months, _MONTHS)):
            for span, tokens in theirs.items():
                mine[span] = max(tokens, mine.get(span, 0))
            for span in sorted(mine)[:-most]:
                del mine[span]


class _Calendar(NamedTuple):
    """A day, its month, and when (epoch seconds) the day began, it ends, and the month ends."""

    day: int
    month: int
    day_began: float
    day_ends: float
    month_ends: float


def _calendar(epoch: float) -> _Calendar:
    moment = datetime.fromtimestamp(epoch, UTC)
    first = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = (first + timedelta(days=32)).replace(day=1)
    day = int(epoch // _DAY)
    month = moment.year * 12 + moment.month - 1
    return _Calendar(day, month, day * _DAY, (day + 1) * _DAY, following.timestamp())


def nobody(key: str) -> Collection[Counts]:
    """There are no other replicas."""
    return ()


class Budgets:
    """By key name, so that a key whose budget changes keeps what it has used. ``epoch``: the wall clock in seconds.

    An observer of the ledger, for records with a key's name: what a request was reserved becomes what it used when its
    record closes. What was used is
    kept apart by who has counted it, its origin: so the same figures may come from the directory and from replicas.
    """

    def __init__(self, store: StateStore, epoch: Callable[[], float]) -> None:
        self._store = store
        self._epoch = epoch
        self.origin = secrets.token_hex(6)  # of what is counted here
        self._mine = {self.origin}  # and before, in the same directory
        self._spent: dict[str, dict[str, _Spent]] = {}
        self._reserved: dict[str, dict[int, int]] = {}  # tokens by record
        self._is_loaded = False
        self._today = _calendar(epoch())
        #: what other replicas have counted of a key
        self.others: Callable[[str], Collection[Counts]] = nobody
        store.on_loaded(self._load)

    def reserve(self, key: ClientKey, record: Record, tokens: int) -> None:
        """Takes ``tokens``, the estimate of a request's input, out of the key's budgets; ``check`` comes before."""
        if key.has_budget:
            reserved = self._reserved.setdefault(key.name, {})
            reserved[id(record)] = reserved.get(id(record), 0) + tokens

    def check(self, key: ClientKey, tokens: int, others: Collection[Counts] = ()) -> None:
        """Whether the budgets have ``tokens`` left beside what others have reserved. Raises ClientLimited."""
        under_way = self.reserved(key.name) + sum(each.reserved for each in others)
        for limit, used, seconds, words in self._budgets(key):
            if used + tokens > limit or used >= limit:
                raise ClientLimited(
                    f"This API key may use {limit:,} tokens a {words} (UTC), and has used {used:,}; this request has "
                    f"about {tokens:,}.",
                    retry_after=max(1, math.ceil(seconds)),
                )
            if used + under_way + tokens > limit:
                raise ClientLimited(
                    f"This API key may use {limit:,} tokens a {words} (UTC); what is under way may need the rest.",
                    retry_after=_AGAIN,
                )

    def __call__(self, record: Record) -> None:
        """The request has ended: it has used what it has used."""
        name = record.key
        if (reserved := self._reserved.get(name)) is not None:
            reserved.pop(id(record), None)
        if tokens := record.tokens_in + record.tokens_out:
            day, month, _, _ = self._now()
            self._of(name, self.origin).add(day, month, tokens)
            self._keep(name)

    def left(self, key: ClientKey) -> Left | None:
        """The tightest of the key's budgets, with what is under way taken off; None: it has none."""
        under_way = self.reserved(key.name) + sum(each.reserved for each in self.others(key.name))
        found = [Left(limit, max(0, limit - used - under_way), rest) for limit, used, rest, _ in self._budgets(key)]
        return min(found, key=lambda each: each.remaining, default=None)

    def used(self, name: str) -> tuple[int, int]:
        """Tokens that the key of that name has used today, and this month."""
        day, month, _, _ = self._now()
        every = self._spent.get(name, {}).values()
        return sum(each.days.get(day, 0) for each in every), sum(each.months.get(month, 0) for each in every)

    def reserved(self, name: str) -> int:
        """Tokens of the key of that name that are reserved here."""
        return sum(self._reserved.get(name, {}).values())

    def names(self) -> list[str]:
        """The keys of which anything is known."""
        return list(self._spent)

    def spent(self, name: str) -> dict[str, Counts]:
        """The tokens that the key of that name used, by who counted them. Others' of long ago are forgotten."""
        _, month, _, _ = self._now()
        every = self._spent.get(name, {})
        old = [origin for origin, each in every.items() if max(each.months, default=0) <= month - _MONTHS]
        for origin in old:
            if origin not in self._mine:
                del every[origin]
        return {origin: Counts(each.days, each.months) for origin, each in every.items()}

    def merge(self, name: str, found: Mapping[str, Counts]) -> None:
        """What replicas have counted of the key of that name."""
        for origin, counts in found.items():
            if counts.months:
                self._of(name, origin).merge(counts.days, counts.months)

    def _of(self, name: str, origin: str) -> _Spent:
        return self._spent.setdefault(name, {}).setdefault(origin, _Spent())

    def _budgets(self, key: ClientKey) -> list[tuple[int, int, float, str]]:
        """Limit, use, seconds until it begins again, and what it is called; the longer first."""
        _, _, day_left, month_left = self._now()
        today, this_month = self.used(key.name)
        found = []
        if key.tokens_per_month is not None:
            found.append((key.tokens_per_month, this_month, month_left, "month"))
        if key.tokens_per_day is not None:
            found.append((key.tokens_per_day, today, day_left, "day"))
        return found

    def _now(self) -> tuple[int, int, float, float]:
        """Day, month, and the seconds that are left of each."""
        epoch, today = self._epoch(), self._today
        if not today.day_began <= epoch < today.day_ends:
            today = self._today = _calendar(epoch)
        return today.day, today.month, today.day_ends - epoch, today.month_ends - epoch

    def _keep(self, name: str) -> None:
        if self._is_loaded:  # else it would block the directory's content
            mine = {origin: each for origin, each in self._spent[name].items() if origin in self._mine}
            if mine:
                value = msgspec.json.encode(mine).decode()
                self._store.put(_KIND, name, value, self._epoch() + _REMEMBERED * _DAY)

    def _load(self) -> None:
        """The tokens used before this daemon: they come with the directory, which may be late."""
        if self._is_loaded:
            return
        self._is_loaded = True
        origin = self._store.get(*_ORIGIN)
        if origin is not None and not self._spent:  # else this process has begun to count by its own name
            self.origin = origin
            self._mine = {origin}
        elif origin is None:
            self._store.put(*_ORIGIN, self.origin)
        for name, fact in self._store.of(_KIND).items():
            try:
                before = msgspec.json.decode(fact.value or "", type=dict[str, _Spent])
            except (msgspec.MsgspecError, RecursionError):
                continue
            for each, spent in before.items():
                self._mine.add(each)
                self._of(name, each).merge(spent.days, spent.months)
        for name in self._spent:
            self._keep(name)
