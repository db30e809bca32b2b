"""Plain file reads: they take no lock, leave no trace and wait for nobody."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

#: above this size dropping the page cache costs more than it brings (credential-volume.md 2.6)
_DROP_CACHE_BELOW = 16 << 20
#: not blocking: a pipe in the place of a file must not hang the reader
_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_BINARY", "O_NONBLOCK"))
_BLOCK = 1 << 20


def open_descriptor(path: Path) -> int:
    """A descriptor of a regular file, for reading; the caller closes it. Raises OSError."""
    descriptor = os.open(path, _FLAGS)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return descriptor


def content(path: Path) -> bytes:
    """The whole file. Raises OSError."""
    descriptor = _open_fresh(path)
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


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
    """Why a file can't be read, as far as its owner tells: in words for an operator."""
    ours = f"this process has uid {os.getuid()}" if hasattr(os, "getuid") else "this process may not"
    try:
        found = path.stat()
    except OSError:
        return ours
    return f"owned by uid {found.st_uid}, mode {stat.S_IMODE(found.st_mode):04o}; {ours}"


def _open_fresh(path: Path) -> int:
    """Opens a file and drops its cached pages: on caching mounts that removes most stale mixes."""
    descriptor = open_descriptor(path)
    if hasattr(os, "posix_fadvise") and os.fstat(descriptor).st_size <= _DROP_CACHE_BELOW:
        with suppress(OSError):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    return descriptor
