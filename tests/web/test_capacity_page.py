"""The form of ``GET /capacity``."""

from __future__ import annotations

import json

from antigravity_proxy.accounts.capacity import ModelCapacity
from antigravity_proxy.web import capacity


def test_each_model_has_a_line() -> None:
    models = (ModelCapacity("a", 2, 1, 1_000_059.5), ModelCapacity("b", 0, 3, 1_000_059.5), ModelCapacity("c", 1, 0, None, 0.25))
    rendered = capacity.render(models, accounts=4, usable=3, epoch=1_000_000.0)
    assert rendered.status == 200
    unknown = {"remainingFraction": None}
    assert json.loads(rendered.body) == {
        "timestamp": "1970-01-12T13:46:40Z",
        "accounts": 4,
        "usable": 3,
        "models": [
            {"id": "a", "usable": 2, "cooling": 1, "earliestReset": "1970-01-12T13:47:40Z", "retryAfter": None} | unknown,
            {"id": "b", "usable": 0, "cooling": 3, "earliestReset": "1970-01-12T13:47:40Z", "retryAfter": 60} | unknown,
            {"id": "c", "usable": 1, "cooling": 0, "earliestReset": None, "retryAfter": None, "remainingFraction": 0.25},
        ],
    }
