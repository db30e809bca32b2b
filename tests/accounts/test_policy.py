"""Which account is chosen, and how long a failure sets one aside."""

from __future__ import annotations

from typing import Any

import pytest
from support.accounts import FAR, account

from antigravity_proxy import errors
from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.policy import Moment
from antigravity_proxy.accounts.state import ALL_MODELS, AccountState, Cooldown
from antigravity_proxy.codeassist.verdict import Scope, Step, Verdict
from antigravity_proxy.secret import Secret

NOW = Moment(monotonic=100.0, epoch=1_000_000.0)


def state(name: str = "a", **fields: Any) -> AccountState:
    return AccountState(account(name, **fields))


def verdict(**fields: Any) -> Verdict:
    return Verdict(
        **{
            "row": 1,
            "step": Step.NEXT_ACCOUNT,
            "scope": Scope.ACCOUNT_MODEL,
            "error": errors.RateLimited,
            "sentence": "",
        }
        | fields
    )


@pytest.mark.parametrize(
    ("fields", "usable"),
    [
        ({}, True),
        ({"status": "rate_limited"}, True),
        ({"status": "never heard of"}, True),
        ({"status": "expired"}, False),
        ({"provider": "anthropic"}, False),
        ({"expiry_timestamp": 0.0}, True),
        ({"expiry_timestamp": 0.0, "refresh_token": Secret("")}, False),
        ({"refresh_token": Secret("")}, True),
    ],
)
def test_usable_means_googles_with_a_token_or_a_way_to_one(fields: dict[str, Any], usable: bool) -> None:
    assert policy.is_usable(state(**fields), NOW) is usable


def test_a_barred_account_is_not_usable_until_its_row_changes() -> None:
    barred = state()
    barred.barred = "why"
    assert not policy.is_usable(barred, NOW)
    barred.update(account())
    assert not policy.is_usable(barred, NOW)
    barred.update(account(refresh_token=Secret("1//new")))
    assert policy.is_usable(barred, NOW)


def test_a_refresh_that_failed_is_not_tried_before_its_pause_is_over() -> None:
    expired = state(expiry_timestamp=0.0)
    expired.refresh_after = 150.0
    assert not policy.is_usable(expired, NOW)
    assert policy.is_usable(expired, Moment(150.0, NOW.epoch))


def test_fewest_in_flight_then_longest_idle() -> None:
    busy, recent, idle = state("busy"), state("recent"), state("idle")
    busy.in_flight, recent.last_leased, idle.last_leased = 1, 99.0, 50.0
    assert policy.choose([busy, recent, idle], "m", (), NOW) is idle
    assert policy.choose([busy, recent], "m", (), NOW) is recent


def test_a_live_token_comes_before_an_idle_account_without() -> None:
    expired, live = state("expired", expiry_timestamp=0.0), state("live")
    live.in_flight = 9
    assert policy.choose([expired, live], "m", (), NOW) is live
    assert policy.choose([expired], "m", (), NOW) is expired


def test_trouble_a_moment_ago_and_the_apps_mark_come_last() -> None:
    troubled, marked, good = state("t"), state("m", status="rate_limited"), state("g")
    troubled.last_until, good.in_flight = 105.0, 5
    assert policy.choose([troubled, marked, good], "m", (), NOW) is good
    assert policy.choose([troubled, marked], "m", (), NOW) is marked
    assert policy.choose([troubled], "m", (), NOW) is troubled


def test_the_tried_are_not_chosen_again() -> None:
    a, b = state("a"), state("b")
    assert policy.choose([a, b], "m", (a,), NOW) is b
    assert policy.choose([a, b], "m", (a, b), NOW) is None


def test_a_cooldown_holds_for_its_model_or_for_all() -> None:
    one, all_models = state("one"), state("all")
    one.cooldowns["m"] = Cooldown(160.0)
    all_models.cooldowns[ALL_MODELS] = Cooldown(130.0)
    assert policy.choose([one, all_models], "m", (), NOW) is None
    assert policy.choose([one, all_models], "other", (), NOW) is one
    assert policy.cooling_until(one, "m", NOW) == 160.0
    assert policy.cooling_until(one, "m", Moment(160.0, 0)) == 0.0
    assert policy.first_free([one, all_models], "m", NOW) == 130.0


def test_first_free_is_none_while_any_is_free_or_none_merely_cools() -> None:
    cooling, flagged, free = state("c"), state("f"), state("x")
    cooling.cooldowns["m"] = Cooldown(160.0)
    flagged.cooldowns[ALL_MODELS] = Cooldown(110.0, flagged=True)
    assert policy.first_free([cooling, flagged], "m", NOW) == 160.0
    assert policy.first_free([flagged], "m", NOW) is None
    assert policy.first_free([cooling, free], "m", NOW) is None
    assert policy.first_free([], "m", NOW) is None


def test_a_stated_delay_is_taken_as_it_is() -> None:
    assert policy.cooldown_length(verdict(delay=47941.0, ladder=(5.0,)), 3, 1.0) == 47941.0


@pytest.mark.parametrize(("strikes", "seconds"), [(0, 5.0), (1, 60.0), (2, 300.0), (9, 300.0)])
def test_a_default_climbs_its_ladder_with_jitter(strikes: int, seconds: float) -> None:
    stepped = verdict(ladder=(5.0, 60.0, 300.0))
    assert policy.cooldown_length(stepped, strikes, 0.0) == seconds
    assert policy.cooldown_length(stepped, strikes, 1.0) == pytest.approx(seconds * 1.1)


def test_no_ladder_no_cooldown() -> None:
    assert policy.cooldown_length(verdict(), 0, 1.0) == 0.0


@pytest.mark.parametrize(
    ("fields", "keys"),
    [
        ({"scope": Scope.ACCOUNT}, (ALL_MODELS,)),
        ({}, ("sent",)),
        ({"model": "sent"}, ("sent",)),
        ({"model": "named"}, ("sent", "named")),
        ({"scope": Scope.NONE}, ()),
        ({"scope": Scope.LAST_IN_ORDER}, ()),
    ],
)
def test_what_is_cooled(fields: dict[str, Any], keys: tuple[str, ...]) -> None:
    assert policy.cooldown_keys(verdict(**fields), "sent") == keys


def test_an_expiry_soon_is_no_live_token() -> None:
    assert not policy.has_live_token(state(expiry_timestamp=NOW.epoch + policy.TOKEN_MARGIN), NOW)
    assert policy.has_live_token(state(expiry_timestamp=FAR), NOW)
