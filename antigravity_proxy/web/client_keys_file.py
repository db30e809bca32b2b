"""The file of clients' keys: read, and followed while the daemon runs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from antigravity_proxy.followed import FollowedFile
from antigravity_proxy.volume import files
from antigravity_proxy.web.client_keys import ClientKey, ClientKeysError, parse


def reader(path: Path) -> files.Derived[tuple[ClientKey, ...]]:
    """Reads the file's keys; raises ClientKeysError, whose message doesn't name the file."""
    return files.Derived(partial(_keys, path))


def _keys(path: Path, read: files.Read) -> tuple[ClientKey, ...]:
    try:
        text = files.text(path, files.MAX_CLIENT_KEYS, read)
    except files.Unreadable as e:
        raise ClientKeysError(str(e)) from None
    return parse(text)


class ClientKeysFile(FollowedFile[tuple[ClientKey, ...]]):
    """Follows the file."""

    def __init__(self, reactor: Any, path: Path) -> None:
        keys: tuple[ClientKey, ...] = ()
        trouble = ""
        read = reader(path).read
        try:
            keys = read()
        except ClientKeysError as e:
            trouble = str(e)
        self.path = path
        super().__init__(reactor, "PROXY_CLIENT_KEYS_FILE", read, ClientKeysError, keys, trouble)

    @property
    def keys(self) -> tuple[ClientKey, ...]:
        """The keys in force."""
        return self.value

    def change(self, work: Callable[[], None]) -> Deferred[None]:
        """Does a change of the file in the thread, and takes what it then holds. Fails as the work does."""
        return self._thread.run(work).addCallback(lambda _: self.look())
