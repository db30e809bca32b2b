"""Which account is chosen, and how long a failure sets one aside."""

from __future__ import annotations

from typing import Any

import pytest
from support.accounts import FAR, account

from antigravity_proxy import errors
from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.policy import NOWHERE, Eligibility, Moment
from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.accounts.state import ALL_MODELS, AccountState, Cooldown
from antigravity_proxy.canonical.grant import StaticKey
from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.canonical.verdict import Cause, Scope, Step, Verdict

INF = float("inf")
RULES = Rules()
NOW = Moment(monotonic=100.0, epoch=1_000_000.0)


def state(name: str = "a", **fields: Any) -> AccountState:
    return AccountState(account(name, **fields))


def verdict(**fields: Any) -> Verdict:
    return Verdict(
        **{
            "cause": Cause.QUOTA,
            "step": Step.NEXT_ACCOUNT,
            "scope": Scope.ACCOUNT_MODEL,
            "error": errors.RateLimited,
            "operator_words": "",
            "client_words": "",
            "takes_stated_delay": True,
            "takes_app_backoff": True,
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
        ({"disabled": "another provider"}, False),
        ({"expires_at": 0.0}, True),
        ({"expires_at": 0.0, "refresh_token": ""}, False),
        ({"refresh_token": ""}, True),
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
    barred.update(account(refresh_token="1//new"))
    assert policy.is_usable(barred, NOW)


def test_a_refresh_that_failed_is_not_tried_before_its_pause_is_over() -> None:
    expired = state(expires_at=0.0)
    expired.refresh_after = 150.0
    assert not policy.is_usable(expired, NOW)
    assert policy.is_usable(expired, Moment(150.0, NOW.epoch))


def rank(state: AccountState, rules: Rules = RULES, model: str = "m") -> policy.Rank:
    found = policy.eligibility(state, model, rules, NOW).rank
    assert found is not None
    return found


def test_fewest_in_flight_then_the_one_whose_turn_it_is() -> None:
    busy, later, idle = state("busy"), state("later"), state("idle")
    busy.in_flight, later.virtual_time, idle.virtual_time = 1, 9.0, 3.0
    assert sorted([busy, later, idle], key=rank) == [idle, later, busy]


def test_a_live_token_comes_before_an_idle_account_without() -> None:
    expired, live = state("expired", expires_at=0.0), state("live")
    live.in_flight = 9
    assert rank(live) < rank(expired)


def test_trouble_a_moment_ago_and_the_apps_mark_come_last() -> None:
    troubled, marked, good = state("t"), state("m", status="rate_limited"), state("g")
    troubled.last_until, good.in_flight = 105.0, 5
    assert rank(good) < rank(marked) < rank(troubled)
    assert policy.eligibility(troubled, "m", RULES, NOW).retry_at == 105.0


def test_an_account_that_is_not_offered_the_model_comes_last_of_all() -> None:
    unknown, offered, without = state("u"), state("o"), state("w")
    offered.offers(frozenset({"m", "n"}))
    without.offers(frozenset({"n"}))
    troubled = state("t", expires_at=0.0, status="rate_limited")
    troubled.last_until = 105.0
    assert rank(unknown)[0] == rank(offered)[0] == rank(without, model="n")[0] == 0
    assert rank(troubled) < rank(without)
    without.offers(None)
    assert rank(without)[0] == 0


def test_priorities_come_before_idleness_and_the_preferred_account_before_all() -> None:
    rules = Rules(preferred="p", priorities={"high": 2, "low": -1})
    accounts = [state(name) for name in ("low", "other", "high", "p")]
    for place, each in enumerate(accounts):
        each.in_flight = place
    assert sorted(accounts, key=lambda each: rank(each, rules)) == accounts[::-1]


def test_the_most_quota_comes_first_in_performance_first_alone() -> None:
    much, little = state("much", quota={"m": ModelQuota(0.9)}), state("little", quota={"m": ModelQuota(0.2)})
    much.in_flight = 3
    assert rank(much, Rules(mode="performance-first")) < rank(little, Rules(mode="performance-first"))
    assert rank(little) < rank(much)
    assert rank(much, Rules(mode="performance-first"), "other") == (*rank(much, model="other")[:2], -1.0, 3, 0.0)


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        (None, (1.0, INF)),
        ({"other": ModelQuota(0.1)}, (1.0, INF)),
        ({"m": ModelQuota(0.1)}, (0.1, INF)),
        ({"m": ModelQuota(0.1, NOW.epoch + 60)}, (0.1, NOW.monotonic + 60)),
        ({"m": ModelQuota(0.1, NOW.epoch)}, (1.0, INF)),
    ],
)
def test_a_quota_counts_until_it_begins_anew(
    quota: dict[str, ModelQuota] | None, expected: tuple[float, float]
) -> None:
    assert policy.remaining(state(quota=quota), "m", NOW) == expected


def test_a_used_up_quota_is_a_cooldown_until_its_reset() -> None:
    used_up = state(quota={"m": ModelQuota(0.0, NOW.epoch + 60)})
    assert policy.eligibility(used_up, "m", RULES, NOW) == Eligibility(None, 160.0, 160.0)
    assert policy.eligibility(used_up, "other", RULES, NOW).rank is not None
    assert policy.eligibility(state(quota={"m": ModelQuota(0.0)}), "m", RULES, NOW).rank is not None


def test_the_reserve_is_left_to_the_owner() -> None:
    low = state(quota={"m": ModelQuota(0.1, NOW.epoch + 60)})
    assert policy.eligibility(low, "m", RULES, NOW).retry_at == 160.0
    assert policy.eligibility(low, "m", RULES, NOW).rank is not None
    assert policy.eligibility(low, "m", Rules(reserve=0.1), NOW).cools == 160.0


def test_a_turn_is_the_further_off_the_less_quota_is_left() -> None:
    full, half, none = state(), state(quota={"m": ModelQuota(0.5)}), state(quota={"m": ModelQuota(0.0)})
    assert [policy.next_virtual_time(each, "m", 7.0, NOW) for each in (full, half, none)] == [8.0, 9.0, 27.0]
    full.virtual_time = 30.0
    assert policy.next_virtual_time(full, "m", 7.0, NOW) == 31.0


def test_a_cooldown_holds_for_its_model_or_for_all() -> None:
    one, both = state("one"), state("both")
    one.cooldowns["m"] = Cooldown(160.0)
    both.cooldowns |= {ALL_MODELS: Cooldown(130.0), "m": Cooldown(120.0)}
    assert [policy.eligibility(each, "m", RULES, NOW).cools for each in (one, both)] == [160.0, 130.0]
    assert rank(one, model="other")
    assert policy.cooling(one, "m", Moment(160.0, 0)) is None


def test_what_cannot_be_chosen_says_whether_time_helps() -> None:
    flagged, dead, pausing = state(), state(), state(expires_at=0.0)
    flagged.cooldowns[ALL_MODELS] = Cooldown(110.0, flagged=True)
    dead.barred, pausing.refresh_after = "why", 105.0
    silent = state(expires_at=0.0, refresh_token="")
    found = [policy.eligibility(each, "m", RULES, NOW) for each in (flagged, dead, pausing, silent)]
    assert found == [Eligibility(None, 110.0), NOWHERE, Eligibility(None, 105.0), NOWHERE]


def test_at_its_limit_an_account_is_full_and_nothing_else() -> None:
    full = state()
    full.in_flight = 2
    assert policy.eligibility(full, "m", Rules(max_leases=2), NOW) == Eligibility(None, busy=True)
    assert policy.eligibility(full, "m", Rules(max_leases=3), NOW).rank is not None


def test_a_stated_delay_is_taken_as_it_is() -> None:
    assert policy.cooldown_length(verdict(delay=47940.2, ladder=(5.0,)), 3, 1.0, RULES) == 47941.0
    assert policy.cooldown_length(verdict(delay=47941.0), 3, 1.0, Rules(breaker=False)) == 47941.0


@pytest.mark.parametrize(("strikes", "seconds"), [(0, 5.0), (1, 60.0), (2, 300.0), (9, 300.0)])
def test_a_default_climbs_its_ladder_with_jitter(strikes: int, seconds: float) -> None:
    stepped = verdict(ladder=(5.0, 60.0, 300.0))
    assert policy.cooldown_length(stepped, strikes, 0.0, RULES) == seconds
    assert policy.cooldown_length(stepped, strikes, 1.0, RULES) == pytest.approx(seconds * 1.1)


def test_no_ladder_no_cooldown() -> None:
    assert policy.cooldown_length(verdict(), 0, 1.0, RULES) == 0.0


@pytest.mark.parametrize(("takes", "seconds"), [(True, 7.0), (False, 5.0)])
def test_the_desktop_apps_steps_replace_the_ladders_that_take_them(takes: bool, seconds: float) -> None:
    rules = Rules(backoff=(7.0, 9.0))
    assert policy.cooldown_length(verdict(takes_app_backoff=takes, ladder=(5.0,)), 0, 0.0, rules) == seconds


@pytest.mark.parametrize(("takes", "seconds"), [(True, 0.0), (False, 5.0)])
def test_without_the_breaker_only_stated_times_count_for_quotas(takes: bool, seconds: float) -> None:
    rules = Rules(breaker=False)
    assert policy.cooldown_length(verdict(takes_stated_delay=takes, ladder=(5.0,)), 0, 0.0, rules) == seconds


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
    assert not policy.has_live_token(state(expires_at=NOW.epoch + policy.TOKEN_MARGIN), NOW)
    assert policy.has_live_token(state(expires_at=FAR), NOW)


def test_a_credential_may_be_kept_to_some_models_and_to_fewer_requests() -> None:
    kept = state(models=("gemini-*",), max_requests=1)
    assert policy.eligibility(kept, "claude-x", RULES, NOW) == policy.NOWHERE
    assert policy.eligibility(kept, "gemini-x", RULES, NOW).rank is not None
    kept.in_flight = 1
    assert policy.eligibility(kept, "gemini-x", Rules(max_leases=5), NOW) == Eligibility(None, busy=True)


def test_a_key_needs_no_renewal() -> None:
    key = state(grant=StaticKey(), expires_at=float("inf"))
    assert policy.has_live_token(key, NOW)
    assert not policy.can_refresh(key, NOW)
    assert policy.is_usable(key, NOW)


def test_the_credentials_own_priority_counts_where_the_rules_have_none() -> None:
    first, second = (policy.eligibility(state(priority=each), "m", RULES, NOW).rank for each in (2, 0))
    assert first is not None
    assert second is not None
    assert first < second
    ruled = policy.eligibility(state("a", priority=2), "m", Rules(priorities={"a": -1}), NOW).rank
    assert ruled is not None
    assert ruled > second


def test_a_week_of_which_nothing_is_known_is_not_held_back() -> None:
    assert policy.week_reserved(state(), "m", Rules(week_reserve=0.5), NOW) == 0.0
