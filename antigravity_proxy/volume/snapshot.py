"""A private copy of the live database by plain file reads, accepted only if it is a state that was really committed.

SQLite never opens the volume itself, in any mode: it would fail, lie, or leave files behind (credential-volume.md 2.1).
The algorithm and its proof: credential-volume.md 2.3. No modification time is trusted: the clock that made it may be
another machine's.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from hashlib import blake2b
from itertools import count
from pathlib import Path

from msgspec import Struct

from antigravity_proxy.volume import exclusion, files, wal

MAGIC = b"SQLite format 3\x00"
JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
#: how much of each of the three files is part of its state
_HEADS = {"": 100, "-wal": wal.HEADER_SIZE, "-journal": 28}

#: seconds after which a round is given up: before health says that it hangs (settings.limits.SLOW_READ)
PATIENCE = 1.8
#: seconds after which a database that is not there is believed not to be
ABSENT_PATIENCE = 0.25
#: seconds: the pauses between attempts grow by the first up to the second
_STEP, _LONGEST_PAUSE = 0.001, 0.020
#: attempts between two pauses: after a sleep the first is slow, and a writer that doesn't rest overtakes it
_BURST = 4


class VolumeError(Exception):
    """The volume can't be read this round; the message says why, for an operator. It holds no path."""


class VolumeMissing(VolumeError):
    """There is no data directory."""


class DatabaseMissing(VolumeError):
    """There is no database file."""


class NotReady(VolumeError):
    """The file is not a database, may not be read, or was never still enough to be copied."""


class Stamp(Struct, frozen=True):
    """The identity of a file's state."""

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

    @property
    def size(self) -> int:
        """Bytes, all in all."""
        return len(self.db) + len(self.wal or b"") + len(self.journal or b"")

    @property
    def has_log_mode(self) -> bool:
        """Whether its writer keeps a write-ahead log, there at this moment or not (SQLite file format 1.3.3)."""
        return self.db[18:19] == b"\x02"

    def fingerprint(self) -> bytes:
        """Equal for equal contents."""
        digest = blake2b(digest_size=16)
        for part in (self.db, self.wal, self.journal):
            digest.update(b"-" if part is None else b"%d:" % len(part))
            digest.update(part or b"")
        return digest.digest()


class _Moved(Exception):
    """Something changed while it was read, or is not there yet: try again."""


class _Absent(_Moved):
    """There is no database at this moment."""


def located(database: Path) -> Path:
    """The database itself, where its name is a link: SQLite keeps log and journal beside the link's target."""
    return Path(os.path.realpath(database))


def probe(database: Path) -> Probe:
    """The state of the database's three files at this moment; None for one that is absent. Raises OSError."""
    return _probe(located(database))


def _probe(target: Path) -> Probe:
    with exclusion.reading():
        return {suffix: _stamp(_beside(target, suffix), size) for suffix, size in _HEADS.items()}


def take(database: Path, *, monotonic: Callable[[], float], sleep: Callable[[float], None]) -> Snapshot:
    """A snapshot of the live database. Blocks for up to PATIENCE seconds.

    Raises VolumeMissing, DatabaseMissing or NotReady. ``monotonic`` and ``sleep`` are in seconds.
    """
    began = monotonic()
    for attempt in count(1):
        try:
            with exclusion.reading():
                return _attempt(located(database))
        except (_Moved, OSError) as e:
            if monotonic() - began >= (ABSENT_PATIENCE if isinstance(e, _Absent) else PATIENCE) or _is_final(e):
                raise _given_up(database, e) from e
        if attempt % _BURST == 0:
            sleep(min(_STEP * (attempt // _BURST), _LONGEST_PAUSE))
    raise AssertionError("unreachable")


def _attempt(target: Path) -> Snapshot:
    before = _probe(target)
    first = before[""]
    if first is None:
        raise _Absent
    if len(first.head) < _HEADS[""] or not first.head.startswith(MAGIC):
        raise _Moved("is empty or not an SQLite database")
    db = files.content(target, files.MAX_DATABASE)
    log_head = before["-wal"].head if before["-wal"] else b""
    if wal.is_live(log_head):
        return _with_wal(target, before, db)
    if wal.looks_like_log(log_head):
        raise _Moved("has a write-ahead log that is being written")
    return _without_wal(target, before, db)


def _with_wal(target: Path, before: Probe, db: bytes) -> Snapshot:
    """The log is copied after the database. While its generation stays, its copy repairs whatever moved in between."""
    log = files.content(_beside(target, "-wal"), files.MAX_DATABASE - len(db))
    after = _probe(target)
    first, last, log_before, log_after = before[""], after[""], before["-wal"], after["-wal"]
    if first is None or last is None or (first.device, first.inode) != (last.device, last.inode):
        raise _Moved("is being replaced")
    if log_before is None or log_after is None or not log_before.head == log[: wal.HEADER_SIZE] == log_after.head:
        raise _Moved("has a write-ahead log that was restarted")
    return Snapshot(db, wal=log)


def _without_wal(target: Path, before: Probe, db: bytes) -> Snapshot:
    """Everything must have stood still. Equal probes don't prove that, since clocks tick slowly: a second read does."""
    journal_stamp = before["-journal"]
    is_hot = journal_stamp is not None and journal_stamp.head.startswith(JOURNAL_MAGIC)
    journal = files.content(_beside(target, "-journal"), files.MAX_DATABASE) if is_hot else None
    if _probe(target) != before or not files.has_content(target, db) or _probe(target) != before:
        raise _Moved("is being written")
    return Snapshot(db, journal=journal)


def _is_final(why: Exception) -> bool:
    """Whether nothing is to be gained by trying again this round."""
    return isinstance(why, PermissionError) or (isinstance(why, OSError) and why.errno == errno.EFBIG)


def _given_up(database: Path, why: Exception) -> VolumeError:
    """The meaning of the last attempt's failure to an operator."""
    name = database.name
    if isinstance(why, _Absent):
        return _missing(database)
    if isinstance(why, FileNotFoundError):  # seen a moment ago: the app removes its log when it closes
        return NotReady(f"{name} is being written")
    if isinstance(why, OSError):
        return NotReady(f"{name} can't be read: {files.why(why, located(database))}")
    return NotReady(f"{name} {why}")


def _missing(database: Path) -> VolumeError:
    directory = database.parent
    try:
        is_directory = stat.S_ISDIR(os.stat(directory).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        is_directory = False
    except OSError as e:
        return NotReady(f"the data directory can't be read: {files.why(e, directory)}")
    if not is_directory:
        return VolumeMissing("the data directory is not there: is the volume mounted?")
    if os.path.islink(database):
        return DatabaseMissing(f"{database.name} is a link to a file that is not there: mount what it leads to as well")
    return DatabaseMissing(f"{database.name} is not there: the data directory must be the one that holds it")


def _beside(database: Path, suffix: str) -> Path:
    return database.with_name(database.name + suffix)


def _stamp(path: Path, head_size: int) -> Stamp | None:
    try:
        descriptor = files.open_descriptor(path)
    except FileNotFoundError:
        return None
    try:
        found = os.fstat(descriptor)
        head = os.read(descriptor, head_size)
    finally:
        os.close(descriptor)
    return Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, head)
