"""Changes to accounts: pause, resume, remove, reset. One way in, for the page and for the operator's command."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from itertools import chain
from typing import Literal, Protocol

from msgspec import Struct
from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.canonical.credential import Credential
from antigravity_proxy.secret import masked
from antigravity_proxy.volume.accounts import RowProblem
from antigravity_proxy.volume.reader import VolumeState
from antigravity_proxy.volume.snapshot import VolumeError

log = Logger()

Action = Literal["pause", "resume", "remove", "reset", "resume-all"]
ACTIONS: tuple[Action, ...] = ("pause", "resume", "remove", "reset", "resume-all")
READ_ONLY = (
    "The data directory is read-only here, so accounts can't be changed. Change them in the desktop app, or start the "
    "daemon with READONLY_MODE=false on a directory that it may write."
)
_DONE = {
    "pause": "is paused: it gets no new request",
    "resume": "serves again",
    "remove": "was removed",
    "reset": "is available again",
}
#: characters of an id that may be given instead of all
_SHORTEST = 4


class Stored(Protocol):
    """The volume: both have read back what they wrote, say whether there was such a row, and raise VolumeError."""

    def pause(self, identity: str, *, paused: bool) -> Awaitable[bool]:
        """Has this proxy leave an account alone, or use it again."""
        ...

    def remove(self, identity: str) -> Awaitable[bool]:
        """Removes an account."""
        ...


class NotChanged(Exception):
    """Nothing was changed; ``message`` says why. ``status`` as an HTTP answer has it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Found(Struct, frozen=True):
    """An account that somebody means: its id, and its address, masked."""

    id: str
    email: str

    @property
    def called(self) -> str:
        """Its name in words: many addresses look alike when they are masked."""
        return f"{self.email} ({self.id})" if self.email else self.id


class Changed(Struct, frozen=True):
    """The change that was made, in words for a person."""

    id: str
    email: str
    action: Action
    message: str


class Changes:
    """Does them. ``state`` gives the volume's state; ``read_only``: refuses them all."""

    def __init__(self, pool: Pool, stored: Stored, state: Callable[[], VolumeState], *, read_only: bool) -> None:
        self._pool = pool
        self._stored = stored
        self._state = state
        self.read_only = read_only

    def find(self, meant: str) -> Found:
        """The row of an id, of a beginning of an id, or of an e-mail address. Raises NotChanged unless it is one."""
        if self.read_only:
            raise NotChanged(403, READ_ONLY)
        found = {each.id: each for each in self._candidates(meant)}
        if meant in found:
            return found[meant]
        if len(found) > 1:
            raise NotChanged(409, f"{len(found)} accounts match: give the complete id.")
        if not found:
            raise NotChanged(404, "There is no such account. 'antigravity-proxy accounts list' shows all accounts.")
        return next(iter(found.values()))

    async def do(self, action: Action, meant: str) -> Changed:
        """One change. Raises NotChanged. ``resume-all`` is about no account, and changes nothing in the volume."""
        if action == "resume-all":
            return self._resume_all()
        found = self.find(meant)
        try:
            there = await self._do(action, found.id)
        except VolumeError as e:
            raise NotChanged(503, f"Nothing was changed: {e}.") from None
        except CancelledError:
            raise NotChanged(503, "The daemon is shutting down: check whether the change was made.") from None
        if not there:
            raise NotChanged(404, "The account no longer exists.")
        log.info("an operator's change: account {account} {what}", account=found.id, what=_DONE[action])
        return Changed(found.id, found.email, action, f"{found.called} {_DONE[action]}.")

    def _resume_all(self) -> Changed:
        """Ends the rest of all accounts, here and at every replica."""
        words = "All accounts are used again." if self._pool.terms_rest.end() else "The accounts were not on hold."
        return Changed("", "", "resume-all", words)

    async def _do(self, action: Action, identity: str) -> bool:
        if action == "reset":
            return self._pool.forgive(identity)
        if action == "remove":
            return await self._stored.remove(identity)
        return await self._stored.pause(identity, paused=action == "pause")

    def _candidates(self, meant: str) -> Iterator[Found]:
        address, state = meant.lower(), self._state()
        rows: Iterator[Credential | RowProblem] = chain(state.accounts, state.problems)
        for row in rows:
            begins = len(meant) >= _SHORTEST and row.id.startswith(meant)
            email = (row.email if isinstance(row, RowProblem) else row.label).reveal()
            if row.id == meant or begins or ("@" in address and email.lower() == address):
                yield Found(row.id, masked(email))
