"""How accounts are chosen, as the settings say. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from antigravity_proxy.settings.table import Settings

Mode = Literal["balance", "cache-first", "performance-first"]

_MODES: dict[str, Mode] = {"balance": "balance", "cache-first": "cache-first", "performance-first": "performance-first"}
#: seconds that a request waits for the first account to be free again, if that is all it takes
SHORT_WAIT = 2.0


class Rules(Struct, frozen=True):
    """How accounts are chosen; the defaults are the desktop app's (credential-volume.md 1.7).

    ``max_wait`` in seconds: how long ``cache-first`` waits for an account to be free again. ``priorities`` by account
    id, 0 for others: a lower one serves only where no higher can. ``max_leases``: requests that one account may serve
    at a time, 0: any number. ``reserve``: the share of a quota, 0 to 1, that is left to the account's owner,
    ``week_reserve`` the same of its week.
    ``backoff``: seconds of the default cooldowns, empty: upstream.md's. Without ``breaker`` only times that upstream
    states set an account aside for its quota.
    """

    mode: Mode = "balance"
    max_wait: float = 60.0
    preferred: str = ""
    priorities: Mapping[str, int] = {}
    max_leases: int = 0
    reserve: float = 0.0
    backoff: tuple[float, ...] = ()
    breaker: bool = True
    week_reserve: float = 0.0

    @property
    def patience(self) -> float:
        """Seconds that a request may wait for an account."""
        return self.max_wait if self.mode == "cache-first" else SHORT_WAIT

    @classmethod
    def of(cls, settings: Settings) -> Rules:
        """The rules that the settings describe."""
        return cls(
            mode=_MODES[settings.scheduling_mode],
            max_wait=settings.max_wait,
            preferred=settings.preferred_account or "",
            priorities=settings.account_priorities or {},
            max_leases=settings.account_requests or 0,
            reserve=settings.quota_reserve,
            week_reserve=settings.week_reserve,
            backoff=settings.backoff_steps,
            breaker=settings.circuit_breaker,
        )
