"""Work that one replica does for all: the holder of the lease works, the others wait for the result.

A lease lasts for seconds and is renewed while the work lasts, so that a holder who dies is soon replaced. A replica
that can't ask Redis does the work itself: two would then do it, and no more harm is done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall, deferLater

from antigravity_proxy.canonical.grant import RefreshRejected
from antigravity_proxy.replicas.connection import Lost
from antigravity_proxy.replicas.link import PATIENCE, Link
from antigravity_proxy.replicas.outbox import Outbox

T = TypeVar("T")

#: seconds for which a lease is taken, and after which its holder renews it
LEASE = 3.0
KEEP_UP = 1.0
#: seconds between two looks of somebody who waits
LOOK = 0.025
#: seconds after which a replica stops waiting for others: upstream itself would have answered by then
LONGEST = 35.0
#: the value of a lease for a moment after its holder was refused: then no other need ask at once
_FAILED = b"!"


class Shared(Struct, Generic[T], frozen=True):
    """A piece of work: its lease's key, the key of its result, and that result if the bytes hold it."""

    lease: bytes
    result: bytes
    read: Callable[[bytes], T | None]
    known: Callable[[], T | None]


class Leases:
    """``sender`` names this process. ``hurry`` has the outbox sent at once."""

    def __init__(self, clock: IReactorTime, link: Link, outbox: Outbox, hurry: Callable[[], None], sender: str) -> None:
        self._clock = clock
        self._link = link
        self._outbox = outbox
        self._hurry = hurry
        self._sender = sender

    async def once(self, work: Shared[T], do: Callable[[], Awaitable[T]]) -> T:
        """The result of ``do``, here or on another replica; raises as it does here. ``do`` puts it into the outbox."""
        began = self._clock.seconds()
        while self._link.status.well and self._clock.seconds() - began < LONGEST:
            found = work.known()
            if found is not None:
                return found
            try:
                claimed, holder, value = await self._claim(work)
            except Lost:
                break
            found = work.read(value) if isinstance(value, bytes) else None
            if claimed:
                return await self._holding(work, found, do)
            if found is not None:
                return found
            if isinstance(holder, bytes) and holder.startswith(_FAILED):
                raise RefreshRejected("temporary", "another replica was refused a moment ago")
            await deferLater(self._clock, LOOK)
        return await do()

    async def claim(self, key: bytes, seconds: float) -> bool:
        """Whether this process is the first to claim this within ``seconds``."""
        if not self._link.status.well:
            return True
        try:
            (answer,) = await self._link.ask([(b"SET", key, self._sender, b"NX", b"PX", round(seconds * 1000))])
        except Lost:
            return True
        return answer is not None

    async def _claim(self, work: Shared[Any]) -> tuple[bool, Any, Any]:
        """Whether the lease is ours now, its value, and the result; None where there is none. Raises Lost."""
        take = (b"SET", work.lease, self._sender, b"NX", b"PX", round(LEASE * 1000))
        answers = await self._link.ask([take, (b"GET", work.lease), (b"GET", work.result)], PATIENCE)
        if not self._link.note(answers):
            raise Lost(self._link.status.trouble)
        return answers[0] is not None, answers[1], answers[2]

    async def _holding(self, work: Shared[T], found: T | None, do: Callable[[], Awaitable[T]]) -> T:
        """Does the work under its lease, unless it is done: the previous holder's result has arrived by now."""
        keeping = LoopingCall(self._keep_up, work.lease)
        keeping.clock = self._clock
        keeping.start(KEEP_UP, now=False)
        mark = b""
        try:
            found = work.known() if found is None else found
            return await do() if found is None else found
        except RefreshRejected:
            mark = _FAILED  # also where the account is out of use now: the others may hear of that a moment later
            raise
        finally:
            keeping.stop()
            self._release(work.lease, mark)

    def _keep_up(self, lease: bytes) -> None:
        self._link.ask([(b"PEXPIRE", lease, round(LEASE * 1000))]).addErrback(lambda _: None)

    def _release(self, lease: bytes, mark: bytes = b"") -> None:
        self._outbox.release(lease, mark)
        self._hurry()
