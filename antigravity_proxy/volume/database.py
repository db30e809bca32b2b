"""Opens a snapshot with SQLite, privately, and reads the accounts' rows by column name."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from antigravity_proxy.volume import paused, wal
from antigravity_proxy.volume.accounts import Row
from antigravity_proxy.volume.snapshot import NotReady, Snapshot, VolumeError

#: the columns that are read where they exist; the first four are the schema's oldest and must be there
_REQUIRED = ("id", "provider", "email", "token_json")
_OPTIONAL = ("name", "quota_json", "status", "proxy_url")

#: larger images go through a file: deserializing stops every thread for some 0.6 ms per MB (credential-volume.md 2.6)
IN_MEMORY_BELOW = 16 << 20
#: frames of a log that are replayed without SQLite: about a second's work
_MAX_FRAMES = 4000
#: rows of accounts that are taken
MAX_ROWS = 500_000
#: seconds of SQLite's work on one copy: 100,000 accounts take about one (credential-volume.md 2.6)
PATIENCE = 20.0
#: bytes of one value, and steps of SQLite's machine between two looks at the clock
_MAX_VALUE, STEPS = 16 << 20, 10_000


class Damaged(VolumeError):
    """The snapshot is not a sound database, or not this app's."""


def rows(snapshot: Snapshot, places: Iterable[str] | None = None) -> list[Row]:
    """All rows of ``accounts``, the last used first; those that this proxy leaves alone say ``paused``.

    Raises Damaged, or NotReady where there is no room to work.

    ``places`` are directories that may take a private copy, best first; by default the machine's temporary ones.
    """
    with _opened(snapshot, places) as connection:
        return _rows(connection)


def whole(snapshot: Snapshot, places: Iterable[str] | None = None) -> bytes:
    """The committed state as one database file, its log or journal worked in. Raises as ``rows``."""
    with _opened(snapshot, places) as connection:
        _check(connection)
        image = connection.serialize()
    return image[:18] + snapshot.db[18:20] + image[20:]  # in the journal mode that the app chose


def restrict(connection: sqlite3.Connection, seconds: float) -> None:
    """Holds what a file may make SQLite do within bounds: its text is not ours. Raises sqlite3.Error.

    No function with side effects in views, triggers and defaults; no value above 16 MiB; and no work beyond
    ``seconds`` from now, waiting for locks apart: it ends as OperationalError.
    """
    end = time.monotonic() + seconds
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE)
    connection.set_progress_handler(lambda: time.monotonic() > end, STEPS)


def _check(connection: sqlite3.Connection) -> None:
    check = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if check != "ok":
        raise Damaged(f"cloud_accounts.db is damaged: {check}")


def _rows(connection: sqlite3.Connection) -> list[Row]:
    kind = connection.execute("SELECT type FROM sqlite_master WHERE name = 'accounts'").fetchone()
    if kind is not None and kind[0] != "table":
        raise Damaged(f"'accounts' of cloud_accounts.db is not a table, but a {kind[0]}")
    _check(connection)
    columns = {name for _, name, *_ in connection.execute("PRAGMA table_info(accounts)")}
    if not columns:
        raise Damaged("cloud_accounts.db has no table 'accounts'")
    if missing := [name for name in _REQUIRED if name not in columns]:
        raise Damaged(f"the table 'accounts' of cloud_accounts.db lacks {', '.join(missing)}")
    wanted = [*_REQUIRED, *(name for name in _OPTIONAL if name in columns)]
    order = " ORDER BY last_used DESC" if "last_used" in columns else ""
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    found = connection.execute(f"SELECT {', '.join(wanted)} FROM accounts{order}")  # noqa: S608 - constant names
    rows = [dict(zip(wanted, row, strict=True)) for row in found.fetchmany(MAX_ROWS + 1)]
    if len(rows) > MAX_ROWS:
        raise Damaged(f"cloud_accounts.db holds more than {MAX_ROWS} accounts")
    paused_ids = _paused(connection)
    for row in rows if paused_ids else ():
        if row["id"] in paused_ids:
            row["paused"] = True
    return rows


def _paused(connection: sqlite3.Connection) -> frozenset[str]:
    """The ids of the paused accounts; none where the table is missing, or not as the app makes it."""
    try:
        found = connection.execute("SELECT value FROM settings WHERE key = ?", (paused.KEY,)).fetchone()
    except sqlite3.OperationalError:
        return frozenset()
    return frozenset() if found is None else paused.parse(found[0])


@contextmanager
def _opened(snapshot: Snapshot, places: Iterable[str] | None) -> Iterator[sqlite3.Connection]:
    """A connection to the copy, restricted. Whatever ends its use is Damaged, or NotReady where there is no room."""
    end = time.monotonic() + PATIENCE
    try:
        with _connected(snapshot, temporary_places() if places is None else places) as connection:
            restrict(connection, PATIENCE)
            yield connection
    except VolumeError:
        raise
    except Exception as e:  # of the many kinds that a made-up file can bring about
        if isinstance(e, sqlite3.OperationalError) and time.monotonic() > end:
            raise Damaged(f"cloud_accounts.db takes more than {PATIENCE:.0f} s to be read: is it the app's?") from e
        raise Damaged(f"cloud_accounts.db can't be read: {e or type(e).__name__}") from e


@contextmanager
def _connected(snapshot: Snapshot, places: Iterable[str]) -> Iterator[sqlite3.Connection]:
    """A connection to the copy: in memory when nothing has to be replayed, else in a private directory if there is one.

    In there SQLite itself replays the log, or rolls the journal back.
    """
    is_idle = snapshot.wal is None and snapshot.journal is None
    directory = None if is_idle and snapshot.size <= IN_MEMORY_BELOW else _private_copy(snapshot, places)
    if directory is None:
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.deserialize(_image(snapshot))
            yield connection
        return
    try:
        with closing(sqlite3.connect(directory / "x")) as connection:
            yield connection
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _image(snapshot: Snapshot) -> bytearray:
    """The database as one image, in rollback mode: one in WAL mode can't be deserialized."""
    if snapshot.journal is not None:
        raise NotReady(
            "cloud_accounts.db was left in mid-transaction, and no temporary directory is writable to undo it: "
            "give the daemon a writable /tmp"
        )
    if snapshot.wal is None:
        image = bytearray(snapshot.db)
    elif wal.frame_count(snapshot.wal) <= _MAX_FRAMES:
        image = wal.replay(snapshot.db, snapshot.wal)
    else:
        raise NotReady(
            "cloud_accounts.db has a long write-ahead log, and no temporary directory is writable to replay it: "
            "give the daemon a writable /tmp"
        )
    image[18:20] = b"\x01\x01"
    return image


def _private_copy(snapshot: Snapshot, places: Iterable[str]) -> Path | None:
    """A new directory of mode 0700 with the copy in it; None where none can be written."""
    for place in places:
        try:
            directory = Path(tempfile.mkdtemp(prefix="antigravity-", dir=place))
        except OSError:
            continue
        try:
            for suffix, content in (("", snapshot.db), ("-wal", snapshot.wal), ("-journal", snapshot.journal)):
                if content is not None:
                    (directory / f"x{suffix}").write_bytes(content)
        except OSError:
            shutil.rmtree(directory, ignore_errors=True)
            continue
        return directory
    return None


def temporary_places() -> Iterator[str]:
    """Never the working directory, which ``tempfile`` would fall back to: that may be the volume."""
    for name in ("TMPDIR", "TEMP", "TMP"):
        if place := os.environ.get(name):
            yield place
    yield from ("/dev/shm", "/tmp", "/var/tmp")  # noqa: S108 - mkdtemp makes a private one inside
