"""One account as the status page shows it. Pure: its state and a now in, what to show out. Addresses are masked."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from msgspec import Struct

from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.policy import Moment
from antigravity_proxy.accounts.reasons import why_not
from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.accounts.state import ALL_MODELS, AccountState
from antigravity_proxy.accounts.trouble import Trouble
from antigravity_proxy.secret import masked

#: out: can't serve, and mostly waits for somebody; limited: some models cool; busy: at the limit of its leases
Kind = Literal["out", "paused", "cooling", "limited", "busy", "ready"]
KINDS: tuple[Kind, ...] = ("ready", "busy", "limited", "cooling", "paused", "out")


class Bar(Struct, frozen=True):
    """One model's quota: what is left in percent, and when it begins anew (epoch seconds, None: not known)."""

    model: str
    percent: int
    resets_at: int | None


class Cooling(Struct, frozen=True):
    """What cools: a model, or all where it is empty, until a moment in epoch seconds."""

    model: str
    until: int


class Shown(Struct, frozen=True):
    """An account. ``why``: what keeps it out, in words. ``has_project``: false once upstream was asked in vain."""

    id: str
    email: str
    name: str
    kind: Kind
    why: str
    in_flight: int
    cooling: tuple[Cooling, ...]
    bars: tuple[Bar, ...]
    trouble: Trouble | None
    has_project: bool = True


def kind_of(state: AccountState, rules: Rules, now: Moment) -> Kind:
    """How the account is doing."""
    if state.account.paused:
        return "paused"
    if not policy.is_usable(state, now) or policy.is_flagged(state, now):
        return "out"
    cooldowns = [key for key, cooldown in state.cooldowns.items() if cooldown.until > now.monotonic]
    if ALL_MODELS in cooldowns:
        return "cooling"
    if rules.max_leases and state.in_flight >= rules.max_leases:
        return "busy"
    used_up = (
        quota.remaining <= rules.reserve and (quota.resets_at or 0.0) > now.epoch for quota in state.quota.values()
    )
    return "limited" if cooldowns or any(used_up) else "ready"


def shown(state: AccountState, rules: Rules, clients: Collection[str], now: Moment) -> Shown:
    """The account as it is now. ``clients``: the keys of the configured OAuth clients."""
    account, kind = state.account, kind_of(state, rules, now)
    email, name = masked(account.email.reveal()), masked(account.name.reveal())
    why = why_not(state, clients, now) if kind != "paused" else "paused: this proxy leaves it alone"
    if kind == "out" and not why and state.trouble is not None:
        why = state.trouble.reason
    return Shown(
        id=account.id,
        email=email,
        name="" if name == email else name,
        kind=kind,
        why=why,
        in_flight=state.in_flight,
        cooling=_cooling(state, now),
        bars=_bars(state, now),
        trouble=state.trouble,
        has_project=bool(state.project) or state.project_asked == float("-inf"),
    )


def _cooling(state: AccountState, now: Moment) -> tuple[Cooling, ...]:
    """What cools, all models first, then by name."""
    return tuple(
        Cooling(model, round(cooldown.until - now.monotonic + now.epoch))
        for model, cooldown in sorted(state.cooldowns.items())
        if cooldown.until > now.monotonic
    )


def _bars(state: AccountState, now: Moment) -> tuple[Bar, ...]:
    """Every known quota, by model; one that has begun anew since is full."""
    bars = []
    for model, quota in sorted(state.quota.items()):
        left, _ = policy.remaining(state, model, now)
        ahead = quota.resets_at if quota.resets_at is not None and quota.resets_at > now.epoch else None
        bars.append(Bar(model, round(100 * left), None if ahead is None else round(ahead)))
    return tuple(bars)
