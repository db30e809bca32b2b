"""How long a connection may take for each thing that it waits for. No I/O: the caller gives the time.

The deadlines are absolute, or ask for progress: a timer that starts again with every byte would let a peer drip.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol

from antigravity_proxy.settings.limits import (
    ARRIVAL_SECONDS,
    BODY_CHECK_SECONDS,
    BODY_GRACE_SECONDS,
    BODY_MEAN_RATE,
    BODY_MIN_RATE,
    FULL_DEADLINE,
    HEAD_DEADLINE,
    IDLE_SECONDS,
    LINGER_SECONDS,
    WRITE_STALL,
)


class Wait(Enum):
    """The things that a connection can wait for."""

    HEAD = auto()
    BODY = auto()
    NEXT = auto()
    LINGER = auto()
    ARRIVAL = auto()
    CLOSE = auto()
    NOTHING = auto()

    __hash__ = object.__hash__  # Enum's own is a call of Python


class Upgraded(Protocol):
    """The protocol of a connection that has changed it after its first request."""

    def drain(self) -> None:
        """The daemon is about to end: finishes what is under way, and then the connection."""

    def tick(self, now: float) -> None:
        """Looks at its deadlines; ``now`` in monotonic seconds."""


#: how many seconds each may take; what isn't here may take as long as it takes
_SECONDS = {
    Wait.HEAD: HEAD_DEADLINE,
    Wait.BODY: BODY_CHECK_SECONDS,
    Wait.NEXT: IDLE_SECONDS,
    Wait.LINGER: LINGER_SECONDS,
    Wait.ARRIVAL: ARRIVAL_SECONDS,
    Wait.CLOSE: WRITE_STALL,
}
#: what takes a connection's place and brings no request
_SENDS_NOTHING = (Wait.HEAD, Wait.NEXT)


class Deadlines:
    """What one connection is waiting for, and since when; times in monotonic seconds.

    ``received`` counts bytes since then. ``stalled_since``: the client takes nothing of what we send; None: it does.
    """

    __slots__ = ("_body_began", "_body_received", "_since", "_unsent", "received", "stalled_since", "waits_for")

    def __init__(self, now: float) -> None:
        self.waits_for = Wait.HEAD
        self.received = 0
        self.stalled_since: float | None = None
        self._since = now
        self._body_began = 0.0
        self._body_received = 0
        self._unsent = 0  # bytes that the client had not taken at the last look

    def wait(self, what: Wait, now: float) -> None:
        """From now on it waits for this."""
        self.waits_for, self._since, self.received = what, now, 0

    def body_begins(self, now: float) -> None:
        """From now on it waits for a request's body."""
        self.waits_for, self._since, self.received = Wait.BODY, now, 0
        self._body_began, self._body_received = now, 0

    def expired(self, now: float, *, full: bool) -> Wait | None:
        """The wait that has exceeded its deadline; None: none. ``full``: others wait for a place."""
        waits_for = self.waits_for
        limit = _SECONDS.get(waits_for)
        if limit is None:
            return None
        if full and waits_for in _SENDS_NOTHING:
            limit = min(limit, FULL_DEADLINE)
        if now - self._since < limit:
            return None
        if waits_for is Wait.BODY and self._body_makes_progress(now):
            self.wait(Wait.BODY, now)
            return None
        return waits_for

    def takes_nothing(self, now: float, unsent: int) -> bool:
        """The client has taken nothing for too long of what we sent. ``unsent``: bytes that still wait."""
        progress, self._unsent = unsent < self._unsent, unsent
        if self.stalled_since is not None and progress:
            self.stalled_since = now
        if self.waits_for is Wait.CLOSE and progress:
            self._since = now
        return self.stalled_since is not None and now - self.stalled_since > WRITE_STALL

    def _body_makes_progress(self, now: float) -> bool:
        """It came fast enough of late, and as a whole."""
        self._body_received += self.received
        after_grace = now - self._body_began - BODY_GRACE_SECONDS
        return self.received >= BODY_CHECK_SECONDS * BODY_MIN_RATE and (
            self._body_received >= after_grace * BODY_MEAN_RATE
        )
