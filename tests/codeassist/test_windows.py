"""Windows of an account's quota, its tier and its credits: what upstream's answers say, and what follows."""

from __future__ import annotations

from typing import Any

import pytest

from antigravity_proxy.canonical.windows import (
    FIVE_HOURS,
    SECONDS,
    WEEK,
    Standing,
    Window,
    family_of,
    of_model,
    used_up_at,
)
from antigravity_proxy.codeassist.windows import read_tier, read_windows

RESET = "2026-11-28T17:00:00Z"
AT = 1_795_885_200.0


def group(name: Any, *buckets: Any) -> dict[str, Any]:
    return {"displayName": name, "buckets": list(buckets)}


def paid(tier: str, *credits: object) -> dict[str, Any]:
    return {"paidTier": {"id": tier, "availableCredits": [{"creditAmount": each} for each in credits]}}


def test_groups_and_windows_are_read() -> None:
    found = read_windows(
        {
            "groups": [
                group(
                    "Gemini models",
                    {"bucketId": "x", "window": "5h", "remainingFraction": 0.6, "resetTime": RESET},
                    {"window": "5h", "remainingFraction": 0.4, "resetTime": RESET},
                    {"window": "weekly"},
                    {"window": "monthly", "remainingFraction": 0.1},
                ),
                group("Claude models", {"window": "weekly", "remainingFraction": 1.5}),
            ]
        }
    )
    assert found == {
        "Gemini models": {FIVE_HOURS: Window(0.4, AT), WEEK: Window(0.0, None)},
        "Claude models": {WEEK: Window(1.0, None)},
    }


@pytest.mark.parametrize(
    "answer",
    [{}, {"groups": 5}, {"groups": [5, None]}, {"groups": [group(5, 5, {"window": {}})]}, {"groups": [group("x")]}],
)
def test_what_is_no_group_is_none(answer: dict[str, Any]) -> None:
    assert read_windows(answer) == {}


def test_names_and_groups_are_bounded() -> None:
    bucket = {"window": "5h", "remainingFraction": 0.5}
    found = read_windows({"groups": [group(f"{number}" + "x" * 1000, bucket) for number in range(100)]})
    assert len(found) == 16
    assert max(map(len, found)) == 64


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            {"paidTier": {"id": "g1-pro-tier", "availableCredits": [{"creditAmount": "120"}, {"creditAmount": "5"}]}},
            ("g1-pro-tier", 125),
        ),
        ({"currentTier": {"id": "free-tier"}}, ("free-tier", None)),
        (
            {"paidTier": {"availableCredits": [{"creditAmount": x} for x in ("-1", "x", None, True, "9" * 30)]}},
            ("", None),
        ),
        ({"paidTier": 5, "currentTier": []}, ("", None)),
        (paid("p", 7), ("p", 7)),
    ],
)
def test_tier_and_credits_are_read(answer: dict[str, Any], told: tuple[str, int | None]) -> None:
    assert read_tier(answer) == told


def test_a_model_is_counted_by_the_group_of_its_family() -> None:
    gemini, claude = {WEEK: Window(0.5)}, {WEEK: Window(0.1)}
    both = Standing({"Gemini models": gemini, "Claude and GPT": claude})
    assert of_model(both, "gemini-3-flash") is gemini
    assert of_model(both, "claude-sonnet-4-6") is claude
    assert of_model(both, "gpt-oss-120b-medium") == {}
    assert of_model(Standing({"everything": gemini}), "claude-sonnet-4-6") is gemini
    assert of_model(Standing(), "gemini-3-flash") == {}
    assert family_of("Anthropic") == "claude"


def test_a_pace_says_when_it_ends_against_when_it_begins_again() -> None:
    now = 1_000_000.0
    half_over = now + SECONDS[FIVE_HOURS] / 2
    assert used_up_at(Window(0.25, half_over), FIVE_HOURS, now) == pytest.approx(now + SECONDS[FIVE_HOURS] / 6)
    assert used_up_at(Window(0.6, half_over), FIVE_HOURS, now) is None
    assert used_up_at(Window(0.0, half_over), FIVE_HOURS, now) == now
    assert used_up_at(Window(1.0, half_over), FIVE_HOURS, now) is None
    assert used_up_at(Window(0.5, now + SECONDS[WEEK] - 60), WEEK, now) is None  # too early to say
    assert used_up_at(Window(0.5, now - 1), WEEK, now) is None
    assert used_up_at(Window(0.5), WEEK, now) is None
    assert used_up_at(Window(0.5, now + 1), "another", now) is None


def test_a_group_without_a_window_is_left_out() -> None:
    assert read_windows({"groups": [group("Gemini"), group("Other", {"window": "a year"})]}) == {}


def test_the_tightest_of_several_windows_counts_whatever_their_order() -> None:
    tight, wide = ({"window": WEEK, "remainingFraction": left} for left in (0.2, 0.9))
    for buckets in ((tight, wide), (wide, tight)):
        assert read_windows({"groups": [group("Gemini", *buckets)]})["Gemini"][WEEK].remaining == 0.2
