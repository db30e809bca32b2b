"""The replay of a write-ahead log, measured against SQLite's own."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from antigravity_proxy.volume import database, wal
from antigravity_proxy.volume.snapshot import Snapshot


def make_log(directory: Path, seed: int) -> tuple[bytes, bytes]:
    """A database and a log of many small transactions, rolled back ones, growing and shrinking."""
    rng = random.Random(seed)
    path = directory / f"{seed}.db"
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(f"PRAGMA page_size={rng.choice([512, 1024, 4096])}")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("CREATE TABLE accounts (id TEXT PRIMARY KEY, provider TEXT, email TEXT, token_json TEXT)")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.execute("PRAGMA wal_autocheckpoint=0")
    if seed % 2:  # a log that was reset: its tail is of an earlier generation
        db.executemany("INSERT INTO accounts VALUES (?, '', '', ?)", [(f"old{n}", "x" * 900) for n in range(30)])
        db.execute("PRAGMA wal_checkpoint(RESTART)")
    for number in range(12):
        db.execute("BEGIN")
        for _ in range(rng.randrange(1, 5)):
            text = "x" * rng.randrange(3000)
            db.execute("INSERT OR REPLACE INTO accounts VALUES (?, '', '', ?)", (str(rng.randrange(20)), text))
        db.execute(rng.choice(["COMMIT", "COMMIT", "ROLLBACK"]))
        if number == 8:
            db.execute("DELETE FROM accounts WHERE id > '2'")
            db.execute("VACUUM")
    content = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    db.close()
    return content


@pytest.mark.parametrize("seed", range(6))
def test_the_replay_gives_what_sqlite_gives_wherever_the_log_is_cut(tmp_path: Path, seed: int) -> None:
    db, log = make_log(tmp_path, seed)
    rng = random.Random(seed)
    for length in [len(log), *sorted(rng.randrange(32, len(log)) for _ in range(12))]:
        copy = Snapshot(db, wal=log[:length])
        assert database.rows(copy, places=()) == database.rows(copy, places=[str(tmp_path)]), length


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.row("half copies")
def test_the_replay_stops_where_sqlite_stops_at_a_broken_frame(tmp_path: Path, seed: int) -> None:
    db, log = make_log(tmp_path, seed)
    rng = random.Random(seed)
    for _ in range(8):
        place = rng.randrange(32, len(log))
        broken = log[:place] + bytes([log[place] ^ 0x55]) + log[place + 1 :]
        copy = Snapshot(db, wal=broken)
        assert database.rows(copy, places=()) == database.rows(copy, places=[str(tmp_path)]), place


def test_a_log_with_both_byte_orders_of_checksums_is_live(tmp_path: Path) -> None:
    _, log = make_log(tmp_path, 0)
    assert wal.is_live(log[:32])
    big = (log[:3] + bytes([log[3] | 1]) + log[4:24]) + bytes(8)
    a = b = 0
    for start in range(0, 24, 8):
        a = (a + int.from_bytes(big[start : start + 4], "big") + b) & 0xFFFFFFFF
        b = (b + int.from_bytes(big[start + 4 : start + 8], "big") + a) & 0xFFFFFFFF
    assert wal.is_live(big[:24] + a.to_bytes(4, "big") + b.to_bytes(4, "big"))


@pytest.mark.parametrize("cut", [0, 1, 31])
def test_a_short_header_is_no_log(tmp_path: Path, cut: int) -> None:
    _, log = make_log(tmp_path, 0)
    assert not wal.looks_like_log(log[:cut])
    assert not wal.is_live(log[:cut])


@pytest.mark.parametrize("place", range(32))
def test_a_header_with_any_byte_wrong_is_not_live(tmp_path: Path, place: int) -> None:
    _, log = make_log(tmp_path, 0)
    assert not wal.is_live(log[:place] + bytes([log[place] ^ 0x10]) + log[place + 1 : 32])
