"""A file that is read, and followed while the daemon runs: what it held last and could be read stays in force."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from antigravity_proxy.settings.limits import FILE_POLL
from antigravity_proxy.volume.threads import OwnThread

log = Logger()
T = TypeVar("T")

#: seconds that the end of the daemon waits for a read that hangs
_PATIENCE = 1.0


class FollowedFile(Service, Generic[T]):
    """Follows what ``read`` gives; observers are called with it whenever it is other than before.

    ``setting`` names the file. ``read`` blocks, and raises ``error`` for what can't be used: then nothing changes, and
    ``trouble`` says what is wrong. ``value`` is what was read before the start.
    """

    def __init__(
        self, reactor: Any, setting: str, read: Callable[[], T], error: type[Exception], value: T, trouble: str = ""
    ) -> None:
        self._reactor = reactor
        self._setting = setting
        self._reading = read
        self._error = error
        self._observers: list[Callable[[T], object]] = []
        self._thread = OwnThread(reactor, setting.lower())
        self._call: IDelayedCall | None = None
        self.value = value
        self.trouble = trouble

    def observe(self, observer: Callable[[T], object]) -> None:
        """Calls ``observer`` with other content from now on."""
        self._observers.append(observer)

    def startService(self) -> None:
        super().startService()  # type: ignore[no-untyped-call]
        self._thread.start()
        self._again(None)

    def stopService(self) -> None:
        super().stopService()  # type: ignore[no-untyped-call]
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self._thread.stop(_PATIENCE)

    def look(self) -> Deferred[None]:
        """Reads the file now."""
        return self._thread.run(self._reading).addCallbacks(self._read, self._not_read)

    def _look(self) -> None:
        self._call = None
        words = "{setting}: the new content could not be applied"
        self.look().addErrback(lambda failure: log.failure(words, failure, setting=self._setting)).addBoth(self._again)

    def _again(self, _: object) -> None:
        if self.running and self._call is None:
            self._call = self._reactor.callLater(FILE_POLL, self._look)

    def _read(self, value: T) -> None:
        self.trouble = ""
        if value is not self.value and value != self.value:
            self.value = value
            log.info("{setting} was reloaded", setting=self._setting)
            for observer in self._observers:
                observer(value)

    def _not_read(self, failure: Failure) -> None:
        failure.trap(self._error)
        trouble = failure.getErrorMessage()
        if trouble != self.trouble:
            self.trouble = trouble
            log.warn("{setting}: {trouble}; what it held before stays in force", setting=self._setting, trouble=trouble)
