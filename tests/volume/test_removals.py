"""Add at once, remove late."""

from __future__ import annotations

from support.accounts import account

from antigravity_proxy.secret import Secret
from antigravity_proxy.volume.accounts import Accounts, RowProblem
from antigravity_proxy.volume.removals import CONFIRM, Removals

A, B, C = account("a"), account("b"), account("c")
PROBLEM = RowProblem("b", "no key opens its token", sealed=True)


def test_what_is_new_or_changed_is_in_force_at_once() -> None:
    departures = Removals()
    assert departures.confirm(Accounts((A,)), 0.0) == Accounts((A,))
    changed = account("a", access_token=Secret("ya29.other"))
    assert departures.confirm(Accounts((B, changed)), 0.1) == Accounts((B, changed))
    assert departures.pending == 0


def test_what_vanishes_stays_until_a_second_snapshot_agrees() -> None:
    departures = Removals()
    departures.confirm(Accounts((A, B)), 0.0)
    assert departures.confirm(Accounts((A,)), 10.0) == Accounts((A, B))
    assert departures.pending == 1
    assert departures.confirm(Accounts((A,)), 10.0 + CONFIRM - 0.1) == Accounts((A, B))
    assert departures.confirm(Accounts((A,)), 10.0 + CONFIRM) == Accounts((A,))
    assert departures.pending == 0


def test_what_comes_back_in_time_was_never_gone() -> None:
    departures = Removals()
    departures.confirm(Accounts((A, B)), 0.0)
    departures.confirm(Accounts((A,)), 1.0)
    assert departures.confirm(Accounts((A, B)), 2.0) == Accounts((A, B))
    assert departures.pending == 0
    assert departures.confirm(Accounts((A,)), 2.0 + CONFIRM) == Accounts((A, B))


def test_a_row_that_does_not_open_any_more_stays_and_is_no_problem_yet() -> None:
    departures = Removals()
    departures.confirm(Accounts((A, B)), 0.0)
    assert departures.confirm(Accounts((A,), (PROBLEM,)), 1.0) == Accounts((A, B))
    assert departures.confirm(Accounts((A,), (PROBLEM,)), 1.0 + CONFIRM) == Accounts((A,), (PROBLEM,))


def test_a_row_that_never_opened_is_a_problem_at_once() -> None:
    assert Removals().confirm(Accounts((A,), (PROBLEM,)), 0.0) == Accounts((A,), (PROBLEM,))


def test_each_departure_has_its_own_time() -> None:
    departures = Removals()
    departures.confirm(Accounts((A, B, C)), 0.0)
    departures.confirm(Accounts((A, C)), 1.0)
    assert set(departures.confirm(Accounts((A,)), 2.0).accounts) == {A, B, C}
    assert departures.confirm(Accounts((A,)), 1.0 + CONFIRM).accounts == (A, C)
    assert departures.confirm(Accounts((A,)), 2.0 + CONFIRM).accounts == (A,)
