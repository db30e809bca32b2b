"""The volume in the life of the daemon: read off the reactor's thread, polled for changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from antigravity_proxy.volume.reader import VolumeReader, VolumeState

log = Logger()

#: seconds between two looks at the files (credential-volume.md 2.5)
POLL = 0.25


class VolumeService(Service):
    """Reads the volume at the start and whenever its files change, in one thread of its own.

    The thread is not the reactor's: those do DNS, and a hung mount must not take them. ``on_state`` is called on the
    reactor's thread with every new state.
    """

    def __init__(self, reactor: Any, reader: VolumeReader, on_state: Callable[[VolumeState], None]) -> None:
        self._reactor = reactor
        self._reader = reader
        self._on_state = on_state
        self._threads = ThreadPool(1, 1, "volume")
        self._poll = LoopingCall(self._look)
        self._poll.clock = reactor
        self._signature: object = None
        #: when the read that is under way began (monotonic seconds), None between reads
        self.busy_since: float | None = None

    def startService(self) -> None:
        """Starts the thread and the polling; the first look reads."""
        super().startService()
        self._threads.start()
        self._poll.start(POLL).addErrback(lambda failure: log.failure("the volume's watch ended", failure))

    def stopService(self) -> Deferred[None] | None:
        """Ends the polling; a read that hangs is left behind."""
        super().stopService()
        if self._poll.running:
            self._poll.stop()
        self._reactor.callInThread(self._threads.stop)
        return None

    def _look(self) -> Deferred[None]:
        self.busy_since = self._reactor.seconds()
        looking: Deferred[VolumeState | None] = deferToThreadPool(self._reactor, self._threads, self._read_if_changed)
        return looking.addCallbacks(self._done, self._failed)

    def _read_if_changed(self) -> VolumeState | None:
        """In the thread: a new state, or None where nothing changed. A round that failed is followed by another."""
        signature = self._reader.signature()
        if signature == self._signature:
            return None
        state = self._reader.read()
        self._signature = None if state.error or state.config_error else signature
        return state

    def _done(self, state: VolumeState | None) -> None:
        self.busy_since = None
        if state is not None and self.running:
            self._on_state(state)

    def _failed(self, failure: Failure) -> None:
        self.busy_since = None
        log.failure("the volume could not be read", failure)
