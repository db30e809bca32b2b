"""The rest of all accounts after Google has barred one for its terms, until somebody ends it (contract.md 9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.logger import Logger

log = Logger()

#: stands in the account's place where replicas learn of the hold
ALL_ACCOUNTS = "*"
#: the name of the fact that outlasts a restart
_KIND, _NAME = "rest", "terms"


class Memory(Protocol):
    """Facts that outlast a restart, where there is a state directory."""

    def get(self, kind: str, name: str) -> str | None:
        """The fact of that kind and name."""
        ...

    def put(self, kind: str, name: str, value: str) -> None:
        """Remembers a fact."""
        ...

    def remove(self, kind: str, name: str) -> None:
        """Forgets a fact."""
        ...

    def on_loaded(self, listener: Callable[[], object]) -> None:
        """Calls the listener whenever facts have come from the directory."""
        ...


class Told(Protocol):
    """Shares facts with other replicas."""

    def recall(self, account: str) -> None:
        """Applies what other replicas know."""
        ...

    def barred(self, account: str, sign_in: str, reason: str) -> None:
        """The rest begins."""
        ...

    def forgiven(self, account: str) -> None:
        """The rest ends."""
        ...


class TermsRest:
    """Whether all accounts rest. ``is_on``: whether a bar has them rest at all (PROXY_ON_TERMS_BAN)."""

    def __init__(self, shared: Told) -> None:
        self._shared = shared
        self.is_on = False
        self._memory: Memory | None = None
        self.account = ""  # the account that Google has barred; empty: no hold

    def __bool__(self) -> bool:
        return bool(self.account) and self.is_on

    def switch_on(self, memory: Memory) -> None:
        """A bar has all accounts rest from now on; it is kept here over a restart, and what is kept is taken."""
        self.is_on = True
        self._memory = memory
        self._shared.recall(ALL_ACCOUNTS)
        memory.on_loaded(self._loaded)

    def begin(self, account: str) -> None:
        """Google has barred this account: all others rest."""
        if self.is_on and not self.account:
            self.heard(account)
            self._shared.barred(ALL_ACCOUNTS, "", account)

    def heard(self, account: str) -> None:
        """They rest, here or at another replica."""
        if self.account or not self.is_on:
            return
        self.account = account
        if self._memory is not None:
            self._memory.put(_KIND, _NAME, account)
        log.warn(
            "Google has barred account {account} for its terms, so all accounts are on hold; "
            "'antigravity-proxy accounts resume --all' ends that",
            account=account,
        )

    def end(self) -> bool:
        """Ends the hold, for all replicas; False: there was none."""
        was = self.account
        self.heard_end()
        self._shared.forgiven(ALL_ACCOUNTS)
        return bool(was)

    def heard_end(self) -> None:
        """It has ended, here or at another replica."""
        if self._memory is not None:
            self._memory.remove(_KIND, _NAME)
        if self.account:
            self.account = ""
            log.warn("an operator resumed all accounts")

    def _loaded(self) -> None:
        kept = None if self._memory is None else self._memory.get(_KIND, _NAME)
        if kept:
            self.begin(kept)
