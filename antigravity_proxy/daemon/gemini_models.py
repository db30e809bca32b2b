"""The Gemini API's offer to the keys: one credential of each quota group is polled, in the background."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.accounts.watcher import PoolWatcher
from antigravity_proxy.canonical.offers import Offers
from antigravity_proxy.canonical.offers import united as offered_by_any
from antigravity_proxy.upstream.account_methods import AccountMethodFailed
from antigravity_proxy.upstream.egress import Egresses
from antigravity_proxy.upstream.exchange import Unreachable
from antigravity_proxy.upstream.gemini_models import listed

log = Logger()

#: seconds from a start, or a new credential, to the first round; between two; and after one that a group failed in
FIRST, EVERY, AGAIN = 1.0, 6 * 3600.0, 600.0
#: a round is lengthened by up to this share
_JITTER = 0.1


class GeminiModels(PoolWatcher):
    """Polls in rounds, between ``start`` and ``stop``. ``tell`` is called with the joint offer when it changes."""

    def __init__(
        self,
        clock: Any,
        pool: Pool,
        egresses: Egresses,
        base: bytes,
        tell: Callable[[Offers], object],
        jitter: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._pool = pool
        pool.watch(self)
        self._egresses = egresses
        self._base = base
        self._tell = tell
        self._jitter = jitter
        self._running = False
        self._timer: IDelayedCall | None = None
        self._round: Deferred[None] | None = None
        self._found: dict[AccountState, Offers] = {}
        self._told = Offers()

    def start(self) -> None:
        """Begins in a moment, if there is anybody."""
        self._running = True
        if self._pool.states:
            self._in(FIRST)

    def stop(self) -> None:
        """Gives up what is under way."""
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._round is not None:
            self._round.cancel()

    def joined(self, state: AccountState) -> None:
        """A credential is new: a round comes soon."""
        if self._running:
            self._in(FIRST)

    def left(self, state: AccountState) -> None:
        """A credential is gone."""
        if self._found.pop(state, None) is not None:
            self._unite()

    def look(self) -> Deferred[None]:
        """A round now; fires at its end."""
        looking: Deferred[None] = Deferred.fromCoroutine(self._ask_all())
        return looking

    def _in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._clock.callLater(seconds, self._begin)

    def _begin(self) -> None:
        self._timer = None
        if self._round is None:
            self._round = self.look()
            self._round.addErrback(_failed)
            self._round.addBoth(self._ended)

    def _ended(self, _: object) -> None:
        self._round = None

    async def _ask_all(self) -> None:
        groups: set[int] = set()
        failed = False
        for state in tuple(self._pool.states):
            members = self._pool.groups.members(state)
            if id(members) in groups or not policy.in_use(state):
                continue
            groups.add(id(members))
            try:
                egress = self._egresses.of(state.credential)
                offers = await listed(self._clock, egress, self._base, state.access_token)
            except (AccountMethodFailed, Unreachable) as e:
                failed = True
                log.warn(
                    "credential {account}: its models could not be fetched: {why}", account=state.credential.id, why=e
                )
                continue
            ids = frozenset(offer.id for offer in offers.models)
            for each in members:
                each.offers(ids)
            self._found[state] = offers
        self._unite()
        if self._running:
            self._in((AGAIN if failed else EVERY) * (1 + _JITTER * self._jitter()))

    def _unite(self) -> None:
        offers = offered_by_any(set(self._found.values()))
        if offers != self._told:
            self._told = offers
            self._tell(offers)


def _failed(failure: Failure) -> None:
    if failure.check(CancelledError) is None:  # a stop gives it up
        log.failure("models could not be polled", failure)
