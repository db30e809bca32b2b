"""``GET /capacity``: what can be served now, for operators and balancers with a key (contract.md 3). No I/O."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from antigravity_proxy.accounts.stats import ModelCapacity
from antigravity_proxy.coerce import dated, wait
from antigravity_proxy.dialect.base import Rendered


class _Model(Struct, rename="camel"):
    """One model's line; ``retry_after`` in seconds, as a client would be told if no account can serve it now.

    ``remaining_fraction``: what is left of the accounts' quotas, on average; None: not known.
    """

    id: str
    usable: int
    cooling: int
    earliest_reset: str | None
    retry_after: int | None
    remaining_fraction: float | None


class _Capacity(Struct, rename="camel"):
    timestamp: str
    accounts: int
    usable: int
    models: list[_Model]


def render(models: Iterable[ModelCapacity], accounts: int, usable: int, epoch: float) -> Rendered:
    """The answer; ``accounts``: all that open, ``usable``: those that can serve, cooling or not."""
    lines = [
        _Model(
            id=each.model,
            usable=each.usable,
            cooling=each.cooling,
            earliest_reset=None if each.first_reset is None else _utc(math.ceil(dated(each.first_reset))),
            retry_after=None if each.first_reset is None or each.usable else wait(each.first_reset - epoch),
            remaining_fraction=each.remaining,
        )
        for each in models
    ]
    body = msgspec.json.encode(_Capacity(_utc(epoch), accounts, usable, lines))
    return Rendered(200, body, ((b"content-type", b"application/json"), (b"cache-control", b"no-store")))


def _utc(epoch: float) -> str:
    return datetime.fromtimestamp(dated(epoch), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
