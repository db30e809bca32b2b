"""Whole numbers and ranges."""

from __future__ import annotations

import pytest

from antigravity_proxy.dialect.numbers import MAX_INT, whole, within
from antigravity_proxy.errors import BadRequest


@pytest.mark.parametrize(
    ("value", "low", "found"), [(None, 1, None), (3, 1, 3), (3.0, 1, 3), (-5, None, -5), (0, 0, 0)]
)
def test_whole_numbers(value: float | None, low: int | None, found: int | None) -> None:
    assert whole(value, "n", low) == found


@pytest.mark.parametrize("value", [1.5, 0, MAX_INT + 1, float("inf"), 1e30])
def test_what_is_no_whole_number_in_its_range_is_refused(value: float) -> None:
    with pytest.raises(BadRequest) as caught:
        whole(value, "n", 1)
    assert caught.value.param == "n"


def test_without_limits_any_whole_number_goes() -> None:
    assert whole(2**40, "n", None, None) == 2**40


@pytest.mark.parametrize("value", [None, 0, 0.5, 1])
def test_numbers_within_a_range(value: float | None) -> None:
    assert within(value, "x", 0, 1) == value


@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_numbers_outside_their_range_are_refused(value: float) -> None:
    with pytest.raises(BadRequest) as caught:
        within(value, "x", 0, 1)
    assert caught.value.param == "x"
