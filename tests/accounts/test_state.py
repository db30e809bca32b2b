"""What a changed row changes, and what it doesn't."""

from __future__ import annotations

from support.accounts import FAR, account

from antigravity_proxy.accounts.lease import Lease
from antigravity_proxy.accounts.state import ALL_MODELS, AccountState, Cooldown
from antigravity_proxy.canonical.grant import IssuedToken
from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.secret import Secret


def test_an_unchanged_row_changes_nothing() -> None:
    state = AccountState(account(expires_at=10.0))
    state.access_token, state.expires_at, state.refresh_failures = Secret("fresh"), FAR, 2
    state.update(account(expires_at=10.0))
    assert (state.access_token, state.expires_at, state.refresh_failures) == (Secret("fresh"), FAR, 2)


def test_our_fresher_token_stays_when_the_rows_is_older() -> None:
    state = AccountState(account(expires_at=10.0))
    state.access_token, state.expires_at = Secret("fresh"), FAR
    state.update(account(expires_at=20.0))
    assert state.access_token == Secret("fresh")


def test_a_token_that_lives_longer_is_taken() -> None:
    state = AccountState(account(expires_at=10.0))
    state.update(account(access_token=Secret("new"), expires_at=FAR))
    assert (state.access_token, state.expires_at) == (Secret("new"), FAR)


def test_a_new_sign_in_is_taken_whatever_its_expiry() -> None:
    state = AccountState(account())
    state.update(account(access_token=Secret("new"), refresh_token="1//new", expires_at=5.0))
    assert (state.access_token, state.grant.token) == (Secret("new"), Secret("1//new"))


def test_a_rotated_refresh_token_survives_a_change_of_something_else() -> None:
    state = AccountState(account())
    state.renewed(IssuedToken(Secret("new"), FAR, Secret("1//rotated")))
    state.update(account(project="other"))
    assert (state.grant.token, state.project) == (Secret("1//rotated"), "other")


def test_a_changed_status_lifts_a_bar() -> None:
    state = AccountState(account(status="expired"))
    state.barred = "why"
    state.update(account())
    assert not state.barred


def test_the_apps_mark_counts_until_status_or_token_change() -> None:
    state = AccountState(account(status="expired"))
    assert state.expired
    state.update(account(status="expired", quota={"m": ModelQuota(0.5)}))
    assert state.expired
    state.update(account(status="expired", access_token=Secret("new")))
    assert not state.expired
    state.update(account(access_token=Secret("new")))
    assert not state.expired
    state.update(account(status="expired", access_token=Secret("new")))
    assert state.expired
    state.forgive()
    assert not state.expired


def test_of_its_quotas_counts_what_was_learnt_last() -> None:
    state = AccountState(account(quota={"m": ModelQuota(0.5), "n": ModelQuota(0.5)}))
    state.observed({"m": ModelQuota(0.2)})
    assert state.quota == {"m": ModelQuota(0.2), "n": ModelQuota(0.5)}
    state.update(account(quota={"m": ModelQuota(0.5), "n": ModelQuota(0.5)}, status="rate_limited"))
    assert state.quota["m"] == ModelQuota(0.2)
    state.update(account(quota={"m": ModelQuota(0.9)}))
    assert state.quota == {"m": ModelQuota(0.9), "n": ModelQuota(0.5)}
    state.update(account())
    assert state.quota["m"] == ModelQuota(0.9)


def test_the_text_of_a_state_and_of_a_lease_says_how_they_are_and_nothing_private() -> None:
    state = AccountState(account("a"))
    lease = Lease(lambda _: None, state, "m")
    assert repr(state) == "<AccountState a, 0 in flight>"
    assert repr(lease) == "<Lease of a for m>"
    lease.release()
    assert repr(lease) == "<Lease of a for m, released>"
    state.cooldowns = {"m": Cooldown(5.0), ALL_MODELS: Cooldown(5.0)}
    state.barred, state.expired = "why", True
    assert repr(state) == "<AccountState a, 0 in flight, cools for m, cools for all models, barred, expired>"


def test_what_stands_already_changes_nothing() -> None:
    state, changed = AccountState(account()), list[AccountState]()
    state.on_change = changed.append
    state.stands(state.standing)
    assert not changed
