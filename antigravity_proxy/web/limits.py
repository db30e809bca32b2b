"""The limits of clients' keys: what decides whether a request goes on, and what replicas tell each other of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress

from msgspec.structs import replace
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from antigravity_proxy.errors import ClientLimited
from antigravity_proxy.replicas.counts import Claim, Counts, Known
from antigravity_proxy.replicas.store import Replicas
from antigravity_proxy.telemetry.record import Ledger, Record
from antigravity_proxy.web.budgets import Budgets
from antigravity_proxy.web.client_keys import ClientKey
from antigravity_proxy.web.rate_limits import RateLimits

log = Logger()

#: seconds for which others count this process's requests, and after which they are published again
LEASE = 10.0
KEEP_UP = 3.0
#: seconds after which the others are told of a key without limits; of one with limits it is at once
_LEISURE = 1.0


class Limits(Service):
    """Admits requests of clients' keys, as far as this process has counted."""

    def __init__(self, rate_limits: RateLimits, budgets: Budgets) -> None:
        self._rate_limits = rate_limits
        self._budgets = budgets

    async def admit(self, key: ClientKey, record: Record, count: int, tokens: int | None) -> None:
        """Counts ``count`` requests of a key and reserves ``tokens``; None: its budgets don't matter.

        Raises ClientLimited.
        """
        self._count(key, record, count - 1, tokens, ())  # one was counted by its head

    def _check(self, key: ClientKey, count: int, tokens: int | None, others: Collection[Counts]) -> None:
        if count:
            self._rate_limits.check(key, count, others)
        if tokens is not None:
            self._budgets.check(key, tokens, others)

    def _count(
        self, key: ClientKey, record: Record, count: int, tokens: int | None, others: Collection[Counts]
    ) -> None:
        self._check(key, count, tokens, others)
        if count:
            self._rate_limits.add(key, record, count)
        if tokens is not None:
            self._budgets.reserve(key, record, tokens)


class SharedLimits(Limits):
    """Has the limits hold for all replicas together: each request of a limited key asks Redis once, for a moment.
    Without an answer this process' own counts are all.

    An observer of the ledger, after those that count: what a request has used is told when its record closes.
    """

    def __init__(
        self, clock: IReactorTime, replicas: Replicas, rate_limits: RateLimits, budgets: Budgets, ledger: Ledger
    ) -> None:
        super().__init__(rate_limits, budgets)
        self._clock = clock
        self._replicas = replicas
        self._others: dict[str, tuple[Counts, ...]] = {}
        self._limited: set[str] = set()  # keys whose limits were asked for
        self._claims = 0
        self._settled = 0
        self._changed: set[str] = set()
        self._flush: IDelayedCall | None = None
        self._keeping: IDelayedCall | None = None
        #: the round in which all is told, while it goes on
        self.telling: Deferred[None] | None = None
        rate_limits.counts_late = True
        rate_limits.others = budgets.others = self.heard
        replicas.on_fresh = self._tell_everything
        ledger.observe(self, keys_only=True)

    async def admit(self, key: ClientKey, record: Record, count: int, tokens: int | None) -> None:
        """As Limits'."""
        self._check(key, count, tokens, ())  # what this process alone refuses needs no question
        if not key.is_counted:
            self._count(key, record, count, tokens, ())
            return
        self._limited.add(key.name)
        self._claims += 1
        number, origin, shared = self._claims, self._budgets.origin, self._replicas.counts
        claim = shared.claim(key.name, self._clock.seconds(), origin, number, count, tokens or 0)
        gone = [claim.sealed]
        try:
            known = await shared.exchange(key.name, origin, self._own(key.name), claim)
            others: list[Counts] = []
            if known is not None:
                gone += known.stale
                self._take(key.name, known)
                others = self._before(key, known)
            self._count(key, record, count, tokens, others)
        finally:  # also where the client has left
            self._settled = max(self._settled, number)
            shared.settle(key.name, origin, self._own(key.name), gone)
        self._keep_up()

    def __call__(self, record: Record) -> None:
        """The request, of a key with a name, has ended."""
        self._tell_of(record.key)

    def stopService(self) -> None:
        """Tells what is left, and nothing more."""
        super().stopService()
        if self._keeping is not None:
            self._keeping.cancel()
            self._keeping = None
        self._tell()

    def _before(self, key: ClientKey, known: Known) -> list[Counts]:
        """What others have counted before a claim of ours, and will: their claims are decided as ours is."""
        others = self.heard(key.name)
        for claim in known.ahead:
            with suppress(ClientLimited):
                self._check(key, claim.count, claim.tokens, others)
                others.append(_admitted(claim))
        return others

    def heard(self, key: str) -> list[Counts]:
        """What other replicas have counted of a key, as this one heard last."""
        now = self._clock.seconds()
        every = self._others.get(key, ())
        return [each if each.until > now else replace(each, under_way=0, reserved=0) for each in every]

    def _take(self, name: str, known: Known) -> None:
        """Takes what all have counted of a key; what Redis has lost of it is told again."""
        self._budgets.merge(name, known.counts)
        own = self._budgets.origin
        self._others[name] = tuple(counts for origin, counts in known.counts.items() if origin != own)
        spent = self._budgets.spent(name)
        lost = {origin: counts for origin, counts in spent.items() if origin not in known.counts}
        if lost:
            self._replicas.counts.restore(name, lost)

    def _own(self, name: str) -> Counts:
        under_way, reserved = self._rate_limits.under_way(name), self._budgets.reserved(name)
        spent = self._budgets.spent(name).get(self._budgets.origin, Counts())
        until = self._clock.seconds() + LEASE if under_way or reserved else 0.0
        times = self._rate_limits.times(name)
        return Counts(spent.days, spent.months, times, under_way, reserved, until, self._settled)

    def _tell_everything(self) -> None:
        """Redis may have lost what this process knows, or the other way round."""
        if self.telling is None:
            self.telling = Deferred.fromCoroutine(self._exchange_all({*self._budgets.names(), *self._limited}))
            self.telling.addErrback(lambda failure: log.failure("counts could not be told", failure))
            self.telling.addCallback(self._all_told)

    async def _exchange_all(self, names: Iterable[str]) -> None:
        for name in names:
            known = await self._replicas.counts.exchange(name, self._budgets.origin, self._own(name))
            if known is None:
                return
            self._take(name, known)

    def _all_told(self, _: None) -> None:
        self.telling = None

    def _tell_of(self, name: str) -> None:
        """Something has changed."""
        self._changed.add(name)
        if name in self._limited:
            self._tell()
        elif self._flush is None and self.running:
            self._flush = self._clock.callLater(_LEISURE, self._tell)

    def _tell(self) -> None:
        if self._flush is not None and self._flush.active():
            self._flush.cancel()
        self._flush = None
        changed, self._changed = self._changed, set()
        for name in changed:
            self._replicas.counts.settle(name, self._budgets.origin, self._own(name), ())

    def _keep_up(self) -> None:
        """While something is under way, others hear of it again and again."""
        if self._keeping is None and self.running:
            self._keeping = self._clock.callLater(KEEP_UP, self._kept_up)

    def _kept_up(self) -> None:
        self._keeping = None
        busy = [name for name in self._limited if self._rate_limits.under_way(name) or self._budgets.reserved(name)]
        for name in busy:
            self._tell_of(name)
        if busy:
            self._keep_up()


def enforced(
    clock: IReactorTime, replicas: Replicas | None, rate_limits: RateLimits, budgets: Budgets, ledger: Ledger
) -> Limits:
    """The limits of this process, or of all replicas."""
    if replicas is None:
        return Limits(rate_limits, budgets)
    return SharedLimits(clock, replicas, rate_limits, budgets, ledger)


def _admitted(claim: Claim) -> Counts:
    """What a claim counts for, once it is served."""
    return Counts({}, {}, ((claim.at, claim.count),), claim.count, claim.tokens)
