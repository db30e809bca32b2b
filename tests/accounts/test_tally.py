"""What health counts of the accounts."""

from __future__ import annotations

from support.accounts import account

from antigravity_proxy.accounts.policy import Moment
from antigravity_proxy.accounts.state import ALL_MODELS, AccountState, Cooldown
from antigravity_proxy.accounts.stats import Tally, tally


def test_each_is_counted_for_what_keeps_it_from_serving() -> None:
    well, cooling, barred, unverified, was_unverified = (AccountState(account(name)) for name in "abcde")
    cooling.cooldowns["m"] = Cooldown(20.0)
    barred.barred = "revoked"
    unverified.cooldowns[ALL_MODELS] = Cooldown(20.0, flagged=True)
    was_unverified.cooldowns[ALL_MODELS] = Cooldown(9.0, flagged=True)
    counted = tally([well, cooling, barred, unverified, was_unverified], Moment(10.0, 1000.0))
    assert counted == Tally(usable=4, barred=1, unverified=1)
    assert counted + counted == Tally(8, 2, 2)
