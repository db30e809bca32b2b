"""The state of an account or an official credential, as its operator sees it: page, capacity and metrics. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Literal

from msgspec import Struct

from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.policy import Moment
from antigravity_proxy.accounts.reasons import why_not
from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.accounts.state import ALL_MODELS, AccountState, LastFailure
from antigravity_proxy.coerce import dated

#: out: can't serve, and mostly waits for somebody; held: all accounts are on hold; limited: some models cool; busy: at
#: the limit of its leases
Kind = Literal["out", "paused", "held", "cooling", "limited", "busy", "ready"]
KINDS: tuple[Kind, ...] = ("ready", "busy", "limited", "cooling", "held", "paused", "out")


class Cooling(Struct, frozen=True):
    """A cooldown: of a model, or of all where ``model`` is empty, until a moment in epoch seconds."""

    model: str
    until: int


class CredentialCondition(Struct, frozen=True):
    """The state of an official credential; nothing in it is secret.

    ``kind`` and ``upstream`` as `canonical.credential` has them. ``group``: whose quotas it shares, empty: it has its
    own, as far as is known. ``tier``: ``free``, ``paid``, or empty where nothing has shown it. ``why``: what keeps it
    out. ``used_today``: requests of this UTC day; ``max_per_day``: the most that are allowed, 0: any number.
    """

    name: str
    kind: str
    upstream: str
    project: str
    locations: tuple[str, ...]
    tier: str
    group: str
    state: Kind
    why: str
    cooling: tuple[Cooling, ...]
    in_flight: int
    used_today: int
    max_per_day: int
    trouble: LastFailure | None


def kind_of(state: AccountState, rules: Rules, now: Moment, *, held: bool = False) -> Kind:
    """How the account is doing. ``held``: all are on hold, since Google has barred one for its terms."""
    if state.credential.paused:
        return "paused"
    whole = state.cooldowns.get(ALL_MODELS)
    if not policy.is_usable(state, now) or (
        whole is not None and whole.until > now.monotonic and (whole.flagged or whole.fault)
    ):
        return "out"
    if held:
        return "held"
    cooldowns = [key for key, cooldown in state.cooldowns.items() if cooldown.until > now.monotonic]
    if ALL_MODELS in cooldowns or _day_is_over(state, now):
        return "cooling"
    limit = policy.max_leases(state, rules)
    if limit and state.in_flight >= limit:
        return "busy"
    used_up = (
        quota.remaining <= rules.reserve and (quota.resets_at or 0.0) > now.epoch for quota in state.quota.values()
    )
    return "limited" if cooldowns or any(used_up) else "ready"


def serving(counts: Mapping[Kind, int]) -> int:
    """How many can serve at this moment, of those that were counted by how they are doing."""
    return sum(counts.get(kind, 0) for kind in ("ready", "limited", "busy"))


def cooling(state: AccountState, now: Moment) -> tuple[Cooling, ...]:
    """The cooldowns, those of all models first, then by name."""
    found = {key: cooldown.until for key, cooldown in state.cooldowns.items() if cooldown.until > now.monotonic}
    if _day_is_over(state, now):
        found[ALL_MODELS] = max(found.get(ALL_MODELS, 0.0), policy.day_is_over(state, now))
    return tuple(Cooling(key, round(dated(until - now.monotonic + now.epoch))) for key, until in sorted(found.items()))


def of_credential(state: AccountState, rules: Rules, now: Moment) -> CredentialCondition:
    """How an official credential is doing."""
    credential, kind = state.credential, kind_of(state, rules, now)
    why = why_out(state, (), now) if kind == "out" else why_not(state, (), now)
    return CredentialCondition(
        name=credential.id,
        kind=credential.kind,
        upstream=credential.upstream,
        project=state.project or "",
        locations=tuple(dict.fromkeys((*credential.locations, *credential.claude_locations))),
        tier=state.tier,
        group=state.group,
        state=kind,
        why=why,
        cooling=cooling(state, now),
        in_flight=state.in_flight,
        used_today=policy.served_today(state, now),
        max_per_day=credential.max_per_day,
        trouble=state.last_failure,
    )


def unusable(
    states: Iterable[AccountState], rules: Rules, clients: Collection[str], now: Moment
) -> Iterator[tuple[str, str]]:
    """The ids of the accounts that are out of use, each with why. ``clients``: the configured OAuth clients' keys."""
    for state in states:
        if kind_of(state, rules, now) == "out":
            yield state.credential.id, why_out(state, clients, now)


def why_out(state: AccountState, clients: Collection[str], now: Moment) -> str:
    """Why an account or credential that is out of use is."""
    return why_not(state, clients, now) or ("" if state.last_failure is None else state.last_failure.reason)


def _day_is_over(state: AccountState, now: Moment) -> bool:
    return bool(state.credential.max_per_day and policy.day_is_over(state, now))
