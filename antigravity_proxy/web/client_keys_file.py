"""The file of clients' keys: read, and followed while the daemon runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from antigravity_proxy.settings.limits import CLIENT_KEYS_POLL
from antigravity_proxy.volume import files
from antigravity_proxy.volume.threads import OwnThread
from antigravity_proxy.web.client_keys import ClientKey, ClientKeysError, parse

log = Logger()

#: seconds that the end of the daemon waits for a read that hangs
_PATIENCE = 1.0


def read(path: Path) -> tuple[ClientKey, ...]:
    """The file's keys. Blocks; raises ClientKeysError, whose message doesn't name the file."""
    try:
        content = files.content(path, files.MAX_CLIENT_KEYS)
    except FileNotFoundError:
        raise ClientKeysError("it isn't there") from None
    except OSError as e:
        raise ClientKeysError(f"it can't be read: {files.why(e, path)}") from None
    return parse(content)


class ClientKeysFile(Service):
    """Follows the file. Observers are called with its keys whenever they are others than before.

    A file that is gone or broken changes nothing; ``trouble`` says what is wrong with it.
    """

    def __init__(self, reactor: Any, path: Path) -> None:
        self._reactor = reactor
        self._path = path
        self._observers: list[Callable[[tuple[ClientKey, ...]], None]] = []
        self._thread = OwnThread(reactor, "client-keys")
        self._call: IDelayedCall | None = None
        self.keys: tuple[ClientKey, ...] = ()
        self.trouble = ""
        try:
            self.keys = read(path)
        except ClientKeysError as e:
            self.trouble = str(e)

    def observe(self, observer: Callable[[tuple[ClientKey, ...]], None]) -> None:
        """Calls ``observer`` with other keys from now on."""
        self._observers.append(observer)

    def startService(self) -> None:
        super().startService()
        self._thread.start()
        self._again(None)

    def stopService(self) -> None:
        super().stopService()
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self._thread.stop(_PATIENCE)

    def look(self) -> Deferred[None]:
        """Reads the file now."""
        return self._thread.run(lambda: read(self._path)).addCallbacks(self._read, self._not_read)

    def _look(self) -> None:
        self._call = None
        self.look().addErrback(lambda failure: log.failure("the clients' keys could not be taken", failure)).addBoth(
            self._again
        )

    def _again(self, _: object) -> None:
        if self.running and self._call is None:
            self._call = self._reactor.callLater(CLIENT_KEYS_POLL, self._look)

    def _read(self, keys: tuple[ClientKey, ...]) -> None:
        self.trouble = ""
        if keys != self.keys:
            self.keys = keys
            log.info("{count} clients' keys are in force", count=len(keys))
            for observer in self._observers:
                observer(keys)

    def _not_read(self, failure: Failure) -> None:
        failure.trap(ClientKeysError)
        trouble = failure.getErrorMessage()
        if trouble != self.trouble:
            self.trouble = trouble
            log.warn("PROXY_CLIENT_KEYS_FILE: {trouble}; its last good keys stay in force", trouble=trouble)
