"""A private copy of the live database by plain file reads, accepted only if it is a state that was really committed.

SQLite never opens the volume itself, in any mode: it would fail, lie, or leave files behind (credential-volume.md 2.1).
The algorithm and its proof stand in 2.3 there.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

MAGIC = b"SQLite format 3\x00"
JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
_WAL_MAGIC = (0x377F0682, 0x377F0683)
_HEADS = {"": 100, "-wal": 32, "-journal": 28}

#: seconds within which an unchanged mtime proves nothing: the clock of some file systems ticks that slowly
YOUNG = 3.0
#: seconds after which a round is given up
PATIENCE = 2.0
#: above this size dropping the page cache costs more than it brings (credential-volume.md 2.6)
_DROP_CACHE_BELOW = 16 << 20


class VolumeError(Exception):
    """The volume can't be read this round; the message says why, for an operator."""


class DatabaseMissing(VolumeError):
    """There is no database file."""


class NotReady(VolumeError):
    """The file is no database, or was never still enough to be copied."""


class Stamp(Struct, frozen=True):
    """What identifies a file's state: None for one that is absent."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    head: bytes


Probe = dict[str, Stamp | None]


class Snapshot(Struct, frozen=True):
    """A consistent copy: the database, with its write-ahead log or hot rollback journal where one belongs to it."""

    db: bytes
    wal: bytes | None = None
    journal: bytes | None = None


class _Moved(Exception):
    """Something changed while it was read: try again."""


def probe(database: Path) -> Probe:
    """The state of the database's three files at this moment."""
    return {suffix: _stamp(Path(str(database) + suffix), size) for suffix, size in _HEADS.items()}


def take(
    database: Path, *, monotonic: Callable[[], float], epoch: Callable[[], float], sleep: Callable[[float], None]
) -> Snapshot:
    """A snapshot of the live database. Blocks for up to PATIENCE seconds.

    Raises DatabaseMissing or NotReady. ``epoch`` is the wall clock, to know how young a file is.
    """
    deadline = monotonic() + PATIENCE
    pause = 0.001
    while True:
        try:
            return _attempt(database, epoch)
        except (_Moved, OSError) as e:
            if monotonic() > deadline:
                if isinstance(e, FileNotFoundError):
                    raise DatabaseMissing(f"{database.name} is not there") from e
                if isinstance(e, PermissionError):
                    raise NotReady(f"{database.name} can't be read by this process (permissions)") from e
                raise NotReady(f"{database.name}: {e}") from e
        sleep(pause)
        pause = min(pause + 0.001, 0.020)


def _attempt(database: Path, epoch: Callable[[], float]) -> Snapshot:
    before = probe(database)
    first = before[""]
    if first is None:
        raise FileNotFoundError(database)
    if first.size < 100 or not first.head.startswith(MAGIC):
        raise _Moved("is empty or no SQLite database")
    db = _content(database)
    head = before["-wal"].head if before["-wal"] else b""
    if _is_wal_header(head):
        return _with_wal(database, before, db)
    if len(head) >= 32 and _looks_like_wal(head):
        raise _Moved("its write-ahead log is being written")
    journal_stamp = before["-journal"]
    hot = journal_stamp is not None and journal_stamp.head.startswith(JOURNAL_MAGIC)
    journal = _content(Path(str(database) + "-journal")) if hot else None
    if probe(database) != before:
        raise _Moved("is being written")
    if (hot or epoch() - first.mtime_ns / 1e9 < YOUNG) and (_content(database) != db or probe(database) != before):
        raise _Moved("is being written")
    return Snapshot(db, journal=journal)


def _with_wal(database: Path, before: Probe, db: bytes) -> Snapshot:
    """The log is copied after the database. While its generation stays, its copy repairs whatever moved in between."""
    wal = _content(Path(str(database) + "-wal"))
    after = probe(database)
    first, last, log_before, log_after = before[""], after[""], before["-wal"], after["-wal"]
    if first is None or last is None or log_before is None or log_after is None:
        raise _Moved("is being replaced")
    if not log_before.head == wal[:32] == log_after.head:
        raise _Moved("its write-ahead log was restarted")
    if (first.device, first.inode) != (last.device, last.inode):
        raise _Moved("is being replaced")
    return Snapshot(db, wal=wal)


def _looks_like_wal(head: bytes) -> bool:
    return int.from_bytes(head[:4], "big") in _WAL_MAGIC


def _is_wal_header(head: bytes) -> bool:
    """Whether the 32 bytes are a write-ahead log's header with a right checksum (SQLite file format, 4.1)."""
    if len(head) < 32 or not _looks_like_wal(head):
        return False
    order = ">" if head[3] & 1 else "<"
    words = struct.unpack(order + "6I", head[:24])
    a = b = 0
    for i in range(0, 6, 2):
        a = (a + words[i] + b) & 0xFFFFFFFF
        b = (b + words[i + 1] + a) & 0xFFFFFFFF
    return struct.unpack(">2I", head[24:32]) == (a, b)


def _stamp(path: Path, head_size: int) -> Stamp | None:
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        return None
    try:
        found = os.fstat(fd)
        head = os.read(fd, head_size)
    finally:
        os.close(fd)
    return Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, head)


def _content(path: Path) -> bytes:
    """The whole file, read afresh: cached pages are dropped first, where that is possible and cheap."""
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(fd, "rb") as file:
        if hasattr(os, "posix_fadvise") and os.fstat(fd).st_size <= _DROP_CACHE_BELOW:
            with suppress(OSError):
                os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        return file.read()
