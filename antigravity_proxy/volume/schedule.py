"""When the volume is to be looked at, and when to be read (credential-volume.md 2.4, 2.5)."""

from __future__ import annotations

import math

from antigravity_proxy.volume.reader import VolumeState
from antigravity_proxy.volume.removals import CONFIRM

#: seconds between two looks at the files' signature
POLL = 0.25
#: seconds after a change until one more read: past the caches of a mount, and past the granule of its clock
SETTLE = 3.0
#: seconds between two reads where the signature shows nothing: up to this size in bytes, and above it
CONTENT_CHECK = 5.0
LARGE_CONTENT_CHECK = 60.0
LARGE = 4 << 20
#: seconds after a round that failed until the next
RETRY = 1.0


class Schedule:
    """Decides from the files' signature and the outcome of the last read. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._signature: object = None
        self._revision = 0
        self._due = -math.inf
        self._settle_due = math.inf

    def wants_read(self, signature: object, now: float) -> bool:
        """Whether to read: the files look different, or the time has come."""
        return signature != self._signature or now >= self._due

    def has_read(self, signature: object, now: float, state: VolumeState) -> None:
        """Takes a read's outcome. ``signature`` is that of before the read, ``now`` the time after it."""
        if signature != self._signature or state.revision != self._revision:
            self._settle_due = now + SETTLE
        elif now >= self._settle_due:
            self._settle_due = math.inf
        self._signature = signature
        self._revision = state.revision
        pause = LARGE_CONTENT_CHECK if state.size > LARGE else CONTENT_CHECK
        if state.unconfirmed:
            pause = min(pause, CONFIRM)
        if state.error or state.config_error:
            pause = min(pause, RETRY)
        self._due = min(now + pause, self._settle_due)

    def has_failed(self, now: float) -> None:
        """A look or a read ended by a fault: the next one comes soon, and reads whatever the files look like."""
        self._signature = None
        self._due = now + RETRY

    def pause(self, now: float) -> float:
        """Seconds until the next look."""
        return max(0.0, min(POLL, self._due - now))
