"""How the accounts are, in numbers for health. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.policy import Moment
from antigravity_proxy.accounts.state import AccountState


class Tally(Struct, frozen=True):
    """``usable``: accounts that can serve, cooling or not. ``barred``: out of use until their row changes, since their
    sign-in was revoked, or upstream has barred them. ``unverified``: Google waits for their owner.
    """

    usable: int = 0
    barred: int = 0
    unverified: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.usable + other.usable, self.barred + other.barred, self.unverified + other.unverified)


def tally(states: Iterable[AccountState], now: Moment) -> Tally:
    """Counts the accounts."""
    usable = barred = unverified = 0
    for state in states:
        usable += policy.is_usable(state, now)
        barred += bool(state.barred)
        unverified += bool(state.cooldowns) and policy.is_flagged(state, now)
    return Tally(usable, barred, unverified)
