"""How an account comes to its project, on a clock: asked for, made for it, waited for, or not to be had."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from antigravity_proxy.codeassist.enrolment import SECURITY_POLICY
from antigravity_proxy.upstream.account_methods import AccountMethodFailed
from antigravity_proxy.upstream.onboarding import POLL, POLLS, REPEAT, REPEATS, project_of

NEW: dict[str, Any] = {"allowedTiers": [{"id": "free-tier", "isDefault": True}]}
DONE: dict[str, Any] = {"done": True, "response": {"cloudaicompanionProject": {"id": "made"}}}
NOT_YET: dict[str, Any] = {"name": "operations/one", "done": False}


class Asked:
    """An account's calls, answered in order; the last answer again and again."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls: list[Any] = []

    async def call(self, method: bytes, body: bytes) -> dict[str, Any]:
        self.calls.append((method.decode(), json.loads(body)))
        return self._answer()

    async def operation(self, name: str) -> dict[str, Any]:
        self.calls.append(name)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]


def resolve(asked: Asked, clock: Clock | None = None, configured: str | None = None) -> list[Any]:
    """What came of it, once something did."""
    results: list[Any] = []
    going = Deferred.fromCoroutine(project_of(clock or Clock(), asked, "a", configured))
    going.addBoth(lambda result: results.append(getattr(result, "value", result)))
    return results


def test_a_project_that_upstream_knows_is_taken() -> None:
    asked = Asked({"cloudaicompanionProject": "p"})
    assert resolve(asked) == ["p"]
    assert asked.calls == [("loadCodeAssist", {"metadata": {"ideType": "ANTIGRAVITY"}})]


def test_who_is_in_a_tier_is_never_onboarded() -> None:
    asked = Asked({"currentTier": {"id": "standard-tier"}} | NEW)
    assert resolve(asked) == [None]
    assert len(asked.calls) == 1


def test_who_is_new_is_onboarded_in_the_default_tier() -> None:
    asked = Asked(NEW, DONE)
    assert resolve(asked, configured="mine") == ["made"]
    assert asked.calls[1] == ("onboardUser", {"tierId": "free-tier", "metadata": {"ideType": "ANTIGRAVITY"}})


def test_other_tiers_are_told_the_configured_project() -> None:
    asked = Asked({"allowedTiers": [{"id": "standard-tier", "isDefault": True}]}, DONE)
    resolve(asked, configured="mine")
    assert asked.calls[1][1]["cloudaicompanionProject"] == "mine"


def test_an_operation_is_looked_at_every_five_seconds() -> None:
    clock, asked = Clock(), Asked(NEW, NOT_YET, NOT_YET, DONE)
    results = resolve(asked, clock)
    clock.advance(POLL - 0.1)
    assert len(asked.calls) == 2
    clock.advance(0.1)
    assert asked.calls[2:] == ["operations/one"]
    assert not results


def test_an_operation_that_forgets_its_name_is_still_followed() -> None:
    clock, asked = Clock(), Asked(NEW, NOT_YET, {"done": False}, DONE)
    results = resolve(asked, clock)
    clock.advance(POLL)
    clock.advance(POLL)
    assert asked.calls[2:] == ["operations/one", "operations/one"]
    assert results == ["made"]


def test_a_minute_is_enough_for_an_operation() -> None:
    clock, asked = Clock(), Asked(NEW, NOT_YET)
    results = resolve(asked, clock)
    for _ in range(POLLS):
        assert not results
        clock.advance(POLL)
    assert isinstance(results[0], AccountMethodFailed)
    assert "takes too long" in str(results[0])
    assert len(asked.calls) == 2 + POLLS
    assert not clock.getDelayedCalls()


def test_without_an_operation_the_call_is_repeated_five_times_in_all() -> None:
    clock, asked = Clock(), Asked(NEW, {"done": False})
    results = resolve(asked, clock)
    for _ in range(REPEATS - 1):
        assert not results
        clock.advance(REPEAT)
    assert isinstance(results[0], AccountMethodFailed)
    assert [call[0] for call in asked.calls] == ["loadCodeAssist"] + ["onboardUser"] * REPEATS


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ((NEW, {"error": {"code": 7, "message": "someone@example.com"}}), "onboarding failed: code 7"),
        (({"ineligibleTiers": [{"reasonCode": "RESTRICTED_AGE"}]},), "no tier admits it: RESTRICTED_AGE"),
        ((AccountMethodFailed("upstream answered 403", 403, SECURITY_POLICY),), "set PROXY_FALLBACK_PROJECT_ID"),
        ((AccountMethodFailed("upstream answered 500", 500),), "upstream answered 500"),
        ((NEW, AccountMethodFailed("upstream answered 500", 500)), "upstream answered 500"),
    ],
)
def test_why_there_is_none(answers: tuple[Any, ...], words: str) -> None:
    results = resolve(Asked(*answers))
    assert isinstance(results[0], AccountMethodFailed)
    assert words in str(results[0])
    assert "@" not in str(results[0])
