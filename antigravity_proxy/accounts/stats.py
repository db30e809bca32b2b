"""Counters of the pool, the state of its accounts, and their capacity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime

from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.policy import Moment
from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.accounts.slices import Slices
from antigravity_proxy.accounts.state import AccountState, OutOfUse

#: more accounts than this are counted in slices, a counting at a time: one turn would hold up every request
COUNTED_AT_ONCE = 10_000
#: and more than this are not counted for each request that can't be served
_COUNTED_EACH_TIME = 100


class Counters:
    """Leases given, and held now; how often an account was set aside, by the verdict's name; renewals by outcome.

    A renewal's outcome is ``renewed``, why it was refused (`RefreshRejected.kind`), or ``failed``.
    """

    __slots__ = ("held", "leases", "renewals", "set_aside")

    def __init__(self) -> None:
        self.leases = 0
        self.held = 0
        self.set_aside: Counter[str] = Counter()
        self.renewals: Counter[str] = Counter()


class Tally(Struct, frozen=True):
    """``accounts``: all; ``usable``: those that can serve, cooling or not; ``unable``: how many can't, by the reason.

    ``misdirected``: how many name an egress proxy of their own that can't be used.
    """

    accounts: int = 0
    usable: int = 0
    unable: Mapping[OutOfUse, int] = {}
    misdirected: int = 0

    def __add__(self, other: Tally) -> Tally:
        unable = Counter(self.unable) + Counter(other.unable)
        return Tally(
            self.accounts + other.accounts, self.usable + other.usable, unable, self.misdirected + other.misdirected
        )


def tally(states: Iterable[AccountState], now: Moment) -> Tally:
    """Counts the accounts."""
    found = Counter[OutOfUse | None]()
    misdirected = 0
    for state in states:
        found[policy.out_of_use(state, now)] += 1
        misdirected += state.credential.egress is not None and not policy.has_way_out(state)
    usable = found[None] + found[OutOfUse.UNVERIFIED]
    unable = {reason: count for reason, count in found.items() if reason is not None and count}
    return Tally(found.total(), usable, unable, misdirected)


class Census:
    """Counts ``states``, which may change; ``moment`` is now. Of very many, a slice in each turn of the reactor."""

    def __init__(self, clock: IReactorTime, states: Collection[AccountState], moment: Callable[[], Moment]) -> None:
        self._clock = clock
        self._states = states
        self._moment = moment
        self._countings = Slices(clock)
        self._counted = Tally()  # when they were last counted in slices
        self._recent = float("-inf"), Tally()  # when that was asked for, in monotonic seconds, and the count

    def now(self) -> Tally:
        """How the accounts are; of very many the last count, and a new one begins."""
        if len(self._states) <= COUNTED_AT_ONCE:
            return tally(self._states, self._moment())
        if not self._countings.busy:
            self._countings.run(self.counting())
        return self._counted

    def recent(self) -> Tally:
        """As ``now``, but with many accounts at most once a second: clients that are not served ask often."""
        if len(self._states) <= _COUNTED_EACH_TIME:
            return self.now()
        now = self._clock.seconds()
        if now - self._recent[0] >= 1.0:
            self._recent = now, self.now()
        return self._recent[1]

    def counting(self) -> Iterator[None]:
        """Counts very many, a slice at each step; does nothing where ``now`` counts them at once."""
        if len(self._states) <= COUNTED_AT_ONCE:
            return
        found, now, states = Tally(), self._moment(), tuple(self._states)
        for start in range(0, len(states), COUNTED_AT_ONCE):
            found += tally(states[start : start + COUNTED_AT_ONCE], now)
            yield
        self._counted = found


class ModelCapacity(Struct, frozen=True):
    """Accounts that can serve ``model`` now, and that merely cool; when the first of those is free (epoch seconds).

    ``remaining``: what is left of the quotas of both, 0 to 1 on average; None: none of theirs is known.
    """

    model: str
    usable: int
    cooling: int
    first_reset: float | None = None
    remaining: float | None = None


def capacity(
    models: Iterable[str], states: Collection[AccountState], rules: Rules, now: Moment
) -> tuple[ModelCapacity, ...]:
    """The present capacity of the accounts; an account at the limit of its leases counts as usable."""
    serving = [state for state in states if policy.is_usable(state, now)]
    others = [state for state in serving if state.cooldowns or state.quota or state.offered is not None]
    plain = len(serving) - len(others)
    return tuple(_of_model(model, others, plain, rules, now) for model in models)


def _of_model(model: str, others: list[AccountState], plain: int, rules: Rules, now: Moment) -> ModelCapacity:
    """``plain``: how many have neither a cooldown nor a known quota or list of models, and so serve every model."""
    others = [state for state in others if policy.is_offered(state, model)]
    found = [policy.eligibility(state, model, rules, now) for state in others]
    cooling = [each.cools for each in found if each.cools]
    usable = plain + sum(each.rank is not None or each.busy for each in found)
    first = min(cooling) - now.monotonic + now.epoch if cooling else None
    left = [policy.remaining(state, model, now)[0] for state in others if model in state.quota]
    return ModelCapacity(model, usable, len(cooling), first, round(sum(left) / len(left), 4) if left else None)
