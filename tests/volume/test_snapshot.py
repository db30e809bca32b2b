"""Copies of a live database: every state it can be in, every way it can move under the reader."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.volumes import copy_of, make_database, renumber, snapshot_of, trace
from twisted.internet.task import Clock

from antigravity_proxy.volume import files, snapshot
from antigravity_proxy.volume.database import rows
from antigravity_proxy.volume.snapshot import DatabaseMissing, NotReady, Snapshot, VolumeMissing


def numbers(directory: Path) -> set[str]:
    """The numbers in a snapshot's rows: one, if it is whole."""
    return {row["name"] for row in rows(snapshot_of(directory))}


class SleepingClock(Clock):
    """A clock that sleeping moves on."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.advance(seconds)


def give_up(directory: Path, clock: SleepingClock | None = None) -> None:
    """Tries to take a snapshot that can't be had."""
    clock = clock or SleepingClock()
    snapshot.take(directory / "cloud_accounts.db", monotonic=clock.seconds, sleep=clock.sleep)


def test_an_idle_database_in_wal_mode_is_copied_alone(tmp_path: Path) -> None:
    volume = copy_of("gui-0.9.2", tmp_path)
    copy = snapshot_of(volume)
    assert copy.db == (volume / "cloud_accounts.db").read_bytes()
    assert (copy.wal, copy.journal) == (None, None)


def test_a_commit_that_is_only_in_the_log_is_seen(tmp_path: Path) -> None:
    db = make_database(tmp_path / "cloud_accounts.db")
    db.execute("PRAGMA wal_autocheckpoint=0")
    renumber(db, 1)
    assert numbers(tmp_path) == {"1"}
    db.close()


@pytest.mark.parametrize("mode", ["PASSIVE", "FULL", "RESTART", "TRUNCATE"])
def test_a_checkpointed_log_with_the_writer_still_there_is_read(tmp_path: Path, mode: str) -> None:
    db = make_database(tmp_path / "cloud_accounts.db")
    renumber(db, 1)
    db.execute(f"PRAGMA wal_checkpoint({mode})")
    assert numbers(tmp_path) == {"1"}
    renumber(db, 2)
    assert numbers(tmp_path) == {"2"}
    db.close()


@pytest.mark.parametrize("suffixes", [("", "-wal"), ("", "-wal", "-shm")])
@pytest.mark.row("half copies")
def test_a_copied_directory_is_read_with_and_without_shared_memory(tmp_path: Path, suffixes: tuple[str, ...]) -> None:
    db = make_database(tmp_path / "cloud_accounts.db")
    renumber(db, 1)
    copy = tmp_path / "copy"
    copy.mkdir()
    for suffix in suffixes:
        shutil.copy(tmp_path / f"cloud_accounts.db{suffix}", copy)
    before = trace(copy)
    assert numbers(copy) == {"1"}
    assert trace(copy) == before
    db.close()


@pytest.mark.row("half copies")
def test_the_shared_memory_of_an_earlier_moment_does_no_harm(tmp_path: Path) -> None:
    db = make_database(tmp_path / "cloud_accounts.db")
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(tmp_path / "cloud_accounts.db-shm", copy)
    renumber(db, 1)
    for suffix in ("", "-wal"):
        shutil.copy(tmp_path / f"cloud_accounts.db{suffix}", copy)
    assert numbers(copy) == {"1"}
    db.close()


def test_what_a_killed_writer_committed_is_seen_and_left_as_it_is(tmp_path: Path) -> None:
    make_database(tmp_path / "cloud_accounts.db").close()
    killed = (
        "import os, sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "db.execute('PRAGMA wal_autocheckpoint=0'); db.execute(\"UPDATE accounts SET name = '7'\"); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", killed, str(tmp_path / "cloud_accounts.db")], check=False)
    before = trace(tmp_path)
    assert str(tmp_path / "cloud_accounts.db-wal") in before
    assert numbers(tmp_path) == {"7"}
    assert trace(tmp_path) == before


def test_an_idle_database_with_a_rollback_journal_is_read(tmp_path: Path) -> None:
    db = make_database(tmp_path / "cloud_accounts.db", journal_mode="delete")
    renumber(db, 1)
    assert numbers(tmp_path) == {"1"}
    db.close()


@pytest.mark.parametrize("journal_mode", ["persist", "truncate"])
def test_a_journal_that_is_no_longer_hot_is_ignored(tmp_path: Path, journal_mode: str) -> None:
    db = make_database(tmp_path / "cloud_accounts.db", journal_mode=journal_mode)
    renumber(db, 1)
    assert (tmp_path / "cloud_accounts.db-journal").exists()
    assert snapshot_of(tmp_path).journal is None
    assert numbers(tmp_path) == {"1"}
    db.close()


@pytest.mark.parametrize("writer_lives", [True, False])
def test_a_transaction_that_spilled_into_the_database_is_rolled_back_in_the_copy(
    tmp_path: Path, writer_lives: bool
) -> None:
    db = make_database(tmp_path / "cloud_accounts.db", 200, journal_mode="delete")
    db.execute("PRAGMA cache_size=5")
    clean = (tmp_path / "cloud_accounts.db").read_bytes()
    db.execute("BEGIN")
    renumber(db, 1)
    db.execute("SELECT count(*) FROM accounts").fetchall()
    assert (tmp_path / "cloud_accounts.db").read_bytes() != clean
    directory = tmp_path
    if not writer_lives:
        directory = tmp_path / "killed"
        directory.mkdir()
        for suffix in ("", "-journal"):
            shutil.copy(tmp_path / f"cloud_accounts.db{suffix}", directory)
    before = trace(directory)
    assert snapshot_of(directory).journal is not None
    assert numbers(directory) == {"0"}
    assert trace(directory) == before
    db.execute("ROLLBACK")
    db.close()


def after_first_copy(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> list[Path]:
    """Lets something happen right after the database was copied for the first time; gives the copies that were made."""
    real, copied = files.content, []

    def content(path: Path, limit: int) -> bytes:
        found = real(path, limit)
        copied.append(path)
        if len(copied) == 1:
            happens()
        return found

    monkeypatch.setattr(files, "content", content)
    return copied


def test_a_log_that_is_restarted_between_the_two_copies_makes_both_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = make_database(tmp_path / "cloud_accounts.db")
    renumber(db, 1)

    def restart() -> None:
        db.execute("PRAGMA wal_checkpoint(RESTART)")
        db.execute("UPDATE accounts SET name = '2' WHERE id = '3'")  # the new log holds this one page alone

    copied = after_first_copy(monkeypatch, restart)
    found = {row["id"]: row["name"] for row in rows(snapshot_of(tmp_path))}
    assert found == {str(n): "2" if n == 3 else "1" for n in range(8)}
    assert len(copied) == 4
    db.close()


def test_a_checkpoint_between_the_two_copies_is_put_right_by_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = make_database(tmp_path / "cloud_accounts.db")
    renumber(db, 1)
    copied = after_first_copy(monkeypatch, lambda: db.execute("PRAGMA wal_checkpoint(PASSIVE)"))
    assert numbers(tmp_path) == {"1"}
    assert len(copied) == 2
    db.close()


def test_a_log_that_appears_after_the_database_was_copied_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_database(tmp_path / "cloud_accounts.db").close()
    writers = []

    def commit() -> None:
        writers.append(sqlite3.connect(tmp_path / "cloud_accounts.db", isolation_level=None))
        renumber(writers[0], 5)

    after_first_copy(monkeypatch, commit)
    assert numbers(tmp_path) == {"5"}
    writers[0].close()


def test_a_file_renamed_over_the_database_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    db = make_database(tmp_path / "cloud_accounts.db")
    renumber(db, 1)
    other = make_database(tmp_path / "other.db", journal_mode="delete")
    renumber(other, 9)
    other.close()

    def replace() -> None:
        os.replace(tmp_path / "other.db", tmp_path / "cloud_accounts.db")
        (tmp_path / "cloud_accounts.db-wal").unlink()

    after_first_copy(monkeypatch, replace)
    assert numbers(tmp_path) == {"9"}
    db.close()


def test_a_file_renamed_over_the_database_is_noticed_even_if_the_log_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = make_database(tmp_path / "cloud_accounts.db")
    renumber(db, 1)
    shutil.copy(tmp_path / "cloud_accounts.db", tmp_path / "copy.db")
    copied = after_first_copy(monkeypatch, lambda: os.replace(tmp_path / "copy.db", tmp_path / "cloud_accounts.db"))
    assert numbers(tmp_path) == {"1"}
    assert len(copied) == 4
    db.close()


def test_a_change_that_no_clock_shows_is_found_by_the_second_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = make_database(tmp_path / "cloud_accounts.db", journal_mode="delete")
    renumber(db, 1)
    still = snapshot.probe(tmp_path / "cloud_accounts.db")
    monkeypatch.setattr(snapshot, "probe", lambda database: still)
    copied = after_first_copy(monkeypatch, lambda: renumber(db, 2))
    assert numbers(tmp_path) == {"2"}
    assert len(copied) == 2
    db.close()


def test_the_attempts_are_paced_and_end(tmp_path: Path) -> None:
    (tmp_path / "cloud_accounts.db").touch()
    clock = SleepingClock()
    with pytest.raises(NotReady, match="is empty or not an SQLite database"):
        give_up(tmp_path, clock)
    assert clock.pauses[:3] == pytest.approx([0.001, 0.002, 0.003])
    assert max(clock.pauses) == pytest.approx(0.020)
    assert clock.seconds() == pytest.approx(snapshot.PATIENCE, abs=0.021)


def test_attempts_come_four_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_database(tmp_path / "cloud_accounts.db").close()
    real, copied = snapshot._attempt, []

    def attempt(database: Path) -> Snapshot:
        copied.append(database)
        if len(copied) < 8:
            raise snapshot._Moved("is being written")
        return real(database)

    monkeypatch.setattr(snapshot, "_attempt", attempt)
    clock = SleepingClock()
    give_up(tmp_path, clock)
    assert (len(copied), clock.pauses) == (8, [0.001])


def test_a_log_that_vanishes_each_time_it_is_read_means_a_busy_writer_and_not_a_missing_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = copy_of("hot-wal", tmp_path)

    def vanished(path: Path, limit: int) -> bytes:
        raise FileNotFoundError(2, "No such file or directory", str(path))

    monkeypatch.setattr(snapshot.files, "content", vanished)
    with pytest.raises(NotReady, match=r"cloud_accounts\.db is being written"):
        give_up(volume)


def test_a_missing_volume_and_a_missing_database_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DatabaseMissing, match=r"cloud_accounts\.db is not there"):
        give_up(tmp_path)
    with pytest.raises(VolumeMissing, match="is the volume mounted"):
        give_up(tmp_path / "nowhere")


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\x00" + bytes(50), os.urandom(5000)])
def test_what_is_no_database_is_not_ready(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "cloud_accounts.db").write_bytes(content)
    with pytest.raises(NotReady, match="not an SQLite database"):
        give_up(tmp_path)


def test_a_log_whose_header_is_half_written_is_waited_for(tmp_path: Path) -> None:
    volume = copy_of("hot-wal", tmp_path)
    log = volume / "cloud_accounts.db-wal"
    content = log.read_bytes()
    log.write_bytes(content[:24] + b"\xff" * 8 + content[32:])
    with pytest.raises(NotReady, match="is being written"):
        give_up(volume)


@pytest.mark.parametrize("kind", ["directory", "pipe"])
def test_neither_a_directory_nor_a_pipe_in_the_databases_place_hangs(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "cloud_accounts.db"
    path.mkdir() if kind == "directory" else os.mkfifo(path)
    descriptors = os.listdir("/dev/fd")
    with pytest.raises(NotReady, match="not a regular file"):
        give_up(tmp_path)
    assert len(os.listdir("/dev/fd")) == len(descriptors)


def test_the_message_about_permissions_names_owner_and_mode_but_no_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cloud_accounts.db").touch(mode=0o600)

    def refuse(path: Path) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(files, "open_descriptor", refuse)
    with pytest.raises(NotReady, match=rf"owned by uid {os.getuid()}, mode 0600; this process has uid") as caught:
        give_up(tmp_path)
    assert str(tmp_path) not in str(caught.value)


def test_other_errors_of_the_system_are_told_without_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stale(path: Path) -> int:
        raise OSError(116, "Stale file handle", str(path))

    monkeypatch.setattr(files, "open_descriptor", stale)
    with pytest.raises(NotReady, match=r"^cloud_accounts\.db can't be read: Stale file handle$"):
        give_up(tmp_path)


def test_equal_contents_have_equal_fingerprints(tmp_path: Path) -> None:
    volume = copy_of("hot-wal", tmp_path)
    copy = snapshot_of(volume)
    assert copy.fingerprint() == snapshot_of(volume).fingerprint()
    assert copy.wal is not None
    others = [
        snapshot.Snapshot(copy.db),
        snapshot.Snapshot(copy.db + copy.wal),
        snapshot.Snapshot(copy.db, journal=copy.wal),
    ]
    assert len({copy.fingerprint(), *(other.fingerprint() for other in others)}) == 4
