"""How much can be served, told without naming anybody."""

from __future__ import annotations

from support.accounts import account

from antigravity_proxy.accounts.policy import Moment
from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.accounts.state import ALL_MODELS, AccountState, Cooldown
from antigravity_proxy.accounts.stats import ModelCapacity, capacity
from antigravity_proxy.canonical.offers import ModelQuota

NOW = Moment(100.0, 1_000_000.0)


def test_each_model_has_its_own_count_and_reset() -> None:
    free, cooling, flagged, busy, dead = (AccountState(account(name)) for name in "abdef")
    used_up = AccountState(account("c", quota={"m": ModelQuota(0.0, NOW.epoch + 30), "n": ModelQuota(0.5)}))
    cooling.cooldowns["m"] = Cooldown(160.0)
    busy.observed({"n": ModelQuota(0.25)})
    flagged.cooldowns[ALL_MODELS] = Cooldown(110.0, flagged=True)
    busy.cooldowns["x"] = Cooldown(1.0)
    busy.in_flight = 1
    dead.barred = "why"
    without = AccountState(account("g"))
    without.offers(frozenset({"x"}))
    states = [without, free, cooling, used_up, flagged, busy, dead]
    assert capacity(["m", "n"], states, Rules(max_leases=1), NOW) == (
        ModelCapacity("m", 2, 2, NOW.epoch + 30, 0.0),
        ModelCapacity("n", 4, 0, None, 0.375),
    )


def test_nobody_can_serve_nothing() -> None:
    assert capacity(["m"], [], Rules(), NOW) == (ModelCapacity("m", 0, 0),)
