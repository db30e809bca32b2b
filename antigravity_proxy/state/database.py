"""The state database: opened, written in batches, read at the start. Blocking; one thread at a time."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from threading import RLock
from typing import NamedTuple, TypeVar

from msgspec import Struct

from antigravity_proxy.state import place, schema

#: seconds that a write waits for somebody who reads
_BUSY_SECONDS = 2.0
#: the log is cut back to that many bytes after a checkpoint
_LOG_BYTES = 4 << 20
#: most facts that are read: this program never writes more
MAX_FACTS = 200_000
#: what SQLite calls a file that holds no database, or one that has been damaged
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PRIMARY = 0xFF


class Lost(Exception):
    """The database's file is no longer there, or is another one: whatever it held is gone."""


class Fact(NamedTuple):
    """``value`` None: the fact is to be removed. ``until`` in epoch seconds, None: it has no end."""

    value: str | None
    until: float | None = None


T = TypeVar("T")
#: facts by kind and name
Facts = dict[tuple[str, str], Fact]
#: one more thing that a batch does in its transaction
Work = Callable[[sqlite3.Connection], object]


class Opened(Struct, frozen=True):
    """The content at the start. ``exposed``: others may look into the directory.

    ``damaged``: a broken file was set aside.
    """

    facts: Facts
    exposed: bool
    damaged: bool = False


class Database:
    """The one writer of a state directory, between ``open`` and ``close``; None: the database is in memory only."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._path = Path() if directory is None else directory / place.DATABASE
        self._at_work = RLock()  # one that hangs in a dead mount keeps out who comes after it
        self._lock: place.Lock | None = None
        self._connection: sqlite3.Connection | None = None
        self._file = (0, 0)

    @property
    def is_open(self) -> bool:
        """Whether it can be written to."""
        return self._connection is not None

    def open(self, now: float) -> Opened:
        """Opens it, a new one if there is none; ``now`` in epoch seconds: expired facts are not read.

        A damaged one is set aside. Raises OSError, sqlite3.Error, place.Occupied, schema.NewerSchema.
        """
        with self._at_work:
            return self._open(now)

    def _open(self, now: float) -> Opened:
        self.close()
        if self._directory is None:
            return Opened(self._read(now), exposed=False)
        exposed = place.prepare(self._directory)
        self._lock = place.Lock(self._directory)
        try:
            try:
                return Opened(self._read(now), exposed)
            except sqlite3.DatabaseError as e:
                if e.sqlite_errorcode & _PRIMARY not in _DAMAGED:
                    raise
            self._set_aside()
            return Opened(self._read(now), exposed, damaged=True)
        except BaseException:
            self.close()
            raise

    def write(self, facts: Facts, works: Iterable[Work]) -> None:
        """Puts all of it into the database, or nothing. Raises Lost, OSError, sqlite3.Error; then it is closed."""
        with self._at_work:
            try:
                self._write(facts, tuple(works))
            except BaseException:
                self.close()
                raise

    def _write(self, facts: Facts, works: tuple[Work, ...]) -> None:
        connection = self._connection
        if connection is None or not self._is_there():
            raise Lost("it was removed or replaced")
        if not facts and not works:
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            gone = [key for key, fact in facts.items() if fact.value is None]
            kept = [(*key, *fact) for key, fact in facts.items() if fact.value is not None]
            connection.executemany("DELETE FROM fact WHERE kind = ? AND name = ?", gone)
            connection.executemany("INSERT OR REPLACE INTO fact VALUES (?, ?, ?, ?)", kept)
            for work in works:
                work(connection)
            connection.commit()
        except BaseException:
            connection.rollback()
            raise

    def ask(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """The result of ``read``. Raises Lost where it is not open, and sqlite3.Error."""
        with self._at_work:
            if self._connection is None:
                raise Lost("it is not open")
            return read(self._connection)

    def close(self) -> None:
        """Lets go of the database and its lock."""
        with self._at_work:
            connection, self._connection = self._connection, None
            lock, self._lock = self._lock, None
            if connection is not None:
                with suppress(sqlite3.Error):  # nothing is lost by that: every batch is committed or rolled back
                    connection.close()
            if lock is not None:
                lock.release()

    def _is_there(self) -> bool:
        """Whether the file that is open still has its name. Raises OSError."""
        if self._directory is None:
            return True
        try:
            return _identity(self._path) == self._file
        except FileNotFoundError:
            return False

    def _read(self, now: float) -> Facts:
        if self._directory is not None:
            place.make_file(self._path)
        where = ":memory:" if self._directory is None else self._path
        self._connection = connection = sqlite3.connect(
            where, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
        schema.migrate(connection)
        if self._directory is not None:
            self._file = _identity(self._path)
        connection.execute("DELETE FROM fact WHERE until <= ?", (now,))
        rows = connection.execute("SELECT kind, name, value, until FROM fact LIMIT ?", (MAX_FACTS,))
        return {(kind, name): Fact(value, until) for kind, name, value, until in rows}

    def _set_aside(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        os.replace(self._path, self._path.with_suffix(".damaged"))
        for leftover in ("-wal", "-shm"):
            Path(f"{self._path}{leftover}").unlink(missing_ok=True)


def _identity(path: Path) -> tuple[int, int]:
    """Which file has the name now. Raises OSError."""
    found = os.stat(path)
    return found.st_dev, found.st_ino


def words(error: BaseException) -> str:
    """The meaning of an error of the directory or the database, for an operator; holds no path."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error)
