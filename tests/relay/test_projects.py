"""Which project a request carries."""

from __future__ import annotations

from typing import Any

from support.accounts import account
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.relay.projects import ASK_AGAIN, Projects
from antigravity_proxy.settings.limits import PROJECT_PATIENCE


class Asked:
    """Answers what it is told to, and counts."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.count = 0

    async def __call__(self, state: AccountState) -> str | None:
        self.count += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]


def project(projects: Projects, state: AccountState) -> str | None:
    found: list[str | None] = []
    Deferred.fromCoroutine(projects.of(state)).addCallback(found.append)
    return found[0]


def test_the_volumes_project_is_taken_unasked() -> None:
    asked = Asked()
    assert project(Projects(Clock(), asked, "fallback"), AccountState(account())) == "p"
    assert asked.count == 0


def test_a_missing_one_is_asked_for_once_and_kept() -> None:
    asked, state = Asked("mine"), AccountState(account(project=None))
    projects = Projects(Clock(), asked, None)
    assert [project(projects, state) for _ in range(3)] == ["mine"] * 3
    assert asked.count == 1


def test_what_is_not_known_is_the_fallback_and_asked_again_later() -> None:
    clock, state = Clock(), AccountState(account(project=None))
    asked = Asked(ValueError("503"), None, "mine")
    projects = Projects(clock, asked, "fallback")
    assert [project(projects, state) for _ in range(2)] == ["fallback"] * 2
    clock.advance(ASK_AGAIN + 1)
    assert project(projects, state) == "fallback"
    clock.advance(ASK_AGAIN + 1)
    assert project(projects, state) == "mine"


def test_without_any_the_request_goes_without() -> None:
    assert project(Projects(Clock(), Asked(None), None), AccountState(account(project=None))) is None


def test_a_refused_one_is_asked_for_anew() -> None:
    asked, state = Asked("other"), AccountState(account())
    projects = Projects(Clock(), asked, None)
    projects.forget(state)
    assert project(projects, state) == "other"


def test_one_refused_in_passing_is_asked_for_at_once() -> None:
    asked, state = Asked("other"), AccountState(account())
    Projects(Clock(), asked, None).renew(state)
    assert (asked.count, state.project) == (1, "other")


def test_when_all_were_refused_none_is_sent_until_the_row_changes() -> None:
    asked, state = Asked(), AccountState(account())
    projects = Projects(Clock(), asked, "fallback")
    projects.do_without(state)
    assert project(projects, state) is None
    state.update(account(project="new"))
    assert (project(projects, state), asked.count) == ("new", 0)


class Slow:
    """Answers when told to."""

    def __init__(self) -> None:
        self.waiting: list[Deferred[str | None]] = []

    async def __call__(self, state: AccountState) -> str | None:
        self.waiting.append(Deferred())
        return await self.waiting[-1]


def asking(projects: Projects, state: AccountState) -> list[Any]:
    found: list[Any] = []
    Deferred.fromCoroutine(projects.of(state)).addBoth(found.append)
    return found


def test_all_who_need_it_wait_for_the_one_look_up() -> None:
    slow, state = Slow(), AccountState(account(project=None))
    projects = Projects(Clock(), slow, None)
    found = [asking(projects, state) for _ in range(3)]
    slow.waiting[0].callback("mine")
    assert (found, len(slow.waiting)) == ([["mine"]] * 3, 1)


def test_a_request_goes_without_one_that_takes_its_time_and_later_ones_have_it() -> None:
    clock, slow, state = Clock(), Slow(), AccountState(account(project=None))
    projects = Projects(clock, slow, "fallback")
    first = asking(projects, state)
    clock.advance(PROJECT_PATIENCE)
    assert first == ["fallback"]
    slow.waiting[0].callback("made")
    assert asking(projects, state) == ["made"]
    assert len(slow.waiting) == 1


def test_a_row_that_brings_one_meanwhile_wins() -> None:
    slow, state = Slow(), AccountState(account(project=None))
    projects = Projects(Clock(), slow, None)
    asking(projects, state)
    state.update(account(project="the row's"))
    slow.waiting[0].callback("asked for")
    assert project(projects, state) == "the row's"


def test_the_stop_ends_look_ups() -> None:
    slow, state = Slow(), AccountState(account(project=None))
    projects = Projects(Clock(), slow, None)
    found = asking(projects, state)
    projects.stop()
    assert found
