"""What upstream says of an account's tier and project, in every shape, and of nonsense."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity_proxy.codeassist.enrolment import (
    Enrolment,
    Operation,
    load_body,
    onboard_body,
    read_enrolment,
    read_operation,
)

FREE: dict[str, Any] = {"id": "free-tier"}


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ({"currentTier": FREE, "cloudaicompanionProject": "p-1"}, Enrolment("p-1", True)),
        ({"currentTier": FREE, "cloudaicompanionProject": {"id": "p-1"}}, Enrolment("p-1", True)),
        ({"currentTier": {"id": "standard-tier"}}, Enrolment(None, True, "standard-tier")),
        ({"currentTier": FREE, "cloudaicompanionProject": "cloud-code-12"}, Enrolment(None, True)),
        ({"currentTier": FREE, "cloudaicompanionProject": "projects/p"}, Enrolment(None, True)),
        ({}, Enrolment()),
        ({"allowedTiers": [FREE, {"id": "legacy-tier", "isDefault": True}]}, Enrolment(tier="legacy-tier")),
        ({"allowedTiers": [FREE]}, Enrolment()),
        (
            {"ineligibleTiers": [{"reasonCode": "RESTRICTED_AGE"}, {"reasonCode": 7}]},
            Enrolment(tier="", obstacles=("RESTRICTED_AGE",)),
        ),
        (
            {"allowedTiers": [FREE], "ineligibleTiers": [{"reasonCode": "DASHER_USER"}]},
            Enrolment(obstacles=("DASHER_USER",)),
        ),
        (
            {"currentTier": [], "allowedTiers": {}, "ineligibleTiers": "x", "cloudaicompanionProject": ["p"]},
            Enrolment(),
        ),
        ({"allowedTiers": [None, 3, {"id": 4, "isDefault": True}]}, Enrolment()),
    ],
)
def test_an_account_and_its_tier(answer: dict[str, Any], found: Enrolment) -> None:
    assert read_enrolment(answer) == found


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ({}, Operation()),
        ({"name": "operations/abc-1", "done": False}, Operation("operations/abc-1")),
        ({"name": "operations/../x", "done": "true"}, Operation()),
        ({"name": "operations/a?b"}, Operation()),
        ({"name": "https://elsewhere"}, Operation()),
        ({"done": True, "response": {"cloudaicompanionProject": {"id": "p"}}}, Operation("", True, "p")),
        ({"done": True, "response": {"cloudaicompanionProject": "p"}}, Operation("", True, "p")),
        ({"done": True, "response": None}, Operation("", True)),
        ({"done": True, "error": {"code": 9, "message": "who@example.com"}}, Operation("", True, None, "code 9")),
    ],
)
def test_an_operation(answer: dict[str, Any], found: Operation) -> None:
    assert read_operation(answer) == found


def test_the_bodies_say_who_asks_and_the_free_tier_takes_no_project() -> None:
    metadata = {"ideType": "ANTIGRAVITY"}
    assert json.loads(load_body()) == {"metadata": metadata}
    assert json.loads(onboard_body("free-tier", "mine")) == {"tierId": "free-tier", "metadata": metadata}
    assert json.loads(onboard_body("standard-tier", None)) == {"tierId": "standard-tier", "metadata": metadata}
    assert json.loads(onboard_body("standard-tier", "mine")) == {
        "tierId": "standard-tier",
        "metadata": metadata,
        "cloudaicompanionProject": "mine",
    }
