"""Values of the wrong type read as absent."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from antigravity_proxy import coerce
from antigravity_proxy.accounts.state import Shortage
from antigravity_proxy.accounts.stats import ModelCapacity
from antigravity_proxy.admin.markup import moment
from antigravity_proxy.coerce import dated, wait
from antigravity_proxy.relay.exhausted import no_account
from antigravity_proxy.web.capacity import render


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


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e308, -1.0, 0.4, 1e12])
def test_no_number_is_too_strange_for_a_date_or_a_wait(value: float) -> None:
    datetime.fromtimestamp(dated(value), UTC)
    assert 1 <= wait(value) <= 366 * 86_400
    first = ModelCapacity("m", 0, 1, value)
    assert msgspec.json.decode(render({"accounts": [first]}, 1, 0, 1_000_000.0).body)["models"][0]["retryAfter"] >= 1
    lack = Shortage(is_busy=False, free_in=value, accounts=1)
    assert no_account("m", lack, 1_000_000.0).message
    assert moment(value)
