"""Which account serves next, and how long a failure sets one aside. Pure: states and a now in, a choice out.

Times are monotonic seconds, so that jumps of the wall clock don't matter; only the expiry of tokens and the resets of
quotas are in epoch seconds, as upstream states them. ``accounts.ranking`` keeps accounts in the order that is decided
here.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.accounts.state import ALL_MODELS, OF_MODEL, AccountState, Cooldown, OutOfUse, Shortage
from antigravity_proxy.canonical import windows
from antigravity_proxy.canonical.credential import RATE_LIMITED
from antigravity_proxy.canonical.verdict import Scope, Verdict
from antigravity_proxy.settings.proxies import parse_proxy_url

#: seconds that an account stays last in order after upstream's own trouble (upstream.md 6.3 row 7)
LAST_FOR = 8.0
#: seconds before its expiry from which a token counts as used up for new requests
TOKEN_MARGIN = 5.0
#: a default cooldown is lengthened by up to this share, so that accounts don't come back in step (upstream.md 6.2)
JITTER = 0.1
#: seconds
DAY = 86_400.0
#: an account's share of the work shrinks with its quota, but not below this part of a full one's
LEAST_SHARE = 0.05
#: the priority of the preferred account: above every other
PREFERRED = 1 << 20


class Moment(Struct, frozen=True, gc=False):
    """Now, on both clocks: monotonic seconds and epoch seconds."""

    monotonic: float
    epoch: float


#: tier (of the bits below), priority, quota, leases in flight, virtual time: the smallest is chosen
Rank = tuple[int, int, float, int, float]
#: the place of the leases in a rank
IN_FLIGHT = 3
#: upstream doesn't offer it the model; had trouble with it a moment ago; it has to renew its token first; the desktop
#: app calls it rate limited
UNOFFERED, TROUBLED, TOKENLESS, MARKED = 8, 4, 2, 1


class Eligibility(Struct, frozen=True, gc=False):
    """The rank of an account for a model.

    ``rank`` is None where it can't be chosen now; ``retry_at`` is when time alone may better it (monotonic seconds,
    inf: never); ``cools`` is when it is free again if it merely cools, else 0. ``busy``: it is only at the limit of
    its leases.
    """

    rank: Rank | None
    retry_at: float = float("inf")
    cools: float = 0.0
    busy: bool = False


#: an account that is not there, or that time alone does not bring back
NOWHERE = Eligibility(None)
_BUSY = Eligibility(None, busy=True)


def has_live_token(state: AccountState, now: Moment) -> bool:
    """Whether a request can be sent at once, without a refresh."""
    return state.expires_at - TOKEN_MARGIN > now.epoch


def can_refresh(state: AccountState, now: Moment) -> bool:
    """Whether asking for a new token may be tried now."""
    return state.grant.is_renewable and state.refresh_after <= now.monotonic


def is_usable(state: AccountState, now: Moment) -> bool:
    """Whether the account serves, cooling or not: in use, not paused, with a token or a way to one."""
    return in_use(state) and (has_live_token(state, now) or can_refresh(state, now))


def has_way_out(state: AccountState) -> bool:
    """Whether the egress proxy that the account names, if it does, can be used."""
    egress = state.credential.egress
    try:
        return egress is None or bool(parse_proxy_url(egress.reveal()))
    except ValueError:
        return False


def out_of_use(state: AccountState, now: Moment) -> OutOfUse | None:
    """Why the account serves nothing at this moment; None: it does, though some of its models may cool."""
    if is_usable(state, now):
        return OutOfUse.UNVERIFIED if state.cooldowns and is_flagged(state, now) else None
    if in_use(state):
        return OutOfUse.NOT_RENEWED if state.grant.is_renewable else OutOfUse.NO_REFRESH_TOKEN
    if state.credential.disabled:
        return OutOfUse.DISABLED
    if state.credential.paused:
        return OutOfUse.PAUSED
    return OutOfUse.EXPIRED if state.expired else OutOfUse.BARRED


def in_use(state: AccountState) -> bool:
    """Whether the account may serve at all: neither disabled, barred, marked as expired, nor paused."""
    credential = state.credential
    return not (credential.disabled or state.barred or state.expired or credential.paused)


def cooling(state: AccountState, model: str, now: Moment) -> Cooldown | None:
    """The cooldown that keeps the account from the model, the gravest; None: nothing does."""
    found = _graver(_active(state, ALL_MODELS, now), _active(state, model, now))
    if places := state.credential.locations_for(model):
        each = [_active(state, at(model, place), now) for place in places]
        if None not in each:
            found = _graver(found, min(filter(None, each), key=_gravity))
    return found


def _active(state: AccountState, key: str, now: Moment) -> Cooldown | None:
    cooldown = state.cooldowns.get(key)
    return cooldown if cooldown is not None and cooldown.until > now.monotonic else None


def _gravity(cooldown: Cooldown) -> tuple[bool, float]:
    return cooldown.flagged, cooldown.until


def _graver(one: Cooldown | None, other: Cooldown | None) -> Cooldown | None:
    return max(filter(None, (one, other)), key=_gravity, default=None)


def at(model: str, location: str) -> str:
    """The key of cooldowns for a model at one location."""
    return f"{model}@{location}"


def location_for(state: AccountState, model: str, now: Moment) -> str:
    """The first of its locations that is free for the model; empty: there are none."""
    places = state.credential.locations_for(model)
    return next((place for place in places if _active(state, at(model, place), now) is None), "")


def week_reserved(state: AccountState, model: str, rules: Rules, now: Moment) -> float:
    """When the account's week begins again, whose rest is its owner's (monotonic seconds); 0: it may serve."""
    window = windows.of_model(state.standing, model).get(windows.WEEK)
    if window is None or window.resets_at is None or window.remaining > rules.week_reserve:
        return 0.0
    left = window.resets_at - now.epoch
    return now.monotonic + left if left > 0 else 0.0


def day_is_over(state: AccountState, now: Moment) -> float:
    """When the account may serve again that has served its requests of this UTC day (monotonic seconds), else 0."""
    day, second = divmod(now.epoch, DAY)
    if state.served_on != int(day) or state.served_today < state.credential.max_per_day:
        return 0.0
    return now.monotonic + DAY - second


def served_today(state: AccountState, now: Moment) -> int:
    """How many requests of this UTC day the account has served; counted of official credentials alone."""
    return state.served_today if state.served_on == int(now.epoch // DAY) else 0


def count_for_day(state: AccountState, now: Moment) -> None:
    """The account serves one more request of this UTC day."""
    day = int(now.epoch // DAY)
    state.served_today = state.served_today + 1 if state.served_on == day else 1
    state.served_on = day


def is_flagged(state: AccountState, now: Moment) -> bool:
    """Whether a person has to act before the account can serve (upstream.md 6.3 rows 11, 12)."""
    cooldown = state.cooldowns.get(ALL_MODELS)
    return cooldown is not None and cooldown.flagged and cooldown.until > now.monotonic


def remaining(state: AccountState, model: str, now: Moment) -> tuple[float, float]:
    """The known remaining quota, 0 to 1, and when it resets (monotonic seconds, inf: not known).

    A quota that has reset since, or was never reported, counts as full.
    """
    quota = state.quota.get(model)
    if quota is None:
        return 1.0, float("inf")
    if quota.resets_at is None:
        return quota.remaining, float("inf")
    left = quota.resets_at - now.epoch
    return (quota.remaining, now.monotonic + left) if left > 0 else (1.0, float("inf"))


def has_quota(state: AccountState, model: str, rules: Rules, now: Moment) -> bool:
    """Whether some of its quota for the model is known to be left; False: it is used up, or nothing is known."""
    quota = state.quota.get(model)
    if quota is None or (quota.resets_at is not None and quota.resets_at <= now.epoch):
        return False
    return quota.remaining > rules.reserve


def eligibility(state: AccountState, model: str, rules: Rules, now: Moment) -> Eligibility:
    """The account's rank for ``model``.

    A quota that is used up, or down to the reserve, counts as a cooldown until it resets (upstream.md 3.4).
    """
    credential = state.credential
    if not in_use(state) or ((credential.models or credential.exclude) and not credential.may_use(model)):
        return NOWHERE
    live = has_live_token(state, now)
    if not live and not can_refresh(state, now):
        return Eligibility(None, state.refresh_after) if state.grant.is_renewable else NOWHERE
    cooldown = cooling(state, model, now) if state.cooldowns else None
    until = 0.0 if cooldown is None else cooldown.until
    left, resets_at = remaining(state, model, now) if state.quota else (1.0, float("inf"))
    if left <= rules.reserve and resets_at != float("inf"):
        until = max(until, resets_at)
    if rules.week_reserve:
        until = max(until, week_reserved(state, model, rules, now))
    if credential.max_per_day:
        until = max(until, day_is_over(state, now))
    if until:
        return Eligibility(None, until, 0.0 if cooldown is not None and cooldown.flagged else until)
    if state.in_flight and state.in_flight >= (max_leases(state, rules) or float("inf")):
        return _BUSY
    troubled = state.last_until > now.monotonic
    rank = (
        (not is_offered(state, model)) * UNOFFERED
        + troubled * TROUBLED
        + (not live) * TOKENLESS
        + (credential.status == RATE_LIMITED) * MARKED,
        -PREFERRED if credential.id == rules.preferred else -rules.priorities.get(credential.id, credential.priority),
        -left if rules.mode == "performance-first" else 0.0,
        state.in_flight,
        state.virtual_time,
    )
    return Eligibility(rank, min(resets_at, state.last_until) if troubled else resets_at)


def max_leases(state: AccountState, rules: Rules) -> int:
    """Requests that the account may serve at a time; 0: any number."""
    return state.credential.max_requests or rules.max_leases


def is_offered(state: AccountState, model: str) -> bool:
    """Whether upstream would let the account use the model, as far as is known."""
    return state.offered is None or model in state.offered


def next_virtual_time(state: AccountState, model: str, current: float, now: Moment) -> float:
    """The account's virtual time after a lease, later the less of its quota is left. ``current``: the latest so far.

    Equal accounts so take turns, the longest idle first; one with half the quota left gets half as many. One that
    could not serve for long does not make up for it.
    """
    begins = state.virtual_time if state.virtual_time > current else current
    return begins + 1.0 / max(remaining(state, model, now)[0], LEAST_SHARE) if state.quota else begins + 1.0


def cooldown_length(verdict: Verdict, strikes: int, jitter: float, rules: Rules) -> float:
    """Seconds to set aside: what upstream stated, else the ladder's step for ``strikes`` earlier failures in a row.

    ``jitter`` is from 0 to 1; a stated time is used unchanged, in whole seconds (upstream.md 6.2).
    """
    if verdict.delay is not None:
        return float(-(-verdict.delay // 1))
    if verdict.resets:
        return float(-(-verdict.resets[min(strikes, len(verdict.resets) - 1)] // 1))
    ladder = verdict.ladder
    if not rules.breaker and verdict.takes_stated_delay:
        ladder = ()
    elif rules.backoff and verdict.takes_app_backoff:
        ladder = rules.backoff
    if not ladder:
        return 0.0
    return ladder[min(strikes, len(ladder) - 1)] * (1 + JITTER * jitter)


def cooldown_keys(verdict: Verdict, model: str, location: str = "") -> tuple[str, ...]:
    """The keys that the verdict cools down: none, the whole account, or the model sent and the one that upstream names;
    at one location, if it is about that.
    """
    if verdict.scope in (Scope.ACCOUNT, Scope.GROUP):
        return (ALL_MODELS,)
    if verdict.scope in (Scope.LOCATION_MODEL, Scope.GROUP_LOCATION_MODEL) and location:
        return (at(model, location),)
    if verdict.scope in OF_MODEL and verdict.scope is not Scope.UPSTREAM_MODEL:
        return (model, verdict.model) if verdict.model and verdict.model != model else (model,)
    return ()


def cooldown(verdict: Verdict, until: float, strikes: int) -> Cooldown:
    """The verdict's cooldown, until a moment (monotonic seconds), after ``strikes`` consecutive failures before."""
    needs_owner = verdict.needs_owner or 0 < verdict.flagged_after <= strikes + 1
    return Cooldown(until, needs_owner or verdict.not_offered, verdict.is_fault, verdict.not_offered)


def offers(states: Iterable[AccountState], model: str, rest: Cooldown | None, now: Moment) -> bool:
    """Whether any of them may use the model and, as far as is known, has access to it; ``rest`` is the upstream's."""
    if rest is not None and rest.not_offered:
        return False
    return any(
        state.credential.may_use(model) and ((found := cooling(state, model, now)) is None or not found.not_offered)
        for state in states
    )


def shortage(
    states: Iterable[AccountState],
    model: str,
    rest: Cooldown | None,
    free_in: float | None,
    is_full: bool,
    now: Moment,
) -> Shortage:
    """Why nothing can be leased, where faults, models that are not offered, or a ``rest`` of the upstream's play in."""
    here = [state for state in states if in_use(state) and state.credential.may_use(model)]
    found = [cooling(state, model, now) for state in here]
    graver = [each for each in found if each is not None]
    by_fault = (
        rest is None and any(each.fault for each in graver) and all(each.fault or each.flagged for each in graver)
    )
    none_offered = bool(graver) and len(graver) == len(here) and all(each.not_offered for each in graver)
    return Shortage(is_full, free_in, len(here), by_fault, none_offered or (rest is not None and rest.not_offered))
