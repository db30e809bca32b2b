"""Snapshots opened with SQLite: where the copy goes, which columns count, what is refused."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from support.volumes import copy_of, expected, make_database, renumber, snapshot_of

from antigravity_proxy.volume import database
from antigravity_proxy.volume.database import Damaged, rows
from antigravity_proxy.volume.snapshot import NotReady, Snapshot


def snapshot_with(tmp_path: Path, *statements: str) -> Snapshot:
    db = sqlite3.connect(tmp_path / "cloud_accounts.db")
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()
    return snapshot_of(tmp_path)


def test_columns_are_found_by_name_whatever_their_order(tmp_path: Path) -> None:
    copy = snapshot_with(
        tmp_path,
        "CREATE TABLE accounts (token_json, later_invention, email, last_used, id, provider)",
        "INSERT INTO accounts VALUES ('t', 'x', 'e', 5, 'i', 'google')",
        "INSERT INTO accounts VALUES ('u', 'x', 'f', 9, 'j', 'google')",
    )
    assert rows(copy) == [
        {"id": "j", "provider": "google", "email": "f", "token_json": "u"},
        {"id": "i", "provider": "google", "email": "e", "token_json": "t"},
    ]


def test_text_that_is_no_utf8_hides_nothing(tmp_path: Path) -> None:
    copy = snapshot_with(
        tmp_path,
        "CREATE TABLE accounts (id, provider, email, token_json)",
        "INSERT INTO accounts VALUES ('i', 'google', CAST(x'ff61' AS TEXT), x'00ff')",
    )
    assert rows(copy) == [{"id": "i", "provider": "google", "email": "\ufffda", "token_json": b"\x00\xff"}]


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("CREATE TABLE settings (key, value)", "no table 'accounts'"),
        ("CREATE TABLE accounts (id, provider, email)", "lacks token_json"),
    ],
)
def test_another_programs_database_is_refused(tmp_path: Path, statement: str, why: str) -> None:
    with pytest.raises(Damaged, match=why):
        rows(snapshot_with(tmp_path, statement))


def test_a_damaged_page_is_refused(tmp_path: Path) -> None:
    copy = snapshot_of(copy_of("gui-0.9.2", tmp_path))
    with pytest.raises(Damaged):
        rows(Snapshot(copy.db[:4096] + bytes(len(copy.db) - 4096)))
    with pytest.raises(Damaged):
        rows(Snapshot(copy.db[: len(copy.db) // 2]))


@pytest.mark.parametrize("places", [[], ["/nonexistent"]])
def test_without_a_writable_directory_the_log_is_replayed_in_memory(tmp_path: Path, places: list[str]) -> None:
    copy = snapshot_of(copy_of("hot-wal", tmp_path))
    assert copy.wal is not None
    found = rows(copy, places)
    assert {row["id"] for row in found} == {account["id"] for account in expected("hot-wal")["accounts"]}
    assert found == rows(copy, [str(tmp_path)])


def test_a_long_log_is_not_replayed_in_memory(tmp_path: Path) -> None:
    copy = snapshot_of(copy_of("hot-wal", tmp_path))
    assert copy.wal is not None
    long = Snapshot(copy.db, wal=copy.wal + bytes(5000 * 4120))
    with pytest.raises(NotReady, match="give the daemon a writable /tmp"):
        rows(long, places=())
    assert rows(long, [str(tmp_path)]) == rows(copy, [str(tmp_path)])


def test_a_hot_journal_needs_a_writable_directory(tmp_path: Path) -> None:
    db = make_database(tmp_path / "cloud_accounts.db", 200, journal_mode="delete")
    db.execute("PRAGMA cache_size=5")
    db.execute("BEGIN")
    renumber(db, 1)
    copy = snapshot_of(tmp_path)
    assert copy.journal is not None
    with pytest.raises(NotReady, match="mid-transaction"):
        rows(copy, places=())
    db.close()


@pytest.mark.parametrize("name", ["hot-wal", "gui-0.9.2"])
def test_the_private_directory_is_private_and_goes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A large idle database goes there too, as it would stop all threads otherwise."""
    copy = snapshot_of(copy_of(name, tmp_path))
    monkeypatch.setattr(database, "IN_MEMORY_BELOW", 1000)
    place = tmp_path / "place"
    place.mkdir()
    seen: list[tuple[int, set[str]]] = []
    real = shutil.rmtree

    def look(directory: Path, **options: Any) -> None:
        seen.append((directory.stat().st_mode & 0o777, {path.name for path in directory.iterdir()}))
        real(directory, **options)

    monkeypatch.setattr(shutil, "rmtree", look)
    assert len(rows(copy, [str(place)])) == len(expected(name)["accounts"])
    assert [mode for mode, _ in seen] == [0o700]
    assert "x" in seen[0][1]
    assert list(place.iterdir()) == []


def test_the_private_directory_goes_when_the_copy_is_damaged(tmp_path: Path) -> None:
    copy = snapshot_of(copy_of("hot-wal", tmp_path))
    place = tmp_path / "place"
    place.mkdir()
    with pytest.raises(Damaged):
        rows(Snapshot(copy.db[:100] + b"\xff" * 3996, wal=copy.wal[:32] if copy.wal else None), [str(place)])
    assert list(place.iterdir()) == []


def test_a_full_disk_is_worked_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = snapshot_of(copy_of("hot-wal", tmp_path))

    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    place = tmp_path / "place"
    place.mkdir()
    assert len(rows(copy, [str(place)])) == 4
    assert list(place.iterdir()) == []


def test_the_working_directory_is_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be the volume."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TMPDIR", raising=False)
    assert all(Path(place).is_absolute() and Path(place) != tmp_path for place in database.temporary_places())
    monkeypatch.setenv("TMPDIR", "/elsewhere")
    assert next(iter(database.temporary_places())) == "/elsewhere"
