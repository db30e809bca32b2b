"""What a verdict sets aside, and what other replicas hear of it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from support.accounts import account

from antigravity_proxy.accounts.groups import WHOLE_UPSTREAM, Groups, RestingModels
from antigravity_proxy.accounts.penalties import Penalties
from antigravity_proxy.accounts.replication import LocalState
from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.accounts.state import AccountState, LastFailure
from antigravity_proxy.canonical.verdict import Scope
from antigravity_proxy.generatecontent.official import NO_SUCH_MODEL

RULES = Rules()


class Told(LocalState):
    """Keeps what is told to others."""

    def __init__(self) -> None:
        super().__init__()
        self.cools: list[tuple[str, str, float]] = []
        self.bars: list[tuple[str, str]] = []

    def cooled(self, account: str, key: str, seconds: float, marks: int) -> None:
        self.cools.append((account, key, seconds))

    def barred(self, account: str, sign_in: str, reason: str) -> None:
        self.bars.append((account, reason))


class Parts:
    """Penalties over two accounts of one group."""

    def __init__(self) -> None:
        self.told, self.resting = Told(), RestingModels()
        groups = Groups(lambda account, sign_in, project: None)
        self.one, self.two = self.both = [AccountState(account(name), at) for at, name in enumerate("ab")]
        for state in self.both:
            state.group = "g"
            groups.join(state)
        self.penalties = Penalties(groups, self.resting, self.told, lambda: 0.0)

    def apply(self, now: float = 0.0, failure: LastFailure | None = None, **fields: Any) -> list[str]:
        """The ids of the accounts that a verdict with these fields has changed."""
        verdict = replace(NO_SUCH_MODEL, **fields)
        changed = self.penalties.apply(self.one, "m", verdict, "", failure, RULES, now)
        return [state.credential.id for state in changed]


def test_a_model_that_the_whole_upstream_can_not_serve_rests_for_the_longest_that_was_said() -> None:
    parts = Parts()
    assert parts.apply(ladder=(100.0,)) == ["a"]
    assert parts.apply(now=1.0, ladder=(10.0,)) == ["a"]
    assert parts.told.cools == [(WHOLE_UPSTREAM, "m", 100.0)]
    assert parts.resting.of("m", 50.0) is not None


@pytest.mark.parametrize(
    ("scope", "changed", "key"),
    [(Scope.ACCOUNT_MODEL, ["a"], "m"), (Scope.ACCOUNT, ["a"], ""), (Scope.GROUP_MODEL, ["a", "b"], "m")],
)
def test_a_cooldown_is_the_accounts_or_its_groups(scope: Scope, changed: list[str], key: str) -> None:
    parts = Parts()
    failure = LastFailure(5.0, "its quota is used up")
    assert parts.apply(failure=failure, scope=scope, ladder=(60.0,)) == changed
    assert parts.told.cools == [(name, key, 60.0) for name in changed]
    assert [state.last_failure is failure for state in parts.both] == [
        state.credential.id in changed for state in parts.both
    ]
    assert parts.apply(now=1.0, scope=scope, ladder=(5.0,)) == changed
    assert len(parts.told.cools) == len(changed), "a longer cooldown in force stays, and is not told again"


@pytest.mark.parametrize(("scope", "barred"), [(Scope.UNTIL_CHANGED, ["a"]), (Scope.GROUP_UNTIL_CHANGED, ["a", "b"])])
def test_a_bar_lasts_until_the_row_changes(scope: Scope, barred: list[str]) -> None:
    parts = Parts()
    parts.apply(failure=LastFailure(5.0, "its key is not valid"), scope=scope, ladder=())
    assert parts.told.bars == [(name, "its key is not valid") for name in barred]
    parts.apply(scope=scope, ladder=(), client_words="The key is not valid.")
    assert parts.one.barred == "The key is not valid."


def test_an_account_is_chosen_after_the_others_for_a_while() -> None:
    parts = Parts()
    parts.apply(now=1.0, scope=Scope.LAST_IN_ORDER, ladder=(3.0,))
    assert (parts.one.last_until, parts.told.cools) == (4.0, [])
