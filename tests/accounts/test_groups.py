"""Quota groups, resting models, and why several pools have nobody."""

from __future__ import annotations

from support.accounts import account

from antigravity_proxy.accounts.groups import Groups, RestingModels
from antigravity_proxy.accounts.state import AccountState, Cooldown, Shortage, joined
from antigravity_proxy.canonical.verdict import Failure

INF = float("inf")


def states(*groups: str) -> list[AccountState]:
    """A state for each group."""
    found = [AccountState(account(f"a{number}"), number) for number, _ in enumerate(groups)]
    for state, group in zip(found, groups, strict=True):
        state.group = group
    return found


def test_groups_are_joined_left_and_learnt() -> None:
    one, two, alone, other = every = states("g", "g", "", "")
    told: list[tuple[str, str]] = []
    groups = Groups(lambda account, sign_in, project: told.append((account, project)))
    for state in every:
        groups.join(state)
    assert set(groups.members(one)) == {one, two}
    assert list(groups.members(alone)) == [alone]
    groups.learn(alone, Failure(429, quota_ids=("RequestsPerDay-FreeTier",)))
    assert (alone.tier, alone.group) == ("free", "")
    for state in (two, alone, two, one):
        groups.learn(state, Failure(429, consumer="projects/1"))
    assert set(groups.members(alone)) == {one, two, alone}
    groups.learn(other, Failure(429, consumer="projects/2"))
    groups.learn(alone, Failure(429, consumer="projects/2"))
    assert other.group == alone.group == "projects/2"
    one_s, two_s, alone_s, other_s = (each.credential.id for each in every)
    of_one, of_two = [[name for name, project in told if project == f"projects/{n}"] for n in (1, 2)]
    assert (of_one, of_two) == ([two_s, alone_s, one_s], [other_s, alone_s]), "each is told once"
    groups.leave(two)
    assert set(groups.members(alone)) == {one, alone, other}


def test_a_model_rests_and_comes_back() -> None:
    resting = RestingModels()
    assert not resting.models
    assert resting.strikes("m", 0.0) == 0
    resting.rest("m", Cooldown(10.0))
    resting.rest("m", Cooldown(5.0))
    assert resting.strikes("m", 1.0) == 0, "what fails during the rest is the same failure"
    assert resting.of("m", 9.0) == Cooldown(10.0)
    assert resting.of("m", 10.0) is None
    assert resting.strikes("m", 11.0) == 1
    resting.served("m")
    assert resting.strikes("m", 12.0) == 0
    for number in range(600):
        resting.strikes(f"m{number}", 0.0)
        resting.rest(f"m{number}", Cooldown(1.0))
    assert resting.of("m0", 0.0) is None, "the oldest are forgotten"
    assert resting.of("m599", 0.0) is not None


def test_the_shortest_wait_of_several_pools() -> None:
    cooling, faulty = Shortage(False, 60.0, 1), Shortage(False, 30.0, 1, by_fault=True)
    nobody, missing, busy = (
        Shortage(False, None, 0),
        Shortage(False, None, 1, not_offered=True),
        Shortage(True, None, 1),
    )
    assert joined([cooling, faulty]) == Shortage(False, 30.0, 2)
    assert joined([faulty, nobody]).by_fault
    assert joined([missing, cooling]) == Shortage(False, 60.0, 1)
    assert joined([nobody, missing]) is missing
    assert joined([nobody, nobody]) is nobody
    assert [each.wait for each in (cooling, nobody, busy)] == [60.0, INF, 0.0]


def test_a_group_ends_with_its_last_member() -> None:
    one, two = states("g", "g")
    told: list[tuple[str, str]] = []
    groups = Groups(lambda account, sign_in, project: told.append((account, project)))
    groups.join(one)
    groups.leave(one)
    groups.join(two)
    assert set(groups.members(one)) == {two}
    groups.leave(two)
    assert list(groups.members(two)) == [two]
