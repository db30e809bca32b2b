"""The form of ``GET /capacity``."""

from __future__ import annotations

import json

from antigravity_proxy.accounts.stats import ModelCapacity
from antigravity_proxy.web import capacity


def line(name: str, *values: object) -> dict[str, object]:
    fields = ("usable", "cooling", "earliestReset", "retryAfter", "remainingFraction")
    return {"id": name, "upstream": "accounts"} | dict(zip(fields, values, strict=True))


def test_each_model_has_a_line() -> None:
    models = (
        ModelCapacity("a", 2, 1, 1_000_059.5),
        ModelCapacity("b", 0, 3, 1_000_059.5),
        ModelCapacity("c", 1, 0, None, 0.25),
    )
    rendered = capacity.render({"accounts": models}, accounts=4, usable=3, epoch=1_000_000.0)
    assert rendered.status == 200
    assert json.loads(rendered.body) == {
        "timestamp": "1970-01-12T13:46:40Z",
        "accounts": 4,
        "usable": 3,
        "models": [
            line("a", 2, 1, "1970-01-12T13:47:40Z", None, None),
            line("b", 0, 3, "1970-01-12T13:47:40Z", 60, None),
            line("c", 1, 0, None, None, 0.25),
        ],
        "credentials": [],
        "windows": [],
        "subscriptions": [],
        "unusable": [],
    }
