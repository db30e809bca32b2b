"""What ``fetchAvailableModels`` tells of an account."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity_proxy.canonical.offers import Available, ModelQuota, Offer, Offers
from antigravity_proxy.codeassist.available import read_available

TWO = 1_795_572_000.0  # 2026-11-25T02:00:00Z


def quotas(told: Any, *, with_project: bool = True) -> Any:
    return read_available({"models": {"m": told}}, with_project=with_project).quotas


def test_the_golden_answer(golden: Callable[[str], bytes]) -> None:
    answer = json.loads(golden("fetchAvailableModels.response.json"))
    assert read_available(answer, with_project=True) == Available(
        Offers(
            (
                Offer("chat_20706"),
                Offer("claude-sonnet-4-6", "Claude Sonnet 4.6"),
                Offer("gemini-3-flash", "Gemini 3 Flash", 1_048_576, 65_536, True),
            ),
            (("gemini-3-pro-high", "gemini-pro-agent"),),
            ("gemini-3-flash",),
        ),
        {
            "gemini-3-flash": ModelQuota(0.62, 1_795_485_600.0),
            "claude-sonnet-4-6": ModelQuota(0.0, 1_795_515_541.0),
        },
    )


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, {}),
        ({"quotaInfo": None}, {}),
        ({"quotaInfo": {}}, {"m": ModelQuota(0.0)}),
        ({"quotaInfo": {"remainingFraction": 1, "resetTime": "2026-11-25T02:00:00Z"}}, {"m": ModelQuota(1.0, TWO)}),
        (
            {"quotaInfo": {"remainingFraction": 0.5, "resetTime": "2026-11-25T03:00:00+01:00"}},
            {"m": ModelQuota(0.5, TWO)},
        ),
        ({"quotaInfo": {"remainingFraction": 7, "resetTime": ""}}, {"m": ModelQuota(1.0)}),
        ({"quotaInfo": {"remainingFraction": -1, "resetTime": 5}}, {"m": ModelQuota(0.0)}),
        ({"quotaInfo": {"remainingFraction": "0.5"}}, {}),
        ({"quotaInfo": {"remainingFraction": None}}, {}),
        ({"quotaInfo": {"remainingFraction": True}}, {}),
        ({"quotaInfo": {"remainingFraction": float("nan")}}, {}),
        ({"quotaInfo": {"remainingFraction": 10**400}}, {}),
        ("words", {}),
    ],
)
def test_an_absent_fraction_is_nothing_and_an_absent_quota_unknown(told: Any, expected: Any) -> None:
    assert quotas(told) == expected


def test_without_a_project_a_full_quota_is_not_believed() -> None:
    assert quotas({"quotaInfo": {"remainingFraction": 1}}, with_project=False) == {}
    assert quotas({"quotaInfo": {"remainingFraction": 0.9}}, with_project=False) == {"m": ModelQuota(0.9)}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (65_536, 65_536),
        ("65536", 65_536),
        (65_536.0, 65_536),
        (0, None),
        (-5, None),
        (1e300, None),
        (float("inf"), None),
        ("many", None),
        ("9" * 50, None),
        (True, None),
        (None, None),
    ],
)
def test_a_limit_that_can_be_none_is_absent(told: Any, expected: Any) -> None:
    (offer,) = read_available({"models": {"m": {"maxOutputTokens": told}}}, with_project=True).offers.models
    assert offer.output == expected


_keys = st.sampled_from(
    ["m", "displayName", "quotaInfo", "remainingFraction", "resetTime", "maxTokens", "newModelId", "supportsThinking"]
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["models", "deprecatedModelIds", "webSearchModelIds"]), _json))
def test_whatever_comes_it_can_be_used(answer: dict[str, Any]) -> None:
    found = read_available(answer, with_project=True)
    hash(found.offers)
    assert all(0 <= quota.remaining <= 1 for quota in found.quotas.values())
    assert all(old and new for old, new in found.offers.forwarded)
