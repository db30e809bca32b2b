"""Asks upstream now and then what each account is offered and has left; requests never wait for it (upstream.md 3.4).

One account after the other, however many there are. A failed poll is repeated later, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from heapq import heappop, heappush
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.replication import LocalState, SharedState
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.accounts.watcher import PoolWatcher
from antigravity_proxy.canonical.offers import Available, Offers, united

log = Logger()

#: seconds between two looks at an account while requests come, and while none do
EVERY, IDLE_EVERY = 300.0, 3600.0
#: an account whose quota is used up is looked at again soon, but not more often than that
SOON = 60.0
#: seconds that an account without a live token waits for one
TOKENLESS = 15.0
#: these are lengthened or shortened by up to this share, so that accounts don't stay in step
JITTER = 0.1
#: seconds from the start to the first look, and between the beginnings of two; looks that are under way at a time
FIRST, PAUSE, AT_ONCE = 2.0, 0.2, 4
#: accounts that one turn of the reactor passes over
_PASSED_AT_ONCE = 200

Ask = Callable[[AccountState], Awaitable[Available]]


class _Plan(Struct, gc=False):
    """When an account is looked at next, and was last (monotonic seconds); failures in a row since.

    ``seen``: when this process itself last learnt what it is offered. ``wanted``: something has happened since.
    """

    due: float
    asked: float = float("-inf")
    seen: float = float("-inf")
    failures: int = 0
    wanted: bool = False


class _Kind(Struct, eq=False):
    """The offer that many accounts have in common, and its id."""

    offers: Offers
    ids: frozenset[str] | None
    accounts: int = 0


class QuotaPoll(PoolWatcher):
    """Polls the accounts of a pool between ``start`` and ``stop``, and reports their quotas to it.

    ``ask`` calls ``fetchAvailableModels`` for an account; ``tell`` is called with the joint offer whenever that
    has changed. ``jitter`` gives a number from 0 to 1. Of several replicas one polls, and shares quotas by
    ``shared``; what an account is offered each finds out for itself, at first and then by the hour.
    """

    def __init__(
        self,
        clock: IReactorTime,
        pool: Pool,
        ask: Ask,
        tell: Callable[[Offers], object],
        jitter: Callable[[], float],
        shared: SharedState | None = None,
    ) -> None:
        self._clock = clock
        self._pool = pool
        pool.watch(self)
        self._ask = ask
        self._tell = tell
        self._jitter = jitter
        self._shared = LocalState() if shared is None else shared
        self._plans: dict[AccountState, _Plan] = {}
        self._due: list[tuple[float, int, AccountState]] = []  # a heap; entries that no plan agrees with are void
        self._looks: set[Deferred[None]] = set()
        self._running = False
        self._not_before = 0.0  # the next look
        self._timer: IDelayedCall | None = None
        self._kinds: dict[Offers, _Kind] = {}
        self._offered: dict[AccountState, _Kind] = {}

    def start(self) -> None:
        """Begins in a moment."""
        self._running = True
        self._not_before = self._clock.seconds() + FIRST
        self._arm()

    def stop(self) -> None:
        """Ends all looks."""
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for look in tuple(self._looks):
            look.cancel()

    def joined(self, state: AccountState) -> None:
        """An account has joined the pool: it is looked at in its turn."""
        self._plans[state] = _Plan(0.0)
        self._put(state, self._clock.seconds())

    def left(self, state: AccountState) -> None:
        """An account has left the pool."""
        if self._plans.pop(state, None) is not None:
            self._note(state, None)

    def exhausted(self, state: AccountState) -> None:
        """A quota of the account is used up: others of its models may share it, so it is looked at soon."""
        plan = self._plans.get(state)
        if plan is None:
            return
        plan.wanted = True
        due = max(self._clock.seconds(), plan.asked + SOON)
        if due < plan.due or plan.due <= plan.asked:  # a look that is under way may come too early
            self._put(state, due)

    def _put(self, state: AccountState, due: float) -> None:
        self._plans[state].due = due
        heappush(self._due, (due, state.serial, state))
        self._arm()

    def _arm(self) -> None:
        """Sees to it that the next look begins when it is due."""
        if not self._running or not self._due or len(self._looks) >= AT_ONCE:
            return
        seconds = max(0.0, max(self._due[0][0], self._not_before) - self._clock.seconds())
        if self._timer is None:
            self._timer = self._clock.callLater(seconds, self._begin)
        elif self._timer.getTime() > self._clock.seconds() + seconds:
            self._timer.reset(seconds)

    def _begin(self) -> None:
        self._timer = None
        now = self._clock.seconds()
        for _ in range(_PASSED_AT_ONCE):
            if not self._due or self._due[0][0] > now:
                break
            due, _, state = heappop(self._due)
            plan = self._plans.get(state)
            if plan is not None and plan.due == due and self._is_worth_it(state, plan, now):
                spacing = SOON if plan.wanted else EVERY
                plan.asked, plan.wanted = now, False
                self._not_before = now + self._about(PAUSE)
                self._look(state, plan, spacing)
                break
        self._arm()

    def _is_worth_it(self, state: AccountState, plan: _Plan, now: float) -> bool:
        """Whether the account is looked at now; if not, its next time is planned."""
        moment = self._pool.now()
        if not policy.in_use(state):
            self._note(state, None)
            self._put(state, now + self._leisurely(SOON))
        elif not policy.has_live_token(state, moment):
            self._put(state, now + self._leisurely(TOKENLESS))
        elif not plan.wanted and self._pool.last_leased < plan.asked and now - plan.asked < IDLE_EVERY:
            self._put(state, now + self._about(EVERY))
        else:
            return True
        return False

    def _look(self, state: AccountState, plan: _Plan, spacing: float) -> None:
        look: Deferred[Any] = Deferred.fromCoroutine(self._asked(state, plan, spacing))
        if not look.called:
            self._looks.add(look)
            look.addBoth(self._ended, look)

    def _ended(self, _: object, look: Deferred[None]) -> None:
        self._looks.discard(look)
        self._arm()

    async def _asked(self, state: AccountState, plan: _Plan, spacing: float) -> None:
        """Asks, unless another replica has done so within the ``spacing``."""
        is_new = plan.asked - plan.seen >= IDLE_EVERY
        try:
            mine = await self._shared.claim("survey", state.credential.id, spacing * (1 - 2 * JITTER))
            found = await self._ask(state) if mine or is_new else None
        except Exception as e:
            plan.failures += 1
            log.debug(
                "the models of account {account} could not be fetched: {reason}", account=state.credential.id, reason=e
            )
        else:
            plan.failures = 0
            if found is not None and self._plans.get(state) is plan:  # else it has left meanwhile
                plan.seen = plan.asked
                self._pool.observed_quota(state.credential.id, found.quotas)
                self._note(state, found.offers)
        if self._plans.get(state) is plan and plan.due <= plan.asked:  # else it is scheduled again already
            seconds = min(EVERY * 2.0 ** min(plan.failures, 8), IDLE_EVERY)
            self._put(state, self._clock.seconds() + self._about(seconds))

    def _about(self, seconds: float) -> float:
        return seconds * (1 + JITTER * (2 * self._jitter() - 1))

    def _leisurely(self, seconds: float) -> float:
        """For what may go on for long: of very many accounts each waits longer."""
        return self._about(seconds) * (1 + len(self._plans) / 1000)

    def _note(self, state: AccountState, offers: Offers | None) -> None:
        """Stores the account's offer; reports the joint offer if that has changed."""
        before = self._offered.pop(state, None)
        known = len(self._kinds)
        if offers is not None:
            ids = frozenset(offer.id for offer in offers.models) or None
            kind = self._kinds.setdefault(offers, _Kind(offers, ids))
            kind.accounts += 1
            self._offered[state] = kind
            state.offers(kind.ids)
        changed = len(self._kinds) > known
        if before is not None:
            before.accounts -= 1
            if not before.accounts:
                del self._kinds[before.offers]
                changed = True
        if changed:
            self._tell(united(self._kinds.keys()))
