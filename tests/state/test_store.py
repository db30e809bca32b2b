"""What is remembered: real SQLite files, the daemon's own thread, and a clock of the test's."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.killed import kill
from support.threaded_clock import Reactor

from antigravity_proxy.settings.limits import SLOW_READ, STATE_FLUSH
from antigravity_proxy.state import place, schema
from antigravity_proxy.state.database import Database
from antigravity_proxy.state.store import StateStore


class Kept:
    """Stores over one directory, one after the other, as restarts of a daemon."""

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory
        self.reactor = Reactor()
        self.wall = 1_000_000.0
        self.store = self.new()

    def new(self) -> StateStore:
        store = StateStore(self.reactor, lambda: self.wall, self.directory)
        store.startService()
        return store

    def flush(self) -> None:
        self.reactor.wait(self.store.flush())

    def stop(self) -> None:
        self.reactor.wait(self.store.stopService())

    def killed(self) -> None:
        kill(self.store)
        self.store = self.new()

    def restart(self) -> None:
        self.stop()
        self.store = self.new()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path / "state")
    yield made
    made.stop()


def test_facts_outlast_a_restart_and_a_kill_once_they_are_written(kept: Kept) -> None:
    kept.store.put("pause", "all", "since yesterday")
    kept.store.put("pause", "one", "x")
    kept.store.remove("pause", "one")
    assert kept.store.get("pause", "all") == "since yesterday"
    kept.restart()
    assert kept.store.get("pause", "all") == "since yesterday"
    assert kept.store.get("pause", "one") is None
    kept.store.put("pause", "two", "y")
    kept.flush()
    kept.store.put("pause", "three", "lost")
    kept.killed()
    assert set(kept.store.of("pause")) == {"all", "two"}


def test_everything_is_written_within_ten_seconds_and_in_batches(kept: Kept) -> None:
    assert STATE_FLUSH <= 10
    for number in range(1000):
        kept.store.put("many", str(number), "x")
    kept.reactor.advance(STATE_FLUSH)
    kept.reactor.from_thread()
    kept.killed()
    assert len(kept.store.of("many")) == 1000


def test_a_fact_ends_at_its_time_whatever_is_restarted(kept: Kept) -> None:
    kept.store.put("cooldown", "short", "x", kept.wall + 60)
    kept.store.put("cooldown", "long", "x", kept.wall + 600)
    kept.restart()
    kept.wall += 60
    assert set(kept.store.of("cooldown")) == {"long"}
    assert kept.store.get("cooldown", "short") is None
    kept.restart()
    assert set(kept.store.of("cooldown")) == {"long"}


def test_files_are_this_users_alone(kept: Kept) -> None:
    kept.store.put("a", "b", "c")
    kept.flush()
    assert kept.directory is not None
    names = ("state.db", "state.db-wal", "state.db-shm", "state.lock")
    assert {path.name: path.stat().st_mode & 0o777 for path in kept.directory.iterdir()} == dict.fromkeys(names, 0o600)
    assert not kept.store.exposed


def test_without_a_directory_it_is_all_in_memory() -> None:
    kept = Kept(None)
    kept.store.put("a", "b", "c")
    assert kept.store.get("a", "b") == "c"
    assert kept.store.trouble == ""
    kept.flush()
    kept.stop()


def test_a_lost_directory_is_said_and_made_whole_when_its_parent_is_back(tmp_path: Path) -> None:
    parent = tmp_path / "mount"
    parent.mkdir()
    kept = Kept(parent / "state")
    kept.store.put("a", "old", "1")
    kept.flush()
    parent.rename(tmp_path / "away")
    kept.store.put("a", "new", "2")
    kept.flush()
    assert "removed" in kept.store.trouble
    kept.flush()
    assert kept.store.trouble
    parent.mkdir()
    kept.flush()
    assert kept.store.trouble == ""
    kept.restart()
    assert set(kept.store.of("a")) == {"old", "new"}
    kept.stop()


def test_a_directory_that_comes_late_brings_what_it_holds(tmp_path: Path) -> None:
    directory = tmp_path / "mount" / "state"
    directory.parent.mkdir()
    kept = Kept(directory)
    kept.store.put("a", "kept", "1")
    kept.store.put("a", "changed", "1")
    kept.store.put("a", "removed", "1")
    kept.store.put("a", "unseen", "1")
    kept.stop()
    directory.parent.rename(tmp_path / "away")
    kept.store = kept.new()
    assert kept.store.trouble
    loaded: list[str] = []
    kept.store.on_loaded(lambda: loaded.append("loaded"))
    kept.store.put("a", "changed", "2")
    kept.store.put("a", "removed", "2")
    kept.store.remove("a", "removed")
    kept.store.remove("a", "unseen")
    (tmp_path / "away").rename(directory.parent)
    kept.flush()
    assert loaded == ["loaded"]
    assert {name: fact.value for name, fact in kept.store.of("a").items()} == {"kept": "1", "changed": "2"}
    kept.restart()
    assert {name: fact.value for name, fact in kept.store.of("a").items()} == {"kept": "1", "changed": "2"}
    kept.stop()


class Full:
    """A part of a batch that can't be written: as many pages as the disk has are in use."""

    def __init__(self) -> None:
        self.pages = 1
        self.backs = self.done = 0

    def take(self) -> Any:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute(f"PRAGMA max_page_count = {self.pages}")
            connection.execute("INSERT OR REPLACE INTO fact VALUES ('big', 'one', hex(zeroblob(100000)), NULL)")

        return work

    def put_back(self) -> None:
        self.backs += 1

    def written(self) -> None:
        self.done += 1


def test_a_full_disk_loses_nothing_and_is_said(kept: Kept) -> None:
    full = Full()
    kept.store.add(full)
    kept.store.put("a", "b", "c")
    kept.flush()
    assert kept.store.trouble == "database or disk is full"
    assert (full.backs, full.done) == (1, 0)
    full.pages = 1_000_000
    kept.flush()
    assert kept.store.trouble == ""
    assert full.done == 1
    kept.killed()
    assert kept.store.get("a", "b") == "c"


def test_a_directory_that_can_not_be_written_is_said_and_facts_are_served(kept: Kept) -> None:
    def deny(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA query_only = ON")

    class Part(Full):
        def take(self) -> Any:
            return deny

    kept.store.add(Part())
    kept.flush()
    kept.store._parts.clear()
    kept.store.put("a", "b", "c")
    kept.flush()
    assert "readonly" in kept.store.trouble
    assert kept.store.get("a", "b") == "c"
    kept.flush()
    assert kept.store.trouble == ""


def test_a_second_daemon_serves_on_and_takes_over_when_the_first_ends(kept: Kept) -> None:
    kept.store.put("a", "b", "c")
    second = Kept(kept.directory)
    assert second.store.trouble == "another daemon writes to it"
    kept.stop()
    second.flush()
    assert second.store.trouble == ""
    assert second.store.get("a", "b") == "c"
    second.stop()
    kept.store = kept.new()


@pytest.mark.parametrize("damage", [b"", b"no database at all " * 1000, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_damaged_file_is_set_aside_and_a_new_one_begins(kept: Kept, damage: bytes) -> None:
    assert kept.directory is not None
    kept.store.put("a", "b", "c")
    kept.stop()
    (kept.directory / place.DATABASE).write_bytes(damage)
    kept.store = kept.new()
    assert kept.store.trouble == ""
    assert kept.store.get("a", "b") is None
    assert (kept.directory / "state.damaged").exists() == bool(damage)
    kept.store.put("a", "b", "d")
    kept.restart()
    assert kept.store.get("a", "b") == "d"


def test_a_later_releases_file_is_left_as_it_is(kept: Kept) -> None:
    assert kept.directory is not None
    kept.stop()
    path = kept.directory / place.DATABASE
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    connection.close()
    before = path.read_bytes()
    kept.store = kept.new()
    assert "a later release" in kept.store.trouble
    kept.store.put("a", "b", "c")
    kept.flush()
    assert path.read_bytes() == before
    kept.stop()
    path.unlink()
    kept.store = kept.new()


@pytest.mark.parametrize("version", range(schema.VERSION + 1))
def test_every_version_comes_forward_and_a_migration_that_fails_changes_nothing(tmp_path: Path, version: int) -> None:
    connection = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    schema.migrate(connection, schema.MIGRATIONS[:version])
    with pytest.raises(sqlite3.OperationalError):
        schema.migrate(connection, (*schema.MIGRATIONS, ("CREATE TABLE x (y)", "nonsense")))
    assert connection.execute("PRAGMA user_version").fetchone() == (version,)
    schema.migrate(connection)
    fresh = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(fresh)
    tables = "SELECT sql FROM sqlite_schema ORDER BY name"
    assert connection.execute(tables).fetchall() == fresh.execute(tables).fetchall()
    connection.close()
    fresh.close()


def test_a_write_that_hangs_is_said_and_holds_up_neither_the_daemon_nor_its_end(kept: Kept) -> None:
    gate, began = threading.Event(), threading.Event()

    class Hanging(Full):
        def take(self) -> Any:
            def work(connection: sqlite3.Connection) -> None:
                began.set()
                gate.wait(10)

            return work

    kept.store.add(Hanging())
    kept.reactor.advance(STATE_FLUSH)
    assert began.wait(5)
    kept.store.put("a", "b", "c")
    kept.reactor.advance(SLOW_READ + 0.1)
    assert kept.store.trouble == "a write hangs"
    ended: list[object] = []
    kept.store.stopService().addCallback(ended.append)
    kept.store._thread.stop = lambda patience: None  # type: ignore[method-assign]
    kept.reactor.advance(SLOW_READ)
    assert ended
    gate.set()
    kept.directory = None
    kept.store = kept.new()


def test_what_is_too_long_or_too_much_is_not_taken(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="too long"):
        kept.store.put("a", "b", "x" * 100_000)
    with pytest.raises(ValueError, match="too long"):
        kept.store.put("a", "b" * 1000, "x")
    monkeypatch.setattr("antigravity_proxy.state.store.MAX_FACTS", 2)
    kept.store.put("a", "1", "x", kept.wall + 1)
    kept.store.put("a", "2", "x")
    kept.store.put("a", "3", "x")
    assert set(kept.store.of("a")) == {"1", "2"}
    kept.wall += 2
    kept.store.put("a", "3", "x")
    assert set(kept.store.of("a")) == {"2", "3"}


def test_somebody_who_reads_meanwhile_is_no_hindrance(kept: Kept) -> None:
    assert kept.directory is not None
    kept.store.put("a", "1", "x")
    kept.flush()
    reader = sqlite3.connect(f"file:{kept.directory / place.DATABASE}?mode=ro", uri=True)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM fact").fetchone() == (1,)
    kept.store.put("a", "2", "x")
    kept.flush()
    assert kept.store.trouble == ""
    assert reader.execute("SELECT count(*) FROM fact").fetchone() == (1,)
    reader.close()
    assert Database(kept.directory).is_open is False
