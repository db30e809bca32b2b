"""Synchronises Redis and this process: reads what it has, and restores what it has lost. A page at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

import hiredis
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from antigravity_proxy.replicas.connection import Lost
from antigravity_proxy.replicas.facts import KINDS
from antigravity_proxy.replicas.link import Link
from antigravity_proxy.replicas.sessions import KEPT
from antigravity_proxy.replicas.state import ReplicaState
from antigravity_proxy.replicas.status import meaning
from antigravity_proxy.replicas.wire import Command, Keys

log = Logger()

T = TypeVar("T")

#: entries that one command reads: well under a millisecond of Redis' time
PAGE = 250
#: seconds for a page
PAGE_SECONDS = 2.0
#: seconds after which a round that broke off is repeated
_AGAIN = 5.0
#: seconds between two pages of sessions that are restored
_BREATH = 0.02
#: seconds by which the ends of a cooldown may differ, here and there, and be the same
_SAME = 1.0


class Reading:
    """Redis' content, read in pages. Everything raises Lost."""

    def __init__(self, link: Link, keys: Keys) -> None:
        self._link = link
        self._keys = keys

    async def cooldowns(self, now: float) -> AsyncIterator[list[Any]]:
        """Members and scores of all cooldowns, flat; what is over is removed first."""
        await self._ask((b"ZREMRANGEBYSCORE", self._keys.cooldowns, b"-inf", self._link.time.theirs(now)))
        async for page in self._scan(b"ZSCAN", self._keys.cooldowns):
            yield page

    async def sessions(self, now: float) -> AsyncIterator[tuple[int, list[Any]]]:
        """Sessions and accounts, flat, with their age in generations; the oldest first."""
        bucket = self._link.time.bucket(now)
        for age in reversed(range(KEPT)):
            async for page in self._scan(b"HSCAN", self._keys.sessions(bucket - age)):
                yield age, page

    async def facts(self, accounts: Iterable[str]) -> AsyncIterator[list[tuple[str, str, Any]]]:
        """Account, kind and sealed value, None where there is none."""
        for page in pages(accounts, PAGE // len(KINDS)):
            asked = [(account, kind) for account in page for kind in KINDS]
            values = await self._ask((b"MGET", *(self._keys.fact(kind, account) for account, kind in asked)))
            if not isinstance(values, list) or len(values) != len(asked):
                raise Lost("Redis sent an invalid reply")
            yield [(account, kind, value) for (account, kind), value in zip(asked, values, strict=True)]

    async def _scan(self, command: bytes, key: bytes) -> AsyncIterator[list[Any]]:
        cursor = b"0"
        while True:
            answer = await self._ask((command, key, cursor, b"COUNT", PAGE))
            if not isinstance(answer, list) or len(answer) != 2 or not isinstance(answer[1], list):
                raise Lost("Redis sent an invalid reply")
            cursor = answer[0]
            yield answer[1]
            if cursor == b"0":
                return

    async def _ask(self, command: Command) -> Any:
        (answer,) = await self._link.ask([command], PAGE_SECONDS)
        if isinstance(answer, hiredis.ReplyError):
            raise Lost(meaning(str(answer)))
        return answer


class Sync:
    """Brings both sides together, one round at a time; a new round replaces the one under way."""

    def __init__(self, clock: IReactorTime, link: Link, state: ReplicaState, tell: Callable[[], None]) -> None:
        self._clock = clock
        self._link = link
        self._state = state
        self._tell = tell
        self._reading = Reading(link, state.keys)
        self._unread: dict[str, None] = {}  # accounts whose facts are to be read
        self._round: Deferred[None] | None = None

    @property
    def is_reading(self) -> bool:
        """Whether a round is under way."""
        return self._round is not None

    def everything(self) -> None:
        """Whatever either side may have lost."""
        self.stop()
        self._unread = dict.fromkeys(self._state.cache.identities)
        self._begin(whole=True)

    def joined(self, account: str) -> None:
        """An account, by its name in Redis, is new here."""
        self._unread[account] = None
        if self._round is None and self._link.is_up:
            self._begin(whole=False)

    def stop(self) -> None:
        """Gives up the round under way."""
        running, self._round = self._round, None
        if running is not None:
            running.cancel()

    def _begin(self, *, whole: bool) -> None:
        running = self._round = Deferred.fromCoroutine(self._go(whole=whole))
        running.addErrback(self._broken_off).addBoth(self._ended, running)

    def _broken_off(self, failure: Failure) -> None:
        if failure.check(CancelledError) is None:
            log.failure("the state of Redis could not be read", failure)

    def _ended(self, _: None, running: Deferred[None]) -> None:
        if self._round is running:
            self._round = None

    async def _go(self, *, whole: bool) -> None:
        """One round; one that breaks off while the connection holds is repeated."""
        await deferLater(self._clock, 0)  # accounts join by the thousand
        while True:
            try:
                if whole:
                    await self._cooldowns()
                    await self._sessions()
                while self._unread:
                    await self._facts(list(islice(self._unread, PAGE)))
            except Lost:
                if not self._link.is_up:
                    return
                await deferLater(self._clock, _AGAIN)
            else:
                return

    async def _cooldowns(self) -> None:
        state, seen = self._state, dict[tuple[str, str], float]()
        async for page in self._reading.cooldowns(self._clock.seconds()):
            for cooling in state.read_cooldowns(page):
                seen[cooling.account, cooling.model] = cooling.until
                state.take_cooling(cooling, self._clock.seconds())
        for cooling in state.cache.cooling(self._clock.seconds()):
            if seen.get((cooling.account, cooling.model), 0.0) < cooling.until - _SAME:
                state.outbox.cool(cooling)
        self._tell()

    async def _sessions(self) -> None:
        sessions, outbox, seen = self._state.sessions, self._state.outbox, set[bytes]()
        async for age, page in self._reading.sessions(self._clock.seconds()):
            found = self._state.read_sessions(page)
            sessions.merge(found.keys(), found.values(), self._clock.seconds(), age)
            seen.update(found)
        for session, account in outbox.waiting_sessions():  # bound while Redis was away: newer than what it knows
            sessions.bind(session, account, self._clock.seconds())
        for some in pages(list(sessions.own()), 2 * PAGE):
            for session, account in some:
                if session not in seen:
                    outbox.bind(session, account)
            self._tell()
            await deferLater(self._clock, _BREATH)

    async def _facts(self, accounts: list[str]) -> None:
        state = self._state
        async for page in self._reading.facts(accounts):
            now = self._clock.seconds()
            for account, kind, sealed in page:
                if state.outbox.holds(account, kind):
                    continue  # learnt while Redis was away: newer than what it knows
                if isinstance(sealed, bytes):
                    state.take_fact(account, kind, sealed, now)
                elif state.cache.held(account, kind, now) is not None:
                    state.outbox.tell(account, kind)
            for account, _, _ in page:
                self._unread.pop(account, None)
        self._tell()


def pages(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items, in portions of ``size``."""
    iterator = iter(items)
    while page := list(islice(iterator, size)):
        yield page
