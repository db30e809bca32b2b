"""Add at once, remove late: what a snapshot lacks may only be torn away. Pure (credential-volume.md 2.4).

An account whose row is gone leaves when a second snapshot agrees. One whose row is there and does not open (sealed with
a key that is not in the volume yet, damaged, emptied) keeps the token that it had, until upstream refuses that.
"""

from __future__ import annotations

from msgspec.structs import replace

from antigravity_proxy.canonical.credential import Credential
from antigravity_proxy.volume.accounts import Accounts, RowProblem

#: seconds until the second snapshot: past a one-second attribute cache, and within the two seconds that are promised
CONFIRM = 1.5


class Removals:
    """The accounts in force, and since when some of them are not in the volume any more."""

    def __init__(self) -> None:
        self._in_force: tuple[Credential, ...] = ()
        self._missing_since: dict[str, float] = {}
        self.kept: frozenset[str] = frozenset()

    @property
    def pending(self) -> int:
        """How many accounts are kept until a second snapshot."""
        return len(self._missing_since)

    def dismiss(self, identity: str) -> None:
        """The account is gone for certain: it was we who removed it."""
        self._in_force = tuple(account for account in self._in_force if account.id != identity)
        self._missing_since.pop(identity, None)

    def confirm(self, read: Accounts, now: float) -> Accounts:
        """The accounts in force after a snapshot taken at ``now`` (monotonic seconds).

        ``kept`` are then the ids of those among its accounts whose rows don't open any more; they stay among its
        problems too.
        """
        found = {account.id for account in read.accounts}
        problems = {problem.id: problem for problem in read.problems}
        missing: dict[str, float] = {}
        stay: list[Credential] = []
        kept: set[str] = set()
        for account in self._in_force:
            if account.id in found:
                continue
            problem = problems.get(account.id)
            since = self._missing_since.get(account.id, now)
            if problem is not None:
                kept.add(account.id)
                stay.append(_as_row_says(account, problem))
            elif now - since < CONFIRM:
                missing[account.id] = since
                stay.append(account)
        self._missing_since = missing
        self.kept = frozenset(kept)
        if stay:
            read = replace(read, accounts=(*read.accounts, *stay))
        self._in_force = read.accounts
        return read


def _as_row_says(account: Credential, problem: RowProblem) -> Credential:
    """The account with what its row says unsealed; the very same where that is what it has."""
    if (account.status, account.paused) == (problem.status, problem.paused):
        return account
    return replace(account, status=problem.status, paused=problem.paused)
