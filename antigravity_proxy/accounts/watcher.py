"""Who is told what happens to a pool's accounts."""

from __future__ import annotations

from antigravity_proxy.accounts.state import AccountState


class PoolWatcher:
    """Is told of a pool's accounts (`Pool.watch`), on the reactor's thread; what a subclass leaves out is ignored."""

    def joined(self, state: AccountState) -> None:
        """An account is new in the pool."""

    def left(self, state: AccountState) -> None:
        """An account is gone."""

    def exhausted(self, state: AccountState) -> None:
        """An account has used up a quota, or may have: others of its models may share it."""

    def tokenless(self, state: AccountState) -> None:
        """An account was passed over for want of a token: nobody else would renew it."""
