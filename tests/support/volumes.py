"""Volumes for tests: copies of the stored ones, readers over them, and what betrays a visitor."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock

from antigravity_proxy.volume import layout
from antigravity_proxy.volume.reader import VolumeReader
from antigravity_proxy.volume.snapshot import Snapshot, take

DATA = Path(__file__).parent.parent / "data" / "volumes"
NAMES = sorted(path.name for path in DATA.iterdir() if path.is_dir())
#: the wall clock of readers in tests, epoch seconds
EPOCH = 1_770_900_000.0


def copy_of(name: str, directory: Path) -> Path:
    """A copy of a stored volume that may be changed."""
    return Path(shutil.copytree(DATA / name, directory / name))


def expected(name: str) -> dict[str, Any]:
    """What a reader must find in a stored volume."""
    found: dict[str, Any] = json.loads((DATA / f"{name}.expected.json").read_bytes())
    return found


def trace(directory: Path) -> dict[str, tuple[Any, ...]]:
    """Everything that a visitor could have changed: names, sizes, times, owners, modes, contents."""
    found = {}
    for path in [directory, *directory.rglob("*")]:
        stat = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path)] = (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_uid, stat.st_mode, content)
    return found


def snapshot_of(directory: Path) -> Snapshot:
    """A snapshot of the database in a directory, taken in real time."""
    return take(directory / "cloud_accounts.db", monotonic=time.monotonic, sleep=time.sleep)


def reader_of(directory: Path, clock: Clock | None = None, key: bytes | None = None) -> VolumeReader:
    """A reader on a clock of the test's, which its pauses move on."""
    clock = clock or Clock()
    return VolumeReader(
        layout.single(directory),
        key,
        monotonic=clock.seconds,
        epoch=lambda: EPOCH + clock.seconds(),
        sleep=clock.advance,
    )


def make_database(path: Path, rows: int = 8, *, journal_mode: str = "wal") -> sqlite3.Connection:
    """A database whose rows all carry the same number, 0, as their name; spread over many pages."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(f"PRAGMA journal_mode={journal_mode}")
    db.execute("CREATE TABLE accounts (id TEXT PRIMARY KEY, provider TEXT, email TEXT, token_json TEXT, name TEXT)")
    db.execute("BEGIN")
    for number in range(rows):
        db.execute("INSERT INTO accounts VALUES (?, 'google', 'a@example.com', ?, '0')", (str(number), "{" * 2000))
    db.execute("COMMIT")
    return db


def renumber(db: sqlite3.Connection, number: int) -> None:
    """Gives all rows another number, in one transaction."""
    db.execute("UPDATE accounts SET name = ?", (str(number),))


def update(directory: Path, number: int, **columns: Any) -> None:
    """Changes columns of one simulated account's row."""
    assignments = ", ".join(f"{name} = ?" for name in columns)
    with closing(sqlite3.connect(directory / "cloud_accounts.db")) as db, db:
        db.execute(f"UPDATE accounts SET {assignments} WHERE id LIKE ?", (*columns.values(), f"%-{number:012}"))
