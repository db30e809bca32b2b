"""Volumes that somebody made to do harm, and volumes where nobody expects them: a reader gets over anything."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import struct
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click import ClickException
from support.command import call
from support.users import as_nobody, reachable_directory, shut
from support.volumes import EPOCH, copy_of, make_database, reader_of, renumber, snapshot_of, trace, update
from twisted.internet.task import Clock

from antigravity_proxy.operator import backup, restore
from antigravity_proxy.operator.export import export
from antigravity_proxy.simulator.volume import write_volume
from antigravity_proxy.volume import database, files, keys, layout, snapshot, wal
from antigravity_proxy.volume import removals as removals_module
from antigravity_proxy.volume.database import Damaged
from antigravity_proxy.volume.snapshot import NotReady, Snapshot, VolumeError
from antigravity_proxy.volume.writer import NotWritten, VolumeWriter

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS id, '' AS provider, '' AS email"
#: databases whose work has no end, or whose values have none
SCHEMAS = {
    "a view of rows without end": f"CREATE VIEW accounts AS {ENDLESS}, '' AS token_json FROM n",
    "a view that gives no row": f"CREATE VIEW accounts AS {ENDLESS}, '' AS token_json FROM n WHERE i < 0",
    "a generated column of great size": (
        "CREATE TABLE accounts (id TEXT, provider TEXT, email TEXT,"
        " token_json TEXT AS (hex(zeroblob(20000000))) VIRTUAL); INSERT INTO accounts VALUES ('a', 'google', 'x')"
    ),
    "a check without end": (
        "CREATE TABLE accounts (id TEXT, provider TEXT, email TEXT, token_json TEXT,"
        " CHECK (length(hex(zeroblob(20000000))) > 0));"
        " PRAGMA ignore_check_constraints = ON; INSERT INTO accounts VALUES ('a', 'google', 'x', '{}')"
    ),
}


def made(path: Path, script: str) -> Path:
    with closing(sqlite3.connect(path / "cloud_accounts.db")) as db:
        db.executescript(script)
    return path


@pytest.mark.row("hostile databases")
@pytest.mark.parametrize("name", SCHEMAS)
def test_a_database_that_keeps_sqlite_busy_is_damaged_soon(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.3)
    copy = snapshot_of(made(tmp_path, SCHEMAS[name]))
    began = time.process_time()
    with pytest.raises(Damaged):
        database.rows(copy)
    assert time.process_time() - began < 3.0


@pytest.mark.row("hostile databases")
def test_a_restore_of_such_a_database_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.3)
    source = made(tmp_path, SCHEMAS["a view of rows without end"])
    with pytest.raises(ClickException, match="is not a table, but a view"):
        backup.counted({"cloud_accounts.db": (source / "cloud_accounts.db").read_bytes()})


def test_a_schema_that_takes_no_end_of_work_is_said_to_take_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PATIENCE", 0.2)
    monkeypatch.setattr(database, "STEPS", 100)
    with closing(make_database(tmp_path / "cloud_accounts.db", rows=2)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    copy = snapshot_of(tmp_path)
    with pytest.raises(Damaged, match="takes more than"), database._opened(copy, None) as connection:
        connection.execute(f"SELECT count(*) FROM ({ENDLESS} FROM n)").fetchall()


def test_more_rows_than_anybody_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "MAX_ROWS", 3)
    copy = snapshot_of(write_volume(tmp_path / "volume", accounts=3).directory)
    assert len(database.rows(copy)) == 3
    write_volume(tmp_path / "more", accounts=4)
    with pytest.raises(Damaged, match="holds more than 3 accounts"):
        database.rows(snapshot_of(tmp_path / "more"))


@pytest.mark.row("hostile databases")
def test_a_trigger_without_end_does_not_keep_the_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = write_volume(tmp_path / "volume", accounts=1)
    made(
        writer.directory,
        f"CREATE TRIGGER t BEFORE DELETE ON accounts BEGIN SELECT count(*) FROM ({ENDLESS} FROM n); END",
    )
    monkeypatch.setattr("antigravity_proxy.volume.writer.WORK", 0.2)
    with pytest.raises(NotWritten, match="interrupted"):
        VolumeWriter(layout.single(writer.directory), None, lambda: EPOCH).remove(
            "00000000-0000-4000-8000-000000000000"
        )


BIG = {"cloud_accounts.db": 100 << 30, "cloud_accounts.db-wal": 100 << 30, "gui_config.json": 200 << 30}


@pytest.mark.parametrize("name", BIG)
def test_a_file_of_any_size_is_refused_and_said_and_the_last_good_state_stays(tmp_path: Path, name: str) -> None:
    writer, clock = write_volume(tmp_path / "volume", accounts=1, api_key="sk-a"), Clock()
    reader = reader_of(writer.directory, clock)
    assert len(reader.read().accounts) == 1
    path = writer.directory / name
    if name.endswith("-wal"):
        with closing(sqlite3.connect(writer.directory / "cloud_accounts.db")) as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("CREATE TABLE other (x)")
            kept = path.read_bytes()
        path.write_bytes(kept)
    before = path.read_bytes()
    os.truncate(path, BIG[name])
    began = clock.seconds()
    state = reader.read()
    assert "is larger than the" in state.error + state.config_error
    assert (len(state.accounts), clock.seconds() - began) == (1, pytest.approx(0, abs=0.2))
    path.write_bytes(before)
    state = reader.read()
    assert (state.error, state.config_error) == ("", "")


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"x" * 100)
    with path.open("rb") as file, pytest.raises(OSError, match="larger than"):
        files.read_up_to(file, 99, 10)
    with path.open("rb") as file:
        assert files.read_up_to(file, 100, 10) == b"x" * 100


def test_a_key_directory_with_no_end_of_files_is_read_up_to_a_bound(tmp_path: Path) -> None:
    volume = write_volume(tmp_path / "volume", accounts=1).directory
    for number in range(keys.MAX_FILES + 50):
        (volume / ".keys" / f"z{number:05}").touch()
    found = keys.find(volume)
    assert len(found.findings) <= keys.MAX_FILES + 1
    assert any(f"more than {keys.MAX_FILES} files" in finding.message for finding in found.findings)


def log_of(page_size: int, pages: int) -> bytes:
    """A log whose every checksum is right, with one frame that commits."""
    header = struct.pack(">6I", 0x377F0682, 3007000, page_size, 0, 1, 2)
    sums = wal.checksum(header, "<")
    frame = struct.pack(">2I", 1, pages)
    body = bytes(page_size - page_size % 8)
    after = wal.checksum(body, "<", wal.checksum(frame, "<", sums))
    return header + struct.pack(">2I", *sums) + frame + struct.pack(">2I", 1, 2) + struct.pack(">2I", *after) + body


@pytest.mark.row("hostile databases")
@pytest.mark.parametrize("page_size", [0, 1, 4, 12, 100, 500, 1000, 65_537, 1 << 31])
def test_a_log_with_a_page_size_that_sqlite_does_not_know_is_not_live(page_size: int) -> None:
    assert not wal.is_live(
        log_of(page_size if page_size < 1 << 20 else 8, 1)[:8] + struct.pack(">I", page_size) + bytes(20)
    )
    header = struct.pack(">6I", 0x377F0682, 3007000, page_size, 0, 1, 2)
    assert not wal.is_live(header + struct.pack(">2I", *wal.checksum(header, "<")))


@pytest.mark.row("hostile databases")
@pytest.mark.parametrize("pages", [3, 1 << 20, (1 << 32) - 1])
def test_a_log_that_tells_of_pages_that_nobody_wrote_is_damaged(tmp_path: Path, pages: int) -> None:
    log = log_of(4096, pages)
    assert wal.is_live(log)
    with closing(make_database(tmp_path / "cloud_accounts.db", rows=1, journal_mode="delete")):
        db = (tmp_path / "cloud_accounts.db").read_bytes()[:4096]
    with pytest.raises(Damaged, match="pages, more than were written"):
        database.rows(Snapshot(db, wal=log), places=[])


@pytest.mark.row("hostile databases")
@pytest.mark.parametrize("position", range(32))
def test_a_log_of_any_header_is_damaged_or_not_ready_or_ignored(tmp_path: Path, position: int) -> None:
    volume = copy_of("hot-wal", tmp_path)
    db, log = (volume / name for name in ("cloud_accounts.db", "cloud_accounts.db-wal"))
    content = bytearray(log.read_bytes())
    content[position] ^= 0xFF
    content[24:32] = struct.pack(">2I", *wal.checksum(bytes(content[:24]), wal.byte_order(bytes(content))))
    for places in (None, []):
        try:
            database.rows(Snapshot(db.read_bytes(), wal=bytes(content)), places)
        except VolumeError:
            continue


def test_a_database_that_is_a_link_is_read_with_the_log_beside_its_target(tmp_path: Path) -> None:
    volume, elsewhere = tmp_path / "volume", tmp_path / "elsewhere"
    write_volume(volume, accounts=1, api_key="sk-a")
    elsewhere.mkdir()
    shutil.move(volume / "cloud_accounts.db", elsewhere / "real.db")
    (volume / "cloud_accounts.db").symlink_to(os.path.relpath(elsewhere / "real.db", volume))
    with closing(sqlite3.connect(elsewhere / "real.db", isolation_level=None)) as app:
        app.execute("PRAGMA journal_mode=WAL")
        app.execute("UPDATE accounts SET name = 'only in the log'")
        assert (elsewhere / "real.db-wal").stat().st_size > 0
        before = trace(tmp_path)
        reader = reader_of(volume)
        assert [account.name.reveal() for account in reader.read().accounts] == ["only in the log"]
        signature = reader.signature()
        app.execute("UPDATE accounts SET name = 'later'")
        assert reader.signature() != signature
        app.execute("UPDATE accounts SET name = 'only in the log'")
        for made_by in ("backup", "export", "restore"):
            out = tmp_path / made_by
            if made_by == "export":
                export(layout.single(volume), out)
            else:
                file = backup.back_up(layout.single(volume), tmp_path / "backups", None, EPOCH, lambda size: None)[0]
                restore.restore(out, file, force=False, read_only=False)
            assert [account.name.reveal() for account in reader_of(out).read().accounts] == ["only in the log"]
        with pytest.raises(ClickException, match="seems to be using"):
            restore.restore(volume, file, force=False, read_only=False)
        assert set(before) <= set(trace(tmp_path))


def test_a_database_that_is_a_link_to_nothing_is_said_to_be_that(tmp_path: Path) -> None:
    (tmp_path / "cloud_accounts.db").symlink_to(tmp_path / "nowhere" / "x.db")
    assert "is a link to a file that is not there" in reader_of(tmp_path).read().error


@pytest.fixture
def place() -> Iterator[Path]:
    with reachable_directory() as directory:
        yield directory


@pytest.mark.row("other users")
def test_a_directory_that_shuts_while_the_daemon_runs_is_an_error_in_words_and_comes_back(place: Path) -> None:
    volume = copy_of("gui-0.9.2", place)
    for path in (volume, *volume.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    reader = reader_of(volume)
    with as_nobody():
        good = reader.read()
        assert (good.error, len(good.accounts)) == ("", 3)
    for shut_one in (volume, volume / ".keys"):
        mode = shut_one.stat().st_mode
        shut(shut_one)
        with as_nobody():
            reader.signature()
            state = reader.read()
        shut_one.chmod(mode)
        told = state.error or " ".join(finding.message for finding in state.key_findings)
        assert f"owned by uid {os.getuid()}, mode" in told
        assert str(place) not in told
        assert len(state.accounts) == 3
        with as_nobody():
            assert reader.read().error == ""


def test_a_volume_of_one_user_behind_a_directory_of_another_is_told(place: Path) -> None:
    volume = copy_of("gui-0.9.2", place / "above" if (place / "above").mkdir() is None else place)
    shut(place / "above")
    try:
        with as_nobody():
            assert "a directory above it is owned by uid" in reader_of(volume).read().error
    finally:
        (place / "above").chmod(0o700)


@pytest.mark.row("key not there yet")
def test_rows_sealed_with_a_key_that_is_not_there_yet_serve_on(tmp_path: Path) -> None:
    writer, other = write_volume(tmp_path / "volume", accounts=2), write_volume(tmp_path / "other", accounts=2)
    clock = Clock()
    reader = reader_of(writer.directory, clock)
    before = reader.read().accounts
    with closing(sqlite3.connect(other.directory / "cloud_accounts.db")) as db:
        tokens = [token for (token,) in db.execute("SELECT token_json FROM accounts ORDER BY id")]
    for number, token in enumerate(tokens):
        update(writer.directory, number, token_json=token)
    for _ in range(3):
        clock.advance(removals_module.CONFIRM * 2)
        state = reader.read()
        assert {account.access_token for account in state.accounts} == {account.access_token for account in before}
        assert (state.kept, state.sealed_rows, state.unconfirmed, state.no_key_fits) == (2, 2, 0, False)
    shutil.copy(other.directory / ".keys" / "master.key", writer.directory / ".keys" / "new.key")
    state = reader.read()
    assert (state.kept, state.problems) == (0, ())


@pytest.mark.row("key not there yet")
def test_emptied_and_vanished_rows_are_told_apart(tmp_path: Path) -> None:
    writer, clock = write_volume(tmp_path / "volume", accounts=3), Clock()
    reader = reader_of(writer.directory, clock)
    reader.read()
    update(writer.directory, 0, token_json="")
    with closing(sqlite3.connect(writer.directory / "cloud_accounts.db")) as db, db:
        db.execute("DELETE FROM accounts WHERE id LIKE '%1'")
    assert (reader.read().kept, reader.read().unconfirmed) == (1, 1)
    clock.advance(removals_module.CONFIRM)
    state = reader.read()
    assert (len(state.accounts), state.kept, state.unconfirmed) == (2, 1, 0)


def test_a_directory_that_is_not_there_is_said_before_anybody_calls_it_hung(tmp_path: Path) -> None:
    clock = Clock()
    assert "is not there" in reader_of(tmp_path / "nowhere", clock).read().error
    assert clock.seconds() < 0.5


def test_a_writer_that_is_never_still_is_given_up_before_it_looks_hung(tmp_path: Path) -> None:
    from antigravity_proxy.settings.limits import SLOW_READ

    assert snapshot.PATIENCE < SLOW_READ
    (tmp_path / "cloud_accounts.db").touch()
    with pytest.raises(NotReady):
        snapshot_of(tmp_path)


def test_a_live_writer_behind_a_link_is_never_half_seen(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume" / "cloud_accounts.db").symlink_to(tmp_path / "real" / "x.db")
    with closing(make_database(tmp_path / "real" / "x.db")) as app:
        for number in range(1, 30):
            renumber(app, number)
            assert {row["name"] for row in database.rows(snapshot_of(tmp_path / "volume"))} == {str(number)}


class Failing:
    """One function of the system's that fails below a directory, from the call with that number on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, code: int, below: Path, first: int) -> None:
        self.calls = 0
        real = getattr(os, name)

        def fail(path: object, *arguments: object, **options: object) -> object:
            if str(path).startswith(str(below)):
                self.calls += 1
                if self.calls >= first:
                    raise OSError(code, os.strerror(code), str(path))
            return real(path, *arguments, **options)

        monkeypatch.setattr(os, name, fail)


@pytest.mark.parametrize(
    "code", [errno.ENOTCONN, errno.ESTALE, errno.EIO, errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG]
)
@pytest.mark.parametrize("function", ["open", "stat", "lstat", "scandir", "readlink"])
def test_a_mount_that_fails_at_any_call_ends_no_look(
    tmp_path: Path, function: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = copy_of("gui-0.9.2", tmp_path)
    for first in range(1, 12):
        reader = reader_of(volume)
        good = reader.read()
        with monkeypatch.context() as patch:
            failing = Failing(patch, function, code, tmp_path, first)
            reader.signature()
            state = reader.read()
        assert len(state.accounts) == len(good.accounts)
        told = (state.error, state.config_error, *(finding.message for finding in state.key_findings))
        assert str(tmp_path) not in " ".join(told)
        if function in ("open", "scandir") and failing.calls >= first:
            assert any(told)
        assert reader.read().error == ""


@pytest.mark.parametrize("function", ["open", "stat", "lstat", "scandir", "readlink"])
def test_a_mount_that_fails_at_any_call_ends_commands_in_words(
    tmp_path: Path, function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "PATIENCE", 0.02)
    volume, out = copy_of("gui-0.9.2", tmp_path / "mount"), tmp_path / "out"
    for command in (["accounts", "list"], ["key", "check"], ["backup", out], ["export", out], ["restore", "--resume"]):
        for first in (1, 3, 6):
            with monkeypatch.context() as patch:
                Failing(patch, function, errno.ENOTCONN, tmp_path / "mount", first)
                result = call(*command, "--data-dir", volume)
            assert result.exception is None or isinstance(result.exception, SystemExit), (command, result.exception)


def test_a_key_that_can_not_be_read_makes_no_backup_without_it(place: Path) -> None:
    volume = copy_of("gui-0.9.2", place)
    for path in (volume, *volume.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    shut(volume / ".keys" / "mk")
    try:
        with (
            as_nobody(),
            pytest.raises(ClickException, match=r"\.keys/mk can't be read: owned by .*; nothing was copied"),
        ):
            backup.copy_volume(layout.single(volume))
    finally:
        (volume / ".keys" / "mk").chmod(0o600)
