"""Thinking budgets and the limits that go with them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.models import MODELS

from antigravity_proxy.canonical.call import Reasoning
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.generatecontent.thinking import ThinkingConfig, fit_output, thinking_config

OFF, NOTHING = Reasoning("off", show=False), Reasoning()


@pytest.mark.parametrize(
    ("model", "said", "expected"),
    [
        # nothing said
        ("gemini-3-flash", NOTHING, ThinkingConfig(True)),
        ("gemini-pro-agent", NOTHING, ThinkingConfig(True, 10_001)),
        ("gemini-3.5-flash-low", NOTHING, ThinkingConfig(True, 4000)),
        ("claude-opus-4-6-thinking", NOTHING, ThinkingConfig(True, 8192)),
        ("claude-sonnet-4-6", NOTHING, None),
        ("gpt-oss-120b-medium", NOTHING, None),
        ("gpt-oss-120b-medium", Reasoning("on", effort="high"), None),
        ("gemini-3-pro-image", Reasoning("on", 1000), None),
        ("gemini-3-flash", Reasoning(show=False), ThinkingConfig(False)),
        # words
        ("gemini-3-flash", Reasoning("on", effort="minimal"), ThinkingConfig(True, 512)),
        ("gemini-3-flash", Reasoning("on", effort="low"), ThinkingConfig(True, 1024)),
        ("gemini-3-flash", Reasoning("on", effort="medium"), ThinkingConfig(True, 8192)),
        ("gemini-3-flash", Reasoning("on", effort="high", show=False), ThinkingConfig(False, 24_576)),
        ("gemini-3-flash", Reasoning("on", effort="max"), ThinkingConfig(True, 32_768)),
        ("gemini-3.6-flash-high", Reasoning("on", effort="max"), ThinkingConfig(True, 65_535)),
        ("claude-sonnet-4-6", Reasoning("on", effort="minimal"), ThinkingConfig(True, 1024)),
        ("claude-sonnet-4-6", Reasoning("on", effort="xhigh"), ThinkingConfig(True, 32_768)),
        # budgets
        ("gemini-3-flash", Reasoning("on", 1), ThinkingConfig(True, 128)),
        ("gemini-3-flash", Reasoning("on", 5000, effort="low"), ThinkingConfig(True, 5000)),
        ("claude-opus-4-6-thinking", Reasoning("on", 10**9), ThinkingConfig(True, 63_999)),
        ("gemini-pro-agent", Reasoning("on", 5), ThinkingConfig(True, 10_001)),  # the id fixes the depth
        # the model decides
        ("gemini-3-flash", Reasoning("auto", -1), ThinkingConfig(True)),
        ("claude-sonnet-4-6", Reasoning("auto"), ThinkingConfig(True, 8192)),
        ("claude-sonnet-4-6", Reasoning("auto", -1), ThinkingConfig(True, 8192)),
        # off
        ("gemini-2.5-flash", OFF, ThinkingConfig(False, 0)),
        ("gemini-3.1-flash-lite", OFF, ThinkingConfig(False, 0)),
        ("gemini-3-flash", OFF, ThinkingConfig(False, 128)),
        ("gemini-pro-agent", OFF, ThinkingConfig(False, 128)),
        ("gemini-3-flash", Reasoning("on", effort="none"), ThinkingConfig(False, 128)),
        ("claude-sonnet-4-6", OFF, None),
        ("claude-opus-4-6-thinking", OFF, ThinkingConfig(False, 1024)),
    ],
)
def test_what_the_client_said_becomes(model: str, said: Reasoning, expected: ThinkingConfig | None) -> None:
    assert thinking_config(said, MODELS[model]) == expected


@pytest.mark.parametrize(
    ("model", "wanted", "budget", "expected"),
    [
        ("gemini-3-flash", None, None, (None, None)),
        ("gemini-3-flash", 500, None, (500, None)),
        ("gemini-3-flash", 100_000, None, (65_536, None)),
        ("gemini-3-flash", 500, 0, (500, 0)),
        ("gemini-3-flash", None, 8192, (None, 8192)),
        ("gemini-3-flash", 2000, 1024, (2000, 1024)),
        ("gemini-3-flash", 500, 1024, (1524, 1024)),  # the client's tokens are for the answer
        ("gemini-3-flash", 1024, 1024, (2048, 1024)),
        ("gemini-3.1-flash-lite", 4000, 20_000, (16_384, 15_360)),  # both at the cap: the budget gives way
        ("gemini-3.1-flash-lite", 100, 20_000, (16_384, 16_284)),
        ("gemini-3.1-flash-lite", None, 20_000, (None, 15_360)),
        ("claude-opus-4-6-thinking", 64_000, 63_999, (64_000, 63_999)),
        ("claude-opus-4-6-thinking", 10, 63_999, (64_000, 63_990)),
    ],
)
def test_limit_and_budget_fit_together(
    model: str, wanted: int | None, budget: int | None, expected: tuple[int | None, int | None]
) -> None:
    config = None if budget is None else ThinkingConfig(True, budget)
    limit, fitted = fit_output(wanted, config, MODELS[model])
    assert (limit, fitted.thinking_budget if fitted is not None else None) == expected
    assert fitted is None or fitted.include_thoughts is True


said = st.builds(
    Reasoning,
    st.sampled_from(["default", "off", "on", "auto"]),
    st.none() | st.integers(-1, 10**6),
    st.none() | st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", "max"]),
    st.booleans(),
)


@given(st.sampled_from(list(MODELS.values())), said, st.none() | st.integers(1, 10**6))
def test_upstream_never_has_to_refuse_the_pair(model: Model, said: Reasoning, wanted: int | None) -> None:
    limit, config = fit_output(wanted, thinking_config(said, model), model)
    assert limit is None or limit <= model.output
    if config is not None and config.thinking_budget:
        thinking = model.thinking
        assert thinking is not None
        assert (
            thinking.minimum <= config.thinking_budget <= thinking.maximum or config.thinking_budget == thinking.fixed
        )
        assert config.thinking_budget < (limit if limit is not None else model.output)
