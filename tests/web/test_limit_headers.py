"""What clients are told is left to them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from antigravity_proxy.canonical.windows import FIVE_HOURS, WEEK, Standing, Window, fullest
from antigravity_proxy.web.budgets import Left
from antigravity_proxy.web.limit_headers import codex, codex_event, of_key, unified

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp()


def test_openai_and_anthropic_have_names_of_their_own_and_gemini_has_none() -> None:
    requests, tokens = Left(60, 58, 1.2), Left(1000, 0, 43_200.0)
    assert dict(of_key("openai", requests, tokens, NOW)) == {
        b"x-ratelimit-limit-requests": b"60",
        b"x-ratelimit-remaining-requests": b"58",
        b"x-ratelimit-reset-requests": b"2s",
        b"x-ratelimit-limit-tokens": b"1000",
        b"x-ratelimit-remaining-tokens": b"0",
        b"x-ratelimit-reset-tokens": b"12h0m0s",
    }
    assert dict(of_key("anthropic", requests, tokens, NOW)) == {
        b"anthropic-ratelimit-requests-limit": b"60",
        b"anthropic-ratelimit-requests-remaining": b"58",
        b"anthropic-ratelimit-requests-reset": b"2026-11-28T12:00:02Z",
        b"anthropic-ratelimit-tokens-limit": b"1000",
        b"anthropic-ratelimit-tokens-remaining": b"0",
        b"anthropic-ratelimit-tokens-reset": b"2026-11-29T00:00:00Z",
    }
    assert of_key("gemini", requests, tokens, NOW) == ()
    assert of_key("openai", None, None, NOW) == ()


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, b"0ms"), (0.0121, b"13ms"), (1, b"1s"), (59.2, b"1m0s"), (360, b"6m0s"), (86_399, b"23h59m59s")],
)
def test_spans_are_written_as_openai_does(seconds: float, told: bytes) -> None:
    assert dict(of_key("openai", Left(1, 1, seconds), None, NOW))[b"x-ratelimit-reset-requests"] == told


@pytest.mark.parametrize(
    ("remaining", "used", "status"),
    [(1.0, b"0", b"allowed"), (0.5, b"0.5", b"allowed"), (0.1, b"0.9", b"allowed_warning"), (0.0, b"1", b"rejected")],
)
def test_windows_are_told_as_used_parts(remaining: float, used: bytes, status: bytes) -> None:
    windows = {FIVE_HOURS: Window(1.0, NOW + 60), WEEK: Window(remaining, NOW + 3600.2)}
    found = dict(unified(windows, NOW))
    assert found[b"anthropic-ratelimit-unified-5h-status"] == b"allowed"
    assert found[b"anthropic-ratelimit-unified-7d-utilization"] == used
    assert found[b"anthropic-ratelimit-unified-7d-status"] == status
    assert found[b"anthropic-ratelimit-unified-7d-reset"] == b"%d" % (NOW + 3601)
    assert found[b"anthropic-ratelimit-unified-status"] == status


def test_of_what_is_not_known_nothing_is_said() -> None:
    assert unified({}, NOW) == ()
    assert unified({FIVE_HOURS: Window(0.5), WEEK: Window(0.5, NOW - 1)}, NOW) == ()


def test_codex_is_told_in_percent_and_of_no_window_that_is_over() -> None:
    windows = {FIVE_HOURS: Window(0.253, NOW + 60.2), WEEK: Window(0.5, NOW)}
    assert dict(codex(windows, NOW)) == {
        b"x-codex-primary-used-percent": b"74.7",
        b"x-codex-primary-window-minutes": b"300",
        b"x-codex-primary-reset-at": b"%d" % (NOW + 61),
    }
    assert json.loads(codex_event(windows, NOW))["rate_limits"] == {
        "primary": {"used_percent": 74.7, "window_minutes": 300, "reset_at": int(NOW + 61)}
    }
    assert codex({WEEK: Window(0.5)}, NOW) == ()
    assert codex_event({}, NOW) == b""


def test_of_several_accounts_the_fullest_windows_count() -> None:
    little, much = ({"Gemini": {WEEK: Window(left, NOW + 60)}} for left in (0.1, 0.9))
    for order in ((little, much), (much, little)):
        assert fullest(map(Standing, order), "gemini-3-flash") == {WEEK: Window(0.9, NOW + 60)}
    assert fullest((), "gemini-3-flash") == {}
