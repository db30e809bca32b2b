"""Which account serves next, and how long a failure sets one aside. Pure: states and a now in, a choice out.

Times are monotonic seconds, so that jumps of the wall clock don't matter; only the expiry of tokens is in epoch
seconds, as upstream states it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from antigravity_proxy.accounts.state import ALL_MODELS, AccountState
from antigravity_proxy.codeassist.verdict import Scope, Verdict

#: seconds that an account stays last in order after upstream's own trouble (upstream.md 6.3 row 7)
LAST_FOR = 8.0
#: seconds before its expiry from which a token counts as used up for new requests
TOKEN_MARGIN = 5.0
#: a default cooldown is lengthened by up to this share, so that accounts don't come back in step (upstream.md 6.2)
JITTER = 0.1


class Moment(NamedTuple):
    """Now, on both clocks: monotonic seconds and epoch seconds."""

    monotonic: float
    epoch: float


def has_live_token(state: AccountState, now: Moment) -> bool:
    """Whether a request can be sent at once, without a refresh."""
    return state.expires_at - TOKEN_MARGIN > now.epoch


def can_refresh(state: AccountState, now: Moment) -> bool:
    """Whether asking for a new token may be tried now."""
    return bool(state.refresh_token.reveal()) and state.refresh_after <= now.monotonic


def is_usable(state: AccountState, now: Moment) -> bool:
    """Whether the account serves, cooling or not: Google's, not out of use, with a token or a way to one."""
    account = state.account
    return (
        account.provider == "google"
        and not state.barred
        and account.status != "expired"
        and (has_live_token(state, now) or can_refresh(state, now))
    )


def cooling_until(state: AccountState, model: str, now: Moment) -> float:
    """When the account is free for the model (monotonic seconds), 0 if it is now."""
    until = 0.0
    for key in (ALL_MODELS, model):
        cooldown = state.cooldowns.get(key)
        if cooldown is not None and cooldown.until > now.monotonic:
            until = max(until, cooldown.until)
    return until


def is_flagged(state: AccountState, now: Moment) -> bool:
    """Whether a person has to act before the account can serve (upstream.md 6.3 rows 11, 12)."""
    cooldown = state.cooldowns.get(ALL_MODELS)
    return cooldown is not None and cooldown.flagged and cooldown.until > now.monotonic


def choose(
    states: Iterable[AccountState], model: str, tried: Collection[AccountState], now: Moment
) -> AccountState | None:
    """The account to lease next for ``model``, or None.

    Usable and not cooling; in this order: not in trouble a moment ago, with a live token, not marked as rate limited by
    the desktop app, fewest leases in flight, longest idle.
    """
    best: AccountState | None = None
    best_rank: tuple[bool, bool, bool, int, float] | None = None
    for state in states:
        if state in tried or not is_usable(state, now):
            continue
        if state.cooldowns and cooling_until(state, model, now):
            continue
        rank = (
            state.last_until > now.monotonic,
            not has_live_token(state, now),
            state.account.status == "rate_limited",
            state.in_flight,
            state.last_leased,
        )
        if best_rank is None or rank < best_rank:
            best, best_rank = state, rank
    return best


def first_free(states: Iterable[AccountState], model: str, now: Moment) -> float | None:
    """When the first cooling account is free for ``model`` (monotonic seconds); None unless all merely cool.

    Flagged accounts don't count: time alone does not bring them back.
    """
    times = [
        cooling_until(state, model, now) for state in states if is_usable(state, now) and not is_flagged(state, now)
    ]
    return min(times, default=0.0) or None


def cooldown_length(verdict: Verdict, strikes: int, jitter: float) -> float:
    """Seconds to set aside: what upstream stated, else the ladder's step for ``strikes`` earlier failures in a row.

    ``jitter`` is from 0 to 1; a stated time is taken as it is (upstream.md 6.2).
    """
    if verdict.delay is not None:
        return verdict.delay
    if not verdict.ladder:
        return 0.0
    step = verdict.ladder[min(strikes, len(verdict.ladder) - 1)]
    return step * (1 + JITTER * jitter)


def cooldown_keys(verdict: Verdict, model: str) -> tuple[str, ...]:
    """What the verdict cools on the account: nothing, everything, or the model sent and the one that upstream names."""
    if verdict.scope is Scope.ACCOUNT:
        return (ALL_MODELS,)
    if verdict.scope is Scope.ACCOUNT_MODEL:
        return (model, verdict.model) if verdict.model and verdict.model != model else (model,)
    return ()
