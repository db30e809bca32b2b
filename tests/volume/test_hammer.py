"""Snapshots against writers that don't stop: every one whole, none older than what was committed before it."""

from __future__ import annotations

import mmap
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.volumes import make_database, snapshot_of

from antigravity_proxy.volume.database import rows
from antigravity_proxy.volume.snapshot import NotReady

WRITER = """
import mmap, sqlite3, struct, sys, time
path, published, style = sys.argv[1:]
with open(published, "r+b") as file:
    board = mmap.mmap(file.fileno(), 8)
def connect():
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous=OFF")
    if style != "rollback":
        db.execute("PRAGMA journal_mode=WAL")
    return db
held = None if style == "app" else connect()
number = 0
while True:
    number += 1
    db = held or connect()
    db.execute("UPDATE accounts SET name = ?", (str(number),))
    if held is None:
        db.close()
    board[:8] = struct.pack("<Q", number)
    if style == "rollback":
        time.sleep(0.003)  # this journal has no generations: a reader needs a moment of rest
"""

#: snapshots against each writer, and the seconds they may take
SNAPSHOTS = int(os.environ.get("HAMMER_SNAPSHOTS", "25"))
LIMIT = max(30.0, SNAPSHOTS * 0.5)


@pytest.mark.parametrize("style", ["app", "flat out", "rollback"])
def test_no_snapshot_is_torn_or_stale(tmp_path: Path, style: str) -> None:
    """``app`` opens, commits and closes as the desktop app does; ``flat out`` holds its connection."""
    path, published = tmp_path / "cloud_accounts.db", tmp_path / "published"
    make_database(path, 64, journal_mode="delete" if style == "rollback" else "wal").close()
    published.write_bytes(bytes(8))
    with published.open("r+b") as file, mmap.mmap(file.fileno(), 8) as board:
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(published), style])
        try:
            commits = hammer(tmp_path, board, writer)
        finally:
            writer.kill()
            writer.wait()
    assert commits >= SNAPSHOTS // 4


def hammer(directory: Path, board: mmap.mmap, writer: subprocess.Popen[bytes]) -> int:
    """Takes the snapshots, each checked against what had been committed before it. Gives how many commits were made."""

    def committed() -> int:
        return int(struct.unpack("<Q", board[:8])[0])

    while not committed():
        assert writer.poll() is None
    snapshots, last, end = 0, 0, time.monotonic() + LIMIT
    while snapshots < SNAPSHOTS:
        assert time.monotonic() < end, f"{snapshots} snapshots in {LIMIT} s"
        floor = committed()
        try:
            found = {row["name"] for row in rows(snapshot_of(directory))}
        except NotReady:
            continue  # no moment of rest in two seconds: giving up is right, being wrong is not
        assert len(found) == 1, f"torn: {found}"
        number = int(found.pop())
        assert number >= max(floor, last), "stale"
        snapshots, last = snapshots + 1, number
    return committed()
