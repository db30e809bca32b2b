"""The one line that an operator reads."""

from __future__ import annotations

from typing import Any

import pytest

from antigravity_proxy.accounts.condition import KINDS
from antigravity_proxy.admin.headline import Headline, headline
from antigravity_proxy.admin.history import Minute
from antigravity_proxy.web.health import Condition

QUIET = [Minute(number) for number in range(60)]


def told(
    *, minutes: Any = QUIET, condition: dict[str, Any] | None = None, credentials: Any = None, **counts: int
) -> Headline:
    counts = counts or {"ready": 2}
    usable = sum(count for kind, count in counts.items() if kind not in ("paused", "out"))
    fields = {
        "epoch": 0.0, "database": "connected", "ever_read": True, "accounts": sum(counts.values()), "usable": usable,
        "read_only": False, "draining": False,
    } | (condition or {})  # fmt: skip
    return headline(Condition(**fields), dict.fromkeys(KINDS, 0) | counts, minutes, credentials or {})


@pytest.mark.parametrize(
    ("given", "level", "title"),
    [
        ({}, "well", "All is well"),
        ({"ready": 1, "paused": 1, "limited": 1, "busy": 1}, "well", "All is well"),
        ({"ready": 1, "out": 1}, "attention", "Serving, but needs attention"),
        ({"ready": 1, "condition": {"warnings": ("w",)}}, "attention", "Serving, but needs attention"),
        ({"ready": 1, "condition": {"database": "gone"}}, "attention", "Serving, but needs attention"),
        ({"ready": 1, "condition": {"draining": True}}, "attention", "Shutting down"),
        ({"cooling": 2, "paused": 1}, "attention", "Every account is cooling"),
        ({"out": 2}, "broken", "No account can serve"),
        ({"paused": 2}, "broken", "Every account is paused"),
        ({"ready": 0, "condition": {"accounts": 0}}, "broken", "Can't serve requests"),
        ({"ready": 0, "condition": {"ever_read": False, "database": "gone"}}, "broken", "Can't serve requests"),
    ],
)
def test_each_state_has_its_line(given: dict[str, Any], level: str, title: str) -> None:
    found = told(**given)
    assert (found.level, found.title) == (level, title)
    assert bool(found.reasons) == (level != "well" and title not in ("Every account is paused", "Shutting down"))


NO_VOLUME = {"database": "none", "ever_read": False, "usable": 1, "usable_credentials": 1}


@pytest.mark.parametrize(
    ("given", "level", "title", "said"),
    [
        (
            {"ready": 0, "condition": NO_VOLUME, "credentials": {"ready": 1}},
            "well", "All is well", "1 of 1 official credential can serve now.",
        ),
        (
            {"ready": 1, "cooling": 1, "credentials": {"ready": 1, "out": 1}},
            "well", "All is well", "1 of 2 accounts and 1 of 2 official credentials can serve now.",
        ),
        (
            {"cooling": 2, "credentials": {"limited": 1}},
            "well", "All is well", "0 of 2 accounts and 1 of 1 official credential can serve now.",
        ),
        (
            {"cooling": 2, "credentials": {"cooling": 1}},
            "attention", "Every account or credential is cooling",
            "0 of 2 accounts and 0 of 1 official credential can serve now.",
        ),
        (
            {"ready": 0, "condition": NO_VOLUME, "credentials": {"cooling": 1}},
            "attention", "Every credential is cooling", "0 of 1 official credential can serve now.",
        ),
        (
            {"paused": 2, "credentials": {"out": 1}},
            "broken", "No account or credential can serve",
            "0 of 2 accounts and 0 of 1 official credential can serve now.",
        ),
        (
            {"cooling": 2, "condition": {"resting": True}, "credentials": {"ready": 1}},
            "broken", "All accounts are on hold: Google has barred one of them; the official credentials go on",
            "0 of 2 accounts and 1 of 1 official credential can serve now.",
        ),
    ],
)  # fmt: skip
def test_official_credentials_count(given: dict[str, Any], level: str, title: str, said: str) -> None:
    found = told(**given)
    assert (found.level, found.title) == (level, title)
    assert found.said == f"{said} No request in the last hour."
    assert not any("volume" in reason for reason in found.reasons)


def test_the_reasons_are_words_to_act_on() -> None:
    found = told(ready=1, out=1, condition={"database": "gone", "warnings": ("set X",)})
    assert found.reasons == (
        "The volume can't be read: gone; the last good state stays in use",
        "set X",
    )
    assert told(ready=1, out=1).reasons == ("1 account out of use: see below why",)
    assert "it was never read" in told(condition={"database": "gone", "ever_read": False}).reasons[0]


def test_most_requests_failing_is_a_reason_and_a_few_are_not() -> None:
    def minutes(served: int, failed: int, ago: int = 1) -> list[Minute]:
        return [*QUIET[:-ago], Minute(60, served=served, failed=failed), *QUIET[: ago - 1]]

    assert told(minutes=minutes(1, 3)).reasons == (
        "3 of 4 requests failed in the last 10 minutes: see the errors below",
    )
    assert told(minutes=minutes(9, 3)).level == "well"
    assert told(minutes=minutes(0, 3)).level == "well"
    assert told(minutes=minutes(0, 9, ago=11)).level == "well"


def test_the_figures() -> None:
    assert told().said == "2 of 2 accounts can serve now. No request in the last hour."
    minutes = [*QUIET[:-1], Minute(60, served=1200, failed=1, limited=2, refused=3)]
    found = told(ready=1, cooling=1, minutes=minutes)
    assert found.said == "1 of 2 accounts can serve now. 1,206 requests in the last hour, 3 of them failed."
