"""``GET /capacity``: what can be served now, for operators and balancers with a key (contract.md 3). No I/O."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice

import msgspec
from msgspec import Struct

from antigravity_proxy.accounts.condition import CredentialCondition
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.accounts.stats import ModelCapacity
from antigravity_proxy.canonical.windows import used_up_at
from antigravity_proxy.coerce import dated, wait
from antigravity_proxy.dialect.base import Rendered

#: accounts whose windows are listed, and credentials
_MOST = 200


class _Model(Struct, rename="camel"):
    """One model's line; ``retry_after`` in seconds, as a client would get it if no account can serve it now.

    ``remaining_fraction``: what is left of the accounts' quotas, on average; None: not known.
    """

    id: str
    upstream: str
    usable: int
    cooling: int
    earliest_reset: str | None
    retry_after: int | None
    remaining_fraction: float | None


class _Window(Struct, rename="camel"):
    """One window of an account's quota. ``used_up_at``: at this pace, None: not before it begins again."""

    account: str
    group: str
    window: str
    remaining_fraction: float
    resets_at: str | None
    used_up_at: str | None


class _Account(Struct, rename="camel"):
    """Upstream's report on an account's subscription."""

    id: str
    tier: str
    credits: int | None


class _Failure(Struct, rename="camel"):
    """Why a credential failed last, when, and with which model; empty: with any."""

    at: str
    reason: str
    model: str


class _Rest(Struct, rename="camel"):
    """A model that a credential leaves alone, ``model@location`` where it is one place, empty: every model."""

    model: str
    until: str


class _Credential(Struct, rename="camel"):
    """An official credential, as the status page has it (`accounts.condition.CredentialCondition`)."""

    name: str
    kind: str
    upstream: str
    project: str
    locations: tuple[str, ...]
    tier: str
    quota_group: str
    state: str
    why: str
    cooling: list[_Rest]
    under_way: int
    used_today: int
    max_per_day: int | None
    last_failure: _Failure | None


class _Unusable(Struct, rename="camel"):
    """An account that can't serve, and why."""

    account: str
    why: str


class Capacity(Struct, rename="camel"):
    """The answer of ``GET /capacity``."""

    timestamp: str
    accounts: int
    usable: int
    models: list[_Model]
    credentials: list[_Credential]
    windows: list[_Window]
    subscriptions: list[_Account]
    unusable: list[_Unusable]


def render(
    models: Mapping[str, Iterable[ModelCapacity]],
    accounts: int,
    usable: int,
    epoch: float,
    states: Iterable[AccountState] = (),
    credentials: Iterable[CredentialCondition] = (),
    unusable: Iterable[tuple[str, str]] = (),
) -> Rendered:
    """The answer, by upstream; ``accounts``: accounts and credentials, ``usable``: those that serve, cooling or not.

    Windows and subscriptions are those of the first of the ``states`` that upstream has reported on.
    """
    lines = [
        _Model(
            id=each.model,
            upstream=upstream,
            usable=each.usable,
            cooling=each.cooling,
            earliest_reset=None if each.first_reset is None else _utc(math.ceil(dated(each.first_reset))),
            retry_after=None if each.first_reset is None or each.usable else wait(each.first_reset - epoch),
            remaining_fraction=each.remaining,
        )
        for upstream, every in models.items()
        for each in every
    ]
    known = list(islice((state for state in states if state.standing.windows or state.standing.tier), _MOST))
    windows = [window for state in known for window in _windows(state, epoch)]
    subscriptions = [
        _Account(state.credential.id, state.standing.tier, state.standing.credits)
        for state in known
        if state.standing.tier
    ]
    official = [_credential(each) for each in islice(credentials, _MOST)]
    out = [_Unusable(*each) for each in islice(unusable, _MOST)]
    body = msgspec.json.encode(Capacity(_utc(epoch), accounts, usable, lines, official, windows, subscriptions, out))
    return Rendered(200, body, ((b"content-type", b"application/json"), (b"cache-control", b"no-store")))


def _credential(found: CredentialCondition) -> _Credential:
    trouble = found.trouble
    return _Credential(
        name=found.name,
        kind=found.kind,
        upstream=found.upstream,
        project=found.project,
        locations=found.locations,
        tier=found.tier,
        quota_group=found.group,
        state=found.state,
        why=found.why,
        cooling=[_Rest(each.model, _utc(each.until)) for each in found.cooling],
        under_way=found.in_flight,
        used_today=found.used_today,
        max_per_day=found.max_per_day or None,
        last_failure=None if trouble is None else _Failure(_utc(trouble.at), trouble.reason, trouble.model),
    )


def _windows(state: AccountState, epoch: float) -> Iterator[_Window]:
    for group, windows in state.standing.windows.items():
        for name, window in windows.items():
            end, resets = used_up_at(window, name, epoch), window.resets_at
            yield _Window(
                state.credential.id,
                group,
                name,
                window.remaining,
                None if resets is None else _utc(resets),
                None if end is None else _utc(end),
            )


def _utc(epoch: float) -> str:
    return datetime.fromtimestamp(dated(epoch), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
