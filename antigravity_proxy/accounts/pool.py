"""The account pool: leases accounts, takes them back, sets them aside. Holds the state that ``policy`` decides on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from msgspec import structs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.groups import WHOLE_UPSTREAM, Groups, RestingModels
from antigravity_proxy.accounts.lease import Lease
from antigravity_proxy.accounts.penalties import Penalties
from antigravity_proxy.accounts.policy import Moment
from antigravity_proxy.accounts.ranking import Ranking
from antigravity_proxy.accounts.replication import LocalState, ReplicaEvents, SharedState, session_key
from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.accounts.slices import Slices
from antigravity_proxy.accounts.state import FAULT, NOT_OFFERED, AccountState, Shortage, marked, of_verdict, unwatched
from antigravity_proxy.accounts.stats import Census, Counters, ModelCapacity, Tally, capacity
from antigravity_proxy.accounts.terms import TermsRest
from antigravity_proxy.accounts.waiting import WaitingLine
from antigravity_proxy.accounts.watcher import PoolWatcher
from antigravity_proxy.canonical.credential import KINDS, Credential
from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.canonical.verdict import Verdict

log = Logger()

#: accounts that are taken from the volume in one turn of the reactor: a few milliseconds
AT_ONCE = 250
#: models whose order is kept; clients can name more, if the user's mapping lets them
MAX_RANKINGS = 64


class Pool:
    """All accounts of one upstream and who holds them.

    ``clock`` gives monotonic seconds, ``epoch`` the wall clock in epoch seconds, ``jitter`` a number from 0 to 1.
    ``shared`` is what other replicas know too.
    """

    def __init__(
        self,
        clock: IReactorTime,
        epoch: Callable[[], float],
        jitter: Callable[[], float],
        rules: Rules | None = None,
        shared: SharedState | None = None,
    ) -> None:
        self._clock = clock
        self._seconds = clock.seconds
        self._epoch = epoch
        self._rules = Rules() if rules is None else rules
        self._shared = LocalState() if shared is None else shared
        self._states: dict[str, AccountState] = {}
        #: the account of an id, if it is here
        self.find: Callable[[str], AccountState | None] = self._states.get
        self._rankings: dict[str, Ranking] = {}
        self._line: WaitingLine[Lease] = WaitingLine(clock)
        self._give_back = self.released  # one object for all leases
        self._virtual_time = 0.0  # the latest so far
        self._serial = 0
        #: who shares quotas with whom
        self.groups = Groups(self._shared.grouped)
        self.resting_models = RestingModels()
        self._penalties = Penalties(self.groups, self.resting_models, self._shared, jitter)
        self._tells_kinds = False  # whether anything here was ever set aside for a fault, or had no access to a model
        self._updates = Slices(clock)
        self._census = Census(clock, self._states.values(), self.now)
        self._watchers: tuple[PoolWatcher, ...] = ()
        #: when an account was last leased (monotonic seconds)
        self.last_leased = float("-inf")
        self.counters = Counters()
        self.terms_rest = TermsRest(self._shared)
        #: takes into effect what other replicas learnt
        events = ReplicaEvents(self._states, self._set_aside, self._leave_alone, self.groups, self.terms_rest)
        self.replica_events = events
        self._shared.listen(events)
        self._shared.recall(WHOLE_UPSTREAM)

    def __repr__(self) -> str:
        return f"<Pool: {len(self._states)} accounts, {self.counters.held} leases, {len(self._line)} waiting>"

    @property
    def states(self) -> Collection[AccountState]:
        """All accounts, usable or not."""
        return self._states.values()

    @property
    def rules(self) -> Rules:
        """How accounts are chosen; a change is in effect at once."""
        return self._rules

    @rules.setter
    def rules(self, rules: Rules) -> None:
        if rules != self._rules:
            self._rules = rules
            self._rankings.clear()

    def now(self) -> Moment:
        """This moment on both clocks."""
        return Moment(self._seconds(), self._epoch())

    def watch(self, watcher: PoolWatcher) -> None:
        """Tells it of the accounts from now on."""
        self._watchers = (*self._watchers, watcher)

    def update(self, credentials: Iterable[Credential]) -> Deferred[None]:
        """Takes these accounts: new ones join, gone ones leave, known ones keep cooldowns and fresh tokens.

        A lease on an account that left goes on to its end. Fires when all are taken; a later update replaces this one.
        """
        return self._updates.run(self._taking(tuple(credentials)))

    def _taking(self, credentials: Sequence[Credential]) -> Iterator[None]:
        for number, credential in enumerate(credentials, 1):
            self._take(credential)
            if number % AT_ONCE == 0:
                yield
        here = {credential.id for credential in credentials}
        for number, known in enumerate(tuple(self._states), 1):
            if known not in here:
                self._leave(self._states.pop(known))
            if number % AT_ONCE == 0:
                yield
        yield from self._census.counting()

    def _take(self, credential: Credential) -> None:
        state = self._states.get(credential.id)
        if state is None:
            self._serial += 1
            state = self._states[credential.id] = AccountState(credential, self._serial)
            state.on_change = self._changed
            self.groups.join(state)
            self._changed(state)
            self._shared.recall(credential.id)
            for watcher in self._watchers:
                watcher.joined(state)
        elif state.credential is not credential:
            self.groups.leave(state)
            state.update(credential)
            self.groups.join(state)
            self._changed(state)
            self._shared.recall(credential.id)

    def _leave(self, state: AccountState) -> None:
        state.on_change = unwatched
        self.groups.leave(state)
        for order in self._rankings.values():
            order.leave(state)
        for watcher in self._watchers:
            watcher.left(state)

    def lease(
        self,
        model: str,
        tried: Collection[AccountState] = (),
        session: bytes = b"",
        *,
        keep: bool = False,
        resting: bool = False,
    ) -> Lease | None:
        """The next account for ``model`` (an upstream id) that is not among ``tried``; None if there is none now.

        The account that ``session`` is bound to comes first. The session moves when that account can't serve, unless
        ``keep``: what is wrong is not the account's fault (upstream.md 1.1). ``resting``: also while the upstream is
        left alone for this model.
        """
        if self.terms_rest.account:
            return None
        now = Moment(self._seconds(), self._epoch())
        if self.resting_models.models and not resting and self.resting_models.of(model, now.monotonic) is not None:
            return None
        state = self._choose(model, tried, session, keep, now)
        return None if state is None else self._hold(state, model, now)

    def again(self, state: AccountState, model: str) -> Lease | None:
        """This very account once more; None if it has been set aside meanwhile."""
        now = self.now()
        standing = policy.eligibility(state, model, self._rules, now)
        may = standing.rank is not None and self._is_here(state) and not self.terms_rest
        return self._hold(state, model, now) if may else None

    def queue(self, model: str, tried: Collection[AccountState], session: bytes) -> Deferred[Lease | None]:
        """Waits a moment for an account that is only busy; fires with None if none was given back."""
        return self._line.join(lambda: self.lease(model, tried, session))

    def is_full(self, model: str) -> bool:
        """Whether no account can serve ``model`` only because of the limit of leases."""
        now = self.now()
        order = self._ranking(model, now)
        return order.first(now) is None and bool(order.busy) and not self.terms_rest

    def free_in(self, model: str) -> float | None:
        """Seconds until an account can serve ``model``, 0: one can; None: time alone brings none back."""
        if self.terms_rest:
            return None
        now = self.now()
        order = self._ranking(model, now)
        rest = self.resting_models.of(model, now.monotonic) if self.resting_models.models else None
        if rest is not None and rest.not_offered:
            return None
        free_at = now.monotonic if order.first(now) is not None else order.first_free(now)
        if rest is not None and free_at is not None:
            free_at = max(free_at, rest.until)
        return None if free_at is None else free_at - now.monotonic

    def shortage(self, model: str) -> Shortage:
        """Why nothing can be leased for ``model``."""
        free_in, is_full, count = self.free_in(model), self.is_full(model), len(self._states)
        if self.terms_rest:
            return Shortage(False, None, count, resting=True)
        found = Shortage(is_full, free_in, count)
        if self._tells_kinds or self.resting_models.models:
            rest = self.resting_models.of(model, self._clock.seconds())
            found = policy.shortage(self._states.values(), model, rest, free_in, is_full, self.now())
        if is_full or free_in is not None:
            return found
        return structs.replace(found, unable=self._census.recent().unable, in_all=count)

    def offers(self, model: str) -> bool:
        """Whether anybody may use ``model``, as far as is known: free now or not."""
        now = self.now()
        return policy.offers(self._states.values(), model, self.resting_models.of(model, now.monotonic), now)

    def usable(self) -> int:
        """How many accounts can serve, cooling or not; as ``tally`` counts."""
        return self.tally().usable

    def tally(self) -> Tally:
        """How the accounts are; of very many the last count, and a new one begins."""
        return self._census.now()

    def capacity(self, models: Iterable[str]) -> tuple[ModelCapacity, ...]:
        """The present capacity for these models and for those that were requested."""
        return capacity(
            sorted({*models, *self._rankings}),
            () if self.terms_rest else self._states.values(),
            self._rules,
            self.now(),
        )

    def standings(self) -> Iterator[tuple[str, int, int]]:
        """Of each model that was asked for: how many accounts can serve it, busy or not, and how many cool."""
        now = self.now()
        held = bool(self.terms_rest)
        return ((model, *((0, 0) if held else order.counts(now))) for model, order in self._rankings.items())

    def served(self, model: str) -> None:
        """Upstream has served a model."""
        if self.resting_models.models:
            self.resting_models.served(model)

    def penalise(self, state: AccountState, model: str, verdict: Verdict, location: str = "") -> None:
        """Sets an account aside as the verdict says, its group or the model; a longer cooldown in force stays."""
        now, trouble = self._clock.seconds(), of_verdict(verdict, model, self._epoch())
        self._tells_kinds |= verdict.is_fault or verdict.not_offered
        for each in self._penalties.apply(state, model, verdict, location, trouble, self._rules, now):
            self._changed(each)
        self.counters.set_aside[verdict.cause.value] += 1
        if verdict.uses_quota:
            self.exhausted(state)
        if verdict.about_terms:
            self.terms_rest.begin(state.credential.id)
        log.info(
            "account {account} set aside: {cause}, {scope}, stated delay {delay} ({source})",
            account=state.credential.id,
            cause=verdict.cause.value,
            scope=verdict.scope.name,
            delay=verdict.delay,
            source=verdict.source or "none",
            model=model,
        )

    def exhausted(self, state: AccountState) -> None:
        """An account has used up a quota, or may have."""
        for watcher in self._watchers:
            watcher.exhausted(state)

    def _tokenless(self, state: AccountState) -> None:
        for watcher in self._watchers:
            watcher.tokenless(state)

    def observed_quota(self, account: str, figures: Mapping[str, ModelQuota]) -> None:
        """Takes upstream's report of an account's quotas, by model; does nothing if the account is gone."""
        state = self._states.get(account)
        if state is not None:
            state.observed(figures)
            self._shared.observed(account, figures)

    def released(self, state: AccountState) -> None:
        """A lease has ended."""
        state.in_flight -= 1
        self.counters.held -= 1
        if state.in_flight < state.ranked_with and self._is_here(state):
            now = self.now()
            for order in self._rankings.values():
                order.released(state, now)
            state.ranked_with = state.in_flight  # none has it further back now
        if self._line.waiting:
            self._line.given_back()

    def forgive(self, identity: str) -> bool:
        """Clears everything that sets an account aside, here and on every replica; False: there is no such account."""
        state = self._states.get(identity)
        if state is None:
            return False
        state.forgive()
        self._shared.forgiven(identity)
        return True

    def _set_aside(self, state: AccountState, key: str, seconds: float, marks: int) -> None:
        self._tells_kinds |= bool(marks & (FAULT | NOT_OFFERED))
        now = self._clock.seconds()
        if state.cool(key, marked(now + seconds, marks), now):
            self._changed(state)

    def _leave_alone(self, model: str, seconds: float, marks: int) -> None:
        self.resting_models.rest(model, marked(self._clock.seconds() + seconds, marks))

    def _choose(
        self, model: str, tried: Collection[AccountState], session: bytes, keep: bool, now: Moment
    ) -> AccountState | None:
        order, rules = self._rankings.get(model) or self._ranking(model, now), self._rules
        names = (session,) if session else ()
        if rules.mode == "cache-first":  # all who are not bound yet follow one another
            names = (*names, session_key("", model))
        chosen: AccountState | None = None
        moving = []
        for name in names:
            bound = self._states.get(self._shared.account_of(name, now.monotonic) or "")
            if bound is None:
                moving.append(name)
                continue
            standing = policy.eligibility(bound, model, rules, now)
            rank = standing.rank
            if rank is None:
                if not (standing.busy or keep):
                    moving.append(name)
            elif bound not in tried:
                chosen = bound if rank[0] <= policy.MARKED else self._or_better(bound, rank, order, tried, now)
                break
        if chosen is None:
            chosen = order.first(now, tried)
        if (waiting := order.first_tokenless()) is not None and waiting is not chosen:
            self._tokenless(waiting)
        if chosen is not None:
            for name in moving:
                self._shared.bind(name, chosen.credential.id, now.monotonic)
        return chosen

    def _or_better(
        self, bound: AccountState, rank: policy.Rank, order: Ranking, tried: Collection[AccountState], now: Moment
    ) -> AccountState:
        """The account that a session is bound to, which is in trouble or has no token; for now another, if one is
        better off.
        """
        if rank[0] & policy.TOKENLESS:
            self._tokenless(bound)
        best = order.first(now, tried)
        if best is None:
            return bound
        found = policy.eligibility(best, order.model, self._rules, now).rank
        return best if found is not None and found[0] < rank[0] else bound

    def _hold(self, state: AccountState, model: str, now: Moment) -> Lease:
        self.last_leased = now.monotonic
        state.in_flight += 1
        counters, credential = self.counters, state.credential
        counters.leases += 1
        counters.held += 1
        if self._virtual_time < state.virtual_time:
            self._virtual_time = state.virtual_time
        state.virtual_time = policy.next_virtual_time(state, model, self._virtual_time, now)
        if credential.kind in KINDS or credential.max_per_day:
            policy.count_for_day(state, now)
        has_locations = credential.locations or credential.claude_locations
        location = policy.location_for(state, model, now) if has_locations else ""
        return Lease(self._give_back, state, model, location, self.groups.members(state) if state.group else ())

    def _ranking(self, model: str, now: Moment) -> Ranking:
        order = self._rankings.get(model)
        if order is None:
            while len(self._rankings) >= MAX_RANKINGS:
                del self._rankings[next(iter(self._rankings))]
            order = self._rankings[model] = Ranking(model, self._states.values(), self._rules, now)
        return order

    def _changed(self, state: AccountState) -> None:
        if self._rankings:
            now = self.now()
            for order in self._rankings.values():
                order.touch(state, now)

    def _is_here(self, state: AccountState) -> bool:
        return self._states.get(state.credential.id) is state
