"""Add at once, remove late."""

from __future__ import annotations

from support.accounts import account

from antigravity_proxy.secret import Secret
from antigravity_proxy.volume.accounts import Accounts, RowProblem
from antigravity_proxy.volume.removals import CONFIRM, Removals

A, B, C = account("a"), account("b"), account("c")
PROBLEM = RowProblem("b", "no key opens its token", sealed=True, status=B.status)


def test_what_is_new_or_changed_is_in_force_at_once() -> None:
    removals = Removals()
    assert removals.confirm(Accounts((A,)), 0.0) == Accounts((A,))
    changed = account("a", access_token=Secret("ya29.other"))
    assert removals.confirm(Accounts((B, changed)), 0.1) == Accounts((B, changed))
    assert removals.pending == 0


def test_what_vanishes_stays_until_a_second_snapshot_agrees() -> None:
    removals = Removals()
    removals.confirm(Accounts((A, B)), 0.0)
    assert removals.confirm(Accounts((A,)), 10.0) == Accounts((A, B))
    assert removals.pending == 1
    assert removals.confirm(Accounts((A,)), 10.0 + CONFIRM - 0.1) == Accounts((A, B))
    assert removals.confirm(Accounts((A,)), 10.0 + CONFIRM) == Accounts((A,))
    assert removals.pending == 0


def test_what_comes_back_in_time_was_never_gone() -> None:
    removals = Removals()
    removals.confirm(Accounts((A, B)), 0.0)
    removals.confirm(Accounts((A,)), 1.0)
    assert removals.confirm(Accounts((A, B)), 2.0) == Accounts((A, B))
    assert removals.pending == 0
    assert removals.confirm(Accounts((A,)), 2.0 + CONFIRM) == Accounts((A, B))


def test_a_row_that_does_not_open_any_more_keeps_what_it_had_however_long() -> None:
    removals = Removals()
    removals.confirm(Accounts((A, B)), 0.0)
    for moment in (1.0, 1.0 + CONFIRM, 1000.0):
        assert removals.confirm(Accounts((A,), (PROBLEM,)), moment) == Accounts((A, B), (PROBLEM,))
        assert (removals.kept, removals.pending) == ({"b"}, 0)
    renewed = account("b", access_token=Secret("ya29.renewed"))
    assert removals.confirm(Accounts((A, renewed)), 1001.0) == Accounts((A, renewed))
    assert removals.kept == frozenset()


def test_a_row_that_is_kept_and_then_gone_goes() -> None:
    removals = Removals()
    removals.confirm(Accounts((A, B)), 0.0)
    removals.confirm(Accounts((A,), (PROBLEM,)), 1.0)
    assert removals.confirm(Accounts((A,)), 2.0) == Accounts((A, B))
    assert removals.confirm(Accounts((A,)), 2.0 + CONFIRM) == Accounts((A,))


def test_what_a_kept_row_says_unsealed_counts() -> None:
    removals = Removals()
    removals.confirm(Accounts((B,)), 0.0)
    marked = RowProblem("b", "no key opens its token", sealed=True, status="expired", paused=True)
    (kept,) = removals.confirm(Accounts((), (marked,)), 1.0).accounts
    assert (kept.status, kept.paused, kept.grant) == ("expired", True, B.grant)


def test_a_row_that_never_opened_is_a_problem_at_once() -> None:
    assert Removals().confirm(Accounts((A,), (PROBLEM,)), 0.0) == Accounts((A,), (PROBLEM,))


def test_each_removal_has_its_own_time() -> None:
    removals = Removals()
    removals.confirm(Accounts((A, B, C)), 0.0)
    removals.confirm(Accounts((A, C)), 1.0)
    assert set(removals.confirm(Accounts((A,)), 2.0).accounts) == {A, B, C}
    assert removals.confirm(Accounts((A,)), 1.0 + CONFIRM).accounts == (A, C)
    assert removals.confirm(Accounts((A,)), 2.0 + CONFIRM).accounts == (A,)
