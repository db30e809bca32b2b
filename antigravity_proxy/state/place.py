"""The state directory itself: whose it is, and that one process writes to it. Blocking."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

DATABASE = "state.db"
LOCK = "state.lock"
_MODE = 0o700
_OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_FLAGS = os.O_RDWR | os.O_CREAT | sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_BINARY"))


class Occupied(Exception):
    """Another process writes to the directory."""


def prepare(path: Path) -> bool:
    """Makes the directory, for this user alone, if only it is missing. Raises OSError.

    Returns whether others may look into it.
    """
    with suppress(FileExistsError):
        os.mkdir(path, _MODE)
    mode = os.stat(path).st_mode
    if not stat.S_ISDIR(mode):
        raise NotADirectoryError(errno.ENOTDIR, "it is not a directory")
    return os.name == "posix" and bool(mode & _OPEN_TO_OTHERS)


def make_file(path: Path) -> None:
    """Makes sure that there is a regular file of that name, for this user alone. Raises OSError."""
    descriptor = os.open(path, _FLAGS, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, f"{path.name} is not a regular file")
    finally:
        os.close(descriptor)


class Lock:
    """Held by one process at a time; the system takes it from one that dies, however that happens."""

    def __init__(self, directory: Path) -> None:
        """Raises Occupied, OSError."""
        self._descriptor = os.open(directory / LOCK, _FLAGS, 0o600)
        try:
            _lock(self._descriptor)
        except BaseException:
            os.close(self._descriptor)
            raise

    def release(self) -> None:
        """Lets the next one in."""
        os.close(self._descriptor)


def _lock(descriptor: int) -> None:
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as e:
        if e.errno in (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK):
            raise Occupied("another daemon writes to it") from None
        raise
