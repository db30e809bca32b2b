"""Values of the wrong type read as absent."""

from __future__ import annotations

import pytest

from antigravity_proxy import coerce


@pytest.mark.parametrize(
    ("value", "found"), [(" a ", "a"), ("", None), (" \n", None), (1, None), (None, None), (b"a", None)]
)
def test_text(value: object, found: str | None) -> None:
    assert coerce.text(value) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (1, 1.0),
        (-0.5, -0.5),
        (True, None),
        ("1", None),
        (None, None),
        (10**400, None),
        (float("inf"), None),
        (float("nan"), None),
    ],
)
def test_number(value: object, found: float | None) -> None:
    assert coerce.number(value) == found


@pytest.mark.parametrize(("value", "found"), [({"a": 1}, {"a": 1}), ([], {}), (None, {}), ("{}", {})])
def test_mapping(value: object, found: dict[str, object]) -> None:
    assert coerce.mapping(value) == found
