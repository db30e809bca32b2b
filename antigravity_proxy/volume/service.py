"""The volume in the life of the daemon: read off the reactor's thread, polled for changes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from antigravity_proxy.volume.reader import VolumeReader, VolumeState, unforeseen
from antigravity_proxy.volume.schedule import RETRY, Schedule
from antigravity_proxy.volume.threads import OwnThread

log = Logger()

#: seconds that a read under way gets at the end
_LAST_READ = 0.2


class VolumeService(Service):
    """Reads the volume at the start and whenever its files change, in one thread of its own, one read at a time.

    Observers are called on the reactor's thread with every state that brings something new. ``reads`` counts all,
    ``failed_reads`` those that could not read what is there.
    """

    def __init__(self, reactor: Any, reader: VolumeReader) -> None:
        self._reactor = reactor
        self._reader = reader
        self._observers: list[Callable[[VolumeState], None]] = []
        self._thread = OwnThread(reactor, "volume")
        self._schedule = Schedule()  # used in the thread alone
        self._revision: int | None = None
        self._begun: deque[float] = deque()
        self._seen: float | None = None
        self._is_good = False  # whether the last read brought what there is
        self._fault = ""  # the exception that ended the last read, as it was logged
        self._next_look: Any = None
        self.reads = 0
        self.failed_reads = 0

    @property
    def seen_at(self) -> float | None:
        """When the served state of the volume was last confirmed (monotonic seconds); None if it never was."""
        return self._seen

    @property
    def busy_since(self) -> float | None:
        """When the oldest running look or read began (monotonic seconds); None if there is none."""
        return self._begun[0] if self._begun else None

    def observe(self, observer: Callable[[VolumeState], None]) -> None:
        """Calls ``observer`` with each new state from now on."""
        self._observers.append(observer)

    def startService(self) -> None:
        """Starts the thread and the looking; the first look reads."""
        super().startService()
        self._thread.start()
        self._look()

    def stopService(self) -> None:
        """Ends the looking. A read under way gets a moment to end; one that hangs is left behind."""
        super().stopService()
        if self._next_look is not None:
            self._next_look.cancel()
            self._next_look = None
        self._thread.stop(_LAST_READ)

    def read(self, removed: str = "") -> Deferred[VolumeState]:
        """Reads now, whatever the files look like; after a look that is under way.

        ``removed``: the account that we have just removed from there.
        """
        return self._in_thread(partial(self._read_now, removed)).addCallback(self._told)

    def _look(self) -> None:
        self._next_look = None
        looking = self._in_thread(self._read_if_wanted)
        looking.addErrback(self._broke_off)
        looking.addCallback(self._looked)
        looking.addErrback(partial(log.failure, "the volume's new state could not be used"))

    def _broke_off(self, failure: Failure) -> tuple[None, float]:
        """The thread itself failed: no reason to stop looking."""
        log.failure("the volume could not be checked", failure)
        self._is_good = False
        return None, RETRY

    def _looked(self, outcome: tuple[VolumeState | None, float]) -> None:
        state, pause = outcome
        if self._is_good:
            self._seen = self._reactor.seconds()
        if self.running:
            self._next_look = self._reactor.callLater(pause, self._look)
            if state is not None:
                self._told(state)

    def _told(self, state: VolumeState) -> VolumeState:
        if self.running and state.revision != self._revision:
            self._revision = state.revision
            for observer in self._observers:
                observer(state)
        return state

    def _in_thread(self, work: Callable[[], Any]) -> Deferred[Any]:
        self._begun.append(self._reactor.seconds())
        return self._thread.run(work).addBoth(self._ended)

    def _ended(self, outcome: Any) -> Any:
        self._begun.popleft()
        return outcome

    def _read_if_wanted(self) -> tuple[VolumeState | None, float]:
        """In the thread: what was read, None if there was no need to, and the seconds until the next look."""
        try:
            signature = self._reader.signature()
            wanted = self._schedule.wants_read(signature, self._reactor.seconds())
            state = self._read(signature) if wanted else None
        except Exception as e:  # a fault of ours, not of the volume's
            state = self._failed(e)
        return state, self._schedule.pause(self._reactor.seconds())

    def _read_now(self, removed: str) -> VolumeState:
        """In the thread."""
        try:
            if removed:
                self._reader.removed(removed)
            return self._read(self._reader.signature())
        except Exception as e:
            return self._failed(e)

    def _read(self, signature: object) -> VolumeState:
        state = self._reader.read()
        self._is_good = not state.error
        self._fault = ""
        self.reads += 1
        self.failed_reads += bool(state.error)
        self._schedule.has_read(signature, self._reactor.seconds(), state)
        return state

    def _failed(self, fault: Exception) -> VolumeState:
        """In the thread: a look that ended by an exception. It shows in health, and its traceback in the log once."""
        words = unforeseen(fault)
        if words != self._fault:
            self._fault = words
            self._reactor.callFromThread(log.failure, "the volume could not be checked", Failure(fault))
        self._is_good = False
        self.reads += 1
        self.failed_reads += 1
        self._schedule.has_failed(self._reactor.seconds())
        return self._reader.failed(words)
