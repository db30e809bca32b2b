"""Numbers in requests: whole ones may arrive as ``1`` or ``1.0``, and have their ranges (translation.md 1). Pure."""

from __future__ import annotations

from antigravity_proxy.errors import BadRequest

Whole = int | float

MAX_INT = 2**31 - 1


def whole(value: Whole | None, param: str, low: int | None, high: int | None = MAX_INT) -> int | None:
    """A whole number within a range; raises BadRequest."""
    if value is None:
        return None
    if value != value // 1:
        raise BadRequest(f"{param} must be a whole number.", param=param)
    if (low is not None and value < low) or (high is not None and value > high):
        raise BadRequest(f"{param} must be from {low} to {high}.", param=param)
    return int(value)


def within(value: float | None, param: str, low: int, high: int) -> float | None:
    """A number within a range; raises BadRequest."""
    if value is not None and not low <= value <= high:
        raise BadRequest(f"{param} must be from {low} to {high}.", param=param)
    return value
