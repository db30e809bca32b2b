"""Which word counts: the settings', else the desktop app's, else the default."""

from __future__ import annotations

import pytest

from antigravity_proxy.accounts.rules import SHORT_WAIT, Rules
from antigravity_proxy.settings.resolve import Resolver
from antigravity_proxy.startup import gui_values
from antigravity_proxy.volume.guiconfig import GuiConfig

GUI = GuiConfig(
    scheduling_mode="cache-first",
    max_wait_seconds=0.0,
    preferred_account_id="p",
    circuit_breaker_enabled=False,
    circuit_breaker_backoff_steps=(7.0,),
)


def rules(config: GuiConfig | None, **environment: str) -> Rules:
    return Rules.of(Resolver({}, environment, str).all(gui_values(config)))


def test_nothing_said_is_the_default() -> None:
    assert rules(None) == rules(GuiConfig()) == Rules()


def test_the_desktop_apps_word_counts() -> None:
    assert rules(GUI) == Rules("cache-first", 0.0, "p", backoff=(7.0,), breaker=False)


def test_the_settings_word_counts_more() -> None:
    found = rules(
        GUI,
        PROXY_SCHEDULING_MODE="performance-first",
        PROXY_MAX_WAIT_SECONDS="5",
        PROXY_PREFERRED_ACCOUNT_ID="q",
        PROXY_ACCOUNT_PRIORITIES="x=1",
        PROXY_ACCOUNT_MAX_REQUESTS="4",
        PROXY_QUOTA_RESERVE="10%",
        PROXY_CIRCUIT_BREAKER="true",
        PROXY_BACKOFF_STEPS="1,2",
    )
    assert found == Rules("performance-first", 5.0, "q", {"x": 1}, 4, 0.1, (1.0, 2.0), True)


@pytest.mark.parametrize(
    ("written", "mode"), [("Balance", "balance"), ("CACHE-FIRST", "cache-first"), ("x", "balance")]
)
def test_an_unknown_mode_reads_as_balance(written: str, mode: str) -> None:
    assert rules(GuiConfig(scheduling_mode=written)).mode == mode


def test_only_cache_first_waits_for_long() -> None:
    assert Rules().patience == Rules(mode="performance-first").patience == SHORT_WAIT
    assert Rules(mode="cache-first", max_wait=30.0).patience == 30.0
