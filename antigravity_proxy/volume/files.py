"""Plain file reads: they take no lock, leave no trace and never wait."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

T = TypeVar("T")
#: reads a whole file of at most this many bytes; raises OSError
Read = Callable[[Path, int], bytes]

#: above this size dropping the page cache costs more than it brings (credential-volume.md 2.6)
_DROP_CACHE_BELOW = 16 << 20
#: not blocking: a pipe in the place of a file must not hang the reader
_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_BINARY", "O_NONBLOCK"))
_BLOCK = 1 << 20

#: bytes of each kind of file that are read at most: a larger one is refused, and never held in memory
MAX_DATABASE = 256 << 20  # with its log; 100,000 accounts take 111 MB (credential-volume.md 2.6)
MAX_CONFIG = 4 << 20
MAX_CLIENT_KEYS = 1 << 20
MAX_SETTING = 1 << 20


def open_descriptor(path: Path, *, follow: bool = True) -> int:
    """A descriptor of a regular file, for reading; the caller closes it. Raises OSError.

    ``follow``: whether the path may end in a symbolic link.
    """
    descriptor = os.open(path, _FLAGS if follow else _FLAGS | getattr(os, "O_NOFOLLOW", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return descriptor


def lies_in(path: Path, directory: Path) -> bool:
    """Whether the path is the directory or lies below it, through links too. Blocking."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(directory))


def content(path: Path, limit: int) -> bytes:
    """The whole file. Raises OSError, with EFBIG and words for one of more than ``limit`` bytes."""
    descriptor = _open_fresh(path)
    with os.fdopen(descriptor, "rb") as file:
        return read_up_to(file, limit, os.fstat(descriptor).st_size)


class Unreadable(Exception):
    """A file can't be read: words for an operator, which don't name it."""


def text(path: Path, limit: int, read: Read = content) -> str:
    """A whole file that somebody wrote by hand, of at most ``limit`` bytes in UTF-8. Raises Unreadable."""
    try:
        return read(path, limit).decode()
    except FileNotFoundError:
        raise Unreadable("it isn't there") from None
    except OSError as e:
        raise Unreadable(f"it can't be read: {why(e, path)}") from None
    except UnicodeDecodeError:
        raise Unreadable("it is not UTF-8") from None


class Derived(Generic[T]):
    """What ``make`` makes of the files that it reads by the function it is given; again only when one has changed.

    Looks at all of them each time, and keeps their digests, no content. What ``make`` raises is raised, and it is tried
    again the next time. Blocking; for one thread at a time.
    """

    def __init__(self, make: Callable[[Read], T]) -> None:
        self._make = make
        self._seen: dict[tuple[Path, int], object] = {}
        self._made: T | None = None

    def read(self) -> T:
        """What the files come to now."""
        if self._made is None or not self._is_current():
            self._seen, self._made = {}, None
            self._made = self._make(self._content)
        return self._made

    def _is_current(self) -> bool:
        for (path, limit), seen in tuple(self._seen.items()):
            with suppress(OSError):
                self._content(path, limit)
            if self._seen[path, limit] != seen:
                return False
        return True

    def _content(self, path: Path, limit: int) -> bytes:
        try:
            found = content(path, limit)
            self._seen[path, limit] = hashlib.sha256(found).digest(), os.stat(path).st_mode
        except OSError as e:
            self._seen[path, limit] = type(e), e.errno
            raise
        return found


def read_up_to(file: BinaryIO, limit: int, size: int) -> bytes:
    """All of a file of ``size`` bytes; as OSError where it holds more than ``limit``, or grows beyond that."""
    found = b"" if size > limit else file.read(limit + 1)
    if size > limit or len(found) > limit:
        raise OSError(errno.EFBIG, f"it is larger than the {limit >> 20 or 1} MiB that are read at most")
    return found


def has_content(path: Path, expected: bytes) -> bool:
    """Whether the file holds exactly these bytes now; reads it afresh, piece by piece. Raises OSError."""
    position = 0
    with os.fdopen(_open_fresh(path), "rb", buffering=0) as file:
        while piece := file.read(_BLOCK):
            # not by memoryview: it compares byte by byte, and stops every thread meanwhile
            if expected[position : position + len(piece)] != piece:
                return False
            position += len(piece)
    return position == len(expected)


def whose(path: Path) -> str:
    """Why a file can't be read, as far as owners and modes show: in words for an operator. Raises nothing.

    Where a directory keeps this process out, it is that directory's owner and mode that count.
    """
    ours = f"this process has uid {os.geteuid()}" if hasattr(os, "geteuid") else "this process may not"
    for distance, each in enumerate((path, *path.parents)):
        try:
            found = each.stat()
        except PermissionError:
            continue
        except OSError:
            break
        subject = ("", "its directory is ", "a directory above it is ")[min(distance, 2)]
        return f"{subject}owned by uid {found.st_uid}, mode {stat.S_IMODE(found.st_mode):04o}; {ours}"
    return ours


def why(error: OSError, path: Path) -> str:
    """The meaning of an error that a read of ``path`` ended in; holds no path. Raises nothing."""
    if isinstance(error, PermissionError):
        return whose(path)
    return error.strerror or type(error).__name__


def _open_fresh(path: Path) -> int:
    """Opens a file and drops its cached pages: on caching mounts that removes most stale mixes."""
    descriptor = open_descriptor(path)
    if hasattr(os, "posix_fadvise") and os.fstat(descriptor).st_size <= _DROP_CACHE_BELOW:
        with suppress(OSError):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    return descriptor
