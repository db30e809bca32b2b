"""How often one request may be tried."""

from __future__ import annotations

from antigravity_proxy.relay.budget import RetryBudget


def test_trouble_allows_two_further_attempts() -> None:
    budget = RetryBudget(0.0)
    assert [budget.spend_trouble() for _ in range(4)] == [True, True, False, False]


def test_a_missing_model_allows_one() -> None:
    budget = RetryBudget(0.0)
    assert [budget.spend_trouble(model_missing=True) for _ in range(3)] == [True, False, False]


def test_no_attempt_starts_after_a_minute() -> None:
    budget = RetryBudget(100.0)
    assert budget.in_time(160.0)
    assert not budget.in_time(160.1)
    assert budget.left(150.0) == 10.0


def test_repairs_are_tried_once_each() -> None:
    budget = RetryBudget(0.0)
    assert [budget.once("a"), budget.once("b"), budget.once("a")] == [True, True, False]
