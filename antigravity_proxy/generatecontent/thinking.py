"""Thinking settings and the limits that depend on them. Pure (upstream.md 4.3, 8.3, 8.4)."""

from __future__ import annotations

from msgspec import Struct

from antigravity_proxy.canonical.call import Reasoning
from antigravity_proxy.canonical.models import Model

#: tokens for an effort word
_BUDGETS = {"none": 0, "minimal": 512, "low": 1024, "medium": 8192, "high": 24_576, "xhigh": 32_768, "max": 65_535}
#: the largest budget that each level of thinking is taken for; above all of them it is HIGH
_LEVELS = {"MINIMAL": 512, "LOW": 2048, "MEDIUM": 10_000}
#: Claude has no "the model decides"
_CLAUDE_DEFAULT = 8192
#: tokens left for the answer, unless the client wants fewer, when a budget would fill the model's whole output
_ROOM = 1024


class ThinkingConfig(Struct, frozen=True, rename="camel", omit_defaults=True):
    """``thinkingConfig`` as upstream takes it; the budget in tokens."""

    include_thoughts: bool | None = None
    thinking_budget: int | None = None
    thinking_level: str = ""


def thinking_config(reasoning: Reasoning, model: Model) -> ThinkingConfig | None:
    """The thinking configuration for the client's wishes; None: send none."""
    thinking = model.thinking
    if thinking is None:
        return None
    if model.levels:
        return _by_level(reasoning, model)
    if reasoning.mode == "off" or reasoning.effort == "none":
        if thinking.can_be_off:
            return None
        return ThinkingConfig(False, thinking.minimum)
    if reasoning.mode == "default" and thinking.can_be_off:
        return None
    if thinking.fixed is not None:
        return ThinkingConfig(reasoning.show, thinking.fixed)
    budget = reasoning.budget if reasoning.budget is not None else _BUDGETS.get(reasoning.effort or "")
    if budget is None or budget < 0:
        budget = _CLAUDE_DEFAULT if model.family == "claude" else None
    if budget is not None:
        budget = min(max(budget, thinking.minimum), thinking.maximum)
    return ThinkingConfig(reasoning.show, budget)


def _by_level(reasoning: Reasoning, model: Model) -> ThinkingConfig:
    """The configuration of official models of Gemini 3 and later (official-upstreams.md 4)."""
    lowest = model.levels[0]
    if reasoning.mode == "off" or reasoning.effort == "none":
        return ThinkingConfig(False, thinking_level=lowest)
    if model.level:
        return ThinkingConfig(reasoning.show, thinking_level=model.level)
    budget = reasoning.budget if reasoning.budget is not None else _BUDGETS.get(reasoning.effort or "")
    if budget is None or budget < 0:
        return ThinkingConfig(reasoning.show)
    wanted = next((level for level, most in _LEVELS.items() if budget <= most), "HIGH")
    return ThinkingConfig(reasoning.show, thinking_level=wanted if wanted in model.levels else lowest)


def fit_output(
    wanted: int | None, config: ThinkingConfig | None, model: Model
) -> tuple[int | None, ThinkingConfig | None]:
    """The output limit and the thinking that go together: thoughts count as output, and the model has a cap."""
    limit = None if wanted is None else min(wanted, model.output)
    if config is None or not config.thinking_budget or (limit is not None and limit > config.thinking_budget):
        return limit, config
    budget = config.thinking_budget
    room = _ROOM
    if limit is not None:
        room = min(limit, _ROOM)
        limit = min(budget + limit, model.output)
    return limit, ThinkingConfig(config.include_thoughts, min(budget, model.output - room))
