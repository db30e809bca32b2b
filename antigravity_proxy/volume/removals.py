"""Add at once, remove late: an account leaves only when a second snapshot agrees. Pure (credential-volume.md 2.4)."""

from __future__ import annotations

from msgspec.structs import replace

from antigravity_proxy.volume.accounts import Account, Accounts

#: seconds until the second snapshot: past a one-second attribute cache, and within the two seconds that are promised
CONFIRM = 1.5


class Removals:
    """The accounts in force, and since when some of them are not in the volume any more.

    What a snapshot adds is certain, since its token opens; what it lacks may only be torn away.
    """

    def __init__(self) -> None:
        self._in_force: tuple[Account, ...] = ()
        self._missing_since: dict[str, float] = {}

    @property
    def pending(self) -> int:
        """How many accounts are kept until a second snapshot."""
        return len(self._missing_since)

    def dismiss(self, identity: str) -> None:
        """The account is gone for certain: it was we who removed it."""
        self._in_force = tuple(account for account in self._in_force if account.id != identity)
        self._missing_since.pop(identity, None)

    def confirm(self, read: Accounts, now: float) -> Accounts:
        """What is in force after a snapshot taken at ``now`` (monotonic seconds)."""
        found = {account.id for account in read.accounts}
        missing: dict[str, float] = {}
        kept: list[Account] = []
        for account in self._in_force:
            since = self._missing_since.get(account.id, now)
            if account.id not in found and now - since < CONFIRM:
                missing[account.id] = since
                kept.append(account)
        self._missing_since = missing
        if kept:
            problems = tuple(problem for problem in read.problems if problem.id not in missing)
            read = replace(read, accounts=(*read.accounts, *kept), problems=problems)
        self._in_force = read.accounts
        return read
