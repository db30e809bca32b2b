"""Watches the event loop: how late it is, and where it hangs when it is blocked."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.logger import Logger

from antigravity_proxy.telemetry.bucket import Bucket

log = Logger()

#: seconds between two beats of the loop
BEAT = 0.5
#: the loop counts as blocked when it is late by this many seconds
BLOCKED = 2.0
#: stacks that are logged: an hour's worth, and at once
_STACKS_PER_SECOND, _STACKS_AT_ONCE = 60 / 3600, 5.0


class LoopWatch(Service):
    """Beats in the loop and calls ``on_lag`` with how late each beat is (seconds); a thread notices when none comes.

    ``blocked`` counts how often that was. Where the loop hung is logged as one line, a few times an hour at most.
    """

    def __init__(self, reactor: Any, on_lag: Callable[[float], None], patience: float = BLOCKED) -> None:
        self._reactor = reactor
        self._on_lag = on_lag
        self._patience = patience
        self._due = 0.0
        self._call: Any = None
        self._stacks = Bucket(_STACKS_PER_SECOND, _STACKS_AT_ONCE)
        self._told = False
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._watched = 0
        self.blocked = 0

    def startService(self) -> None:
        """Starts beat and thread."""
        super().startService()  # type: ignore[no-untyped-call]
        self._watched = threading.get_ident()
        self._beat_later()
        self._thread = threading.Thread(target=self._watch, name="loop watch", daemon=True)
        self._thread.start()

    def stopService(self) -> None:
        """Ends both."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._ended.set()
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _beat_later(self) -> None:
        self._due = self._reactor.seconds() + BEAT
        self._call = self._reactor.callLater(BEAT, self._beat)

    def _beat(self) -> None:
        self._on_lag(max(0.0, self._reactor.seconds() - self._due))
        self._beat_later()

    def _watch(self) -> None:
        """In the thread: looks until the end."""
        while not self._ended.wait(min(BEAT, self._patience / 2)):
            self.look(self._reactor.seconds())

    def look(self, now: float) -> None:
        """Counts and logs, once for each time, that the loop is blocked. ``now`` in monotonic seconds."""
        late = now - self._due
        if late < self._patience:
            self._told = False
        elif not self._told:
            self._told = True
            self.blocked += 1
            if self._stacks.take(now):
                words = "the event loop has been blocked for {seconds} s, in: {stack}"
                log.error(words, seconds=round(late, 1), stack=_stack(self._watched))


def _stack(thread: int) -> str:
    """Where a thread is, the innermost call first; without any values."""
    frame = sys._current_frames().get(thread)
    calls = traceback.extract_stack(frame) if frame is not None else []
    return " < ".join(f"{call.name} ({_short(call.filename)}:{call.lineno})" for call in reversed(calls[-12:]))


def _short(path: str) -> str:
    return "/".join(path.split("/")[-2:])
