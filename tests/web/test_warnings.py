"""Each thing that an operator should know has its own words."""

from __future__ import annotations

from typing import Any

import pytest

from antigravity_proxy.accounts.state import OutOfUse
from antigravity_proxy.accounts.stats import Tally
from antigravity_proxy.settings.resolve import Resolver
from antigravity_proxy.volume.accounts import RowProblem
from antigravity_proxy.volume.guiconfig import GuiConfig
from antigravity_proxy.volume.keys import KeyFinding
from antigravity_proxy.volume.reader import VolumeState
from antigravity_proxy.web.warnings import Surroundings, warnings

CLIENT = {"GOOGLE_CLIENT_ID": "i", "GOOGLE_CLIENT_SECRET": "s"}

WELL = VolumeState(read_at=1.0, key_count=1)


def told(state: VolumeState | None = None, environ: dict[str, str] | None = None, /, **around: Any) -> tuple[str, ...]:
    settings = Resolver({}, CLIENT if environ is None else environ, lambda path: "").all({})
    return warnings(settings, state or WELL, Surroundings(**({"tally": Tally(1, 1)} | around)))


SEALED = (RowProblem("a", "no key opens its token", sealed=True),)
PLAIN = (RowProblem("a", "its token_json is not JSON", sealed=False),)


def test_when_all_is_well_nothing_is_told() -> None:
    assert told() == ()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (VolumeState(read_at=1.0, key_count=1, problems=SEALED), "belong to another volume"),
        (VolumeState(read_at=1.0, problems=SEALED), "No key was found"),
        (VolumeState(read_at=1.0, key_count=1, problems=PLAIN), "1 account rows can't be opened"),
        (VolumeState(read_at=1.0, key_count=1, problems=PLAIN, kept=1), "1 accounts stay in use with the sign-in"),
        (VolumeState(read_at=1.0, key_count=1, alone=True), "cloud_accounts.db is mounted as a single file"),
        (VolumeState(read_at=1.0, key_count=1, config_error="half-written"), "half-written; the last good one stays"),
        (
            VolumeState(read_at=1.0, key_count=1, config=GuiConfig(notes=("port is not a number",))),
            "port is not a number",
        ),
        (VolumeState(read_at=1.0, key_count=1, key_findings=(KeyFinding("wrapped", ".mk", "export it"),)), "export it"),
    ],
)
def test_the_volumes_matters(state: VolumeState, words: str) -> None:
    (only,) = told(state)
    assert words in only


@pytest.mark.parametrize(
    ("environ", "around", "words"),
    [
        (None, {"keys_closed": True}, "every request is refused"),
        ({}, {}, "GOOGLE_CLIENT_ID is not set"),
        (None, {"misconfigured": "invalid_client"}, "not renewed: invalid_client"),
        (None, {"writable": False}, "running read-only"),
        (None, {"tally": Tally(3, 1, {OutOfUse.BARRED: 2})}, "2 of 3 accounts are out of use: their sign-in was"),
        (None, {"tally": Tally(3, 3, {OutOfUse.UNVERIFIED: 1})}, "1 of 3 accounts are set aside: Google asks their"),
        (None, {"tally": Tally(2, 2, misdirected=1)}, "1 of 2 accounts name an egress proxy of their own that can't"),
        (None, {"egress": "The egress proxy http://h:1 gives no way"}, "(set by default; UPSTREAM_PROXY_URL=none"),
        (None, {"own_egress": 2}, "2 egress proxies that accounts name for themselves fail"),
        (None, {"client_keys": "it isn't there"}, "PROXY_CLIENT_KEYS_FILE: it isn't there; its last good keys stay"),
        (None, {"credentials": "PROXY_CREDENTIALS_FILE: line 1"}, "line 1; what it held before stays in force"),
        (None, {"models": "line 3: no"}, "PROXY_MODELS_FILE: line 3: no; what it held before stays in force"),
        (None, {"state": "it is full"}, "PROXY_STATE_DIR: it is full; usage, budgets and cooldowns are kept in memory"),
        (None, {"exposed": True}, "PROXY_STATE_DIR: other users may look into it"),
        (None, {"apart": "Redis is full"}, "Redis is full: replicas do not share their state meanwhile"),
    ],
)
def test_the_daemons_own(environ: dict[str, str] | None, around: dict[str, Any], words: str) -> None:
    (only,) = told(None, environ, **around)
    assert words in only


def test_who_is_out_of_use_while_others_serve_is_no_matter_for_a_warning() -> None:
    assert told(tally=Tally(3, 1, {OutOfUse.PAUSED: 1, OutOfUse.EXPIRED: 1})) == ()


def test_an_empty_volume_is_said() -> None:
    (only,) = told(tally=Tally())
    assert only.startswith("The volume contains no account")


def test_read_only_mode_is_no_surprise() -> None:
    assert told(None, CLIENT | {"READONLY_MODE": "true"}, writable=False) == ()
