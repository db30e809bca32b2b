"""Opens a snapshot with SQLite, privately, and reads the accounts' rows by column name."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from antigravity_proxy.volume.snapshot import Snapshot, VolumeError

Row = dict[str, Any]

#: the columns that are read where they exist; the first four are the schema's oldest and must be there
_REQUIRED = ("id", "provider", "email", "token_json")
_OPTIONAL = ("name", "quota_json", "created_at", "last_used", "status", "status_reason", "proxy_url")


class Damaged(VolumeError):
    """The snapshot is no sound database, or not this app's."""


def rows(snapshot: Snapshot) -> list[Row]:
    """All rows of ``accounts``, the last used first. Raises Damaged."""
    try:
        with _opened(snapshot) as connection:
            return _rows(connection)
    except sqlite3.Error as e:
        raise Damaged(f"cloud_accounts.db can't be read: {e}") from e
    except OSError as e:
        raise Damaged(f"no private copy of cloud_accounts.db could be made: {e.strerror}") from e


def _rows(connection: sqlite3.Connection) -> list[Row]:
    check = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if check != "ok":
        raise Damaged(f"cloud_accounts.db is damaged: {check}")
    columns = {name for _, name, *_ in connection.execute("PRAGMA table_info(accounts)")}
    if not columns:
        raise Damaged("cloud_accounts.db has no table 'accounts'")
    if missing := [name for name in _REQUIRED if name not in columns]:
        raise Damaged(f"its table 'accounts' lacks {', '.join(missing)}")
    wanted = [*_REQUIRED, *(name for name in _OPTIONAL if name in columns)]
    order = " ORDER BY last_used DESC" if "last_used" in columns else ""
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    found = connection.execute(f"SELECT {', '.join(wanted)} FROM accounts{order}")  # noqa: S608 - constant names
    return [dict(zip(wanted, row, strict=True)) for row in found]


@contextmanager
def _opened(snapshot: Snapshot) -> Iterator[sqlite3.Connection]:
    """A connection to the copy: in memory when nothing has to be replayed, else in a private directory."""
    if snapshot.wal is None and snapshot.journal is None:
        image = bytearray(snapshot.db)
        image[18:20] = b"\x01\x01"  # a WAL-mode image can't be deserialized unchanged
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.deserialize(bytes(image))
            yield connection
        return
    directory = Path(tempfile.mkdtemp(prefix="antigravity-"))  # mode 0700
    try:
        copy = directory / "x"
        copy.write_bytes(snapshot.db)
        for suffix, content in (("-wal", snapshot.wal), ("-journal", snapshot.journal)):
            if content is not None:
                Path(f"{copy}{suffix}").write_bytes(content)
        with closing(sqlite3.connect(copy)) as connection:
            yield connection
    finally:
        shutil.rmtree(directory, ignore_errors=True)
