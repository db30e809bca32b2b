"""What health counts of the accounts."""

from __future__ import annotations

from typing import Any

import pytest
from support.accounts import account

from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.policy import Moment
from antigravity_proxy.accounts.reasons import OF_MANY
from antigravity_proxy.accounts.state import ALL_MODELS, AccountState, Cooldown, OutOfUse, Shortage
from antigravity_proxy.accounts.stats import Tally, tally
from antigravity_proxy.relay.exhausted import no_account
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.resolve import Resolver
from antigravity_proxy.volume.reader import VolumeState
from antigravity_proxy.web.warnings import Surroundings, warnings

NOW = Moment(10.0, 1000.0)


def test_each_is_counted_for_what_keeps_it_from_serving() -> None:
    well, cooling, barred, unverified, was_unverified = (AccountState(account(name)) for name in "abcde")
    cooling.cooldowns["m"] = Cooldown(20.0)
    barred.barred = "revoked"
    unverified.cooldowns[ALL_MODELS] = Cooldown(20.0, flagged=True)
    was_unverified.cooldowns[ALL_MODELS] = Cooldown(9.0, flagged=True)
    counted = tally([well, cooling, barred, unverified, was_unverified], NOW)
    unable = {OutOfUse.BARRED: 1, OutOfUse.UNVERIFIED: 1}
    assert counted == Tally(accounts=5, usable=4, unable=unable)
    assert counted + counted == Tally(10, 8, {OutOfUse.BARRED: 2, OutOfUse.UNVERIFIED: 2})


def test_an_account_without_a_way_out_is_counted_apart() -> None:
    egresses = (None, Secret("socks5://proxy.example"), Secret("nonsense://proxy.example"))
    counted = tally([AccountState(account("a", egress=egress)) for egress in egresses], NOW)
    assert counted == Tally(accounts=3, usable=3, misdirected=1)
    assert (counted + counted).misdirected == 2


UNUSABLE: dict[OutOfUse, tuple[dict[str, Any], dict[str, Any]]] = {
    OutOfUse.DISABLED: ({"disabled": "another provider"}, {}),
    OutOfUse.PAUSED: ({"paused": True}, {}),
    OutOfUse.EXPIRED: ({"status": "expired"}, {}),
    OutOfUse.BARRED: ({}, {"barred": "Google has barred it"}),
    OutOfUse.NO_REFRESH_TOKEN: ({"refresh_token": "", "expires_at": 5.0}, {}),
    OutOfUse.NOT_RENEWED: ({"expires_at": 5.0}, {"refresh_after": 50.0}),
    OutOfUse.UNVERIFIED: ({}, {"cooldowns": {ALL_MODELS: Cooldown(20.0, flagged=True)}}),
}


@pytest.mark.parametrize("reason", OutOfUse)
def test_each_reason_has_its_words_for_operators_and_clients(reason: OutOfUse) -> None:
    fields, state = UNUSABLE[reason]
    made = AccountState(account("a", **fields))
    for name, value in state.items():
        setattr(made, name, value)
    assert policy.out_of_use(made, NOW) is reason
    counted = tally([made], NOW)
    assert counted.unable == {reason: 1}
    lack = Shortage(is_busy=False, free_in=None, accounts=0, in_all=1, unable=counted.unable)
    told = no_account("m", lack, 0.0)
    assert told.message == f"No account is usable for m: 1 of 1 {OF_MANY[reason].fact}; /health says what helps."
    settings = Resolver({}, {"GOOGLE_CLIENT_ID": "i", "GOOGLE_CLIENT_SECRET": "s"}, lambda path: "").all({})
    (warning,) = warnings(settings, VolumeState(read_at=1.0, accounts=(made.credential,)), Surroundings(tally=counted))
    assert warning == f"1 of 1 accounts {OF_MANY[reason].fact}: {OF_MANY[reason].cure}"


def test_the_reasons_are_named_together() -> None:
    lack = Shortage(is_busy=False, free_in=None, accounts=1, in_all=4, unable={OutOfUse.PAUSED: 1, OutOfUse.EXPIRED: 2})
    expected = "1 of 4 are paused for this proxy; 2 of 4 are marked as expired by the desktop app; 1 of 4 can't be"
    assert expected in no_account("m", lack, 0.0).message
