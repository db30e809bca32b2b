"""Backup and restore: whole, checked, never half, never over something by accident."""

from __future__ import annotations

import io
import os
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from click import ClickException
from support.command import call
from support.volumes import EPOCH, NAMES, copy_of, make_database, reader_of, renumber, trace

from antigravity_proxy.operator import backup, restore
from antigravity_proxy.simulator.volume import write_volume
from antigravity_proxy.volume import atomic, layout


def back_up(volume: Path, destination: Path, *, keep: int | None = None, epoch: float = EPOCH) -> Path:
    return backup.back_up(layout.single(volume), destination, keep, epoch, lambda size: None)[0]


def seen(volume: Path) -> list[tuple[str, str]]:
    return [(account.id, account.access_token.reveal()) for account in reader_of(volume).read().accounts]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_restored_is_what_was_backed_up(name: str, tmp_path: Path) -> None:
    volume = copy_of(name, tmp_path)
    before = trace(volume)
    file = back_up(volume, tmp_path / "backups")
    assert trace(volume) == before
    assert file.stat().st_mode & 0o777 == 0o600
    restored = tmp_path / "restored"
    manifest = restore.restore(restored, file, force=False, read_only=False)
    assert manifest.readable == manifest.rows == len(seen(volume)) > 0
    assert seen(restored) == seen(volume)
    assert (restored / "gui_config.json").read_bytes() == (volume / "gui_config.json").read_bytes()
    assert {path.stat().st_mode & 0o777 for path in restored.rglob("*") if path.is_file()} == {0o600}
    with closing(sqlite3.connect(restored / "cloud_accounts.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        mode = "delete" if name == "raw-key-rollback" else "wal"
        assert db.execute("PRAGMA journal_mode").fetchone() == (mode,)
    assert not list(restored.glob(".restore*"))


def test_the_backup_is_a_tar_that_says_what_it_holds(tmp_path: Path) -> None:
    file = back_up(copy_of("gui-2026-08", tmp_path), tmp_path / "backups")
    with tarfile.open(file) as tar:
        assert tar.getnames() == ["manifest.json", "cloud_accounts.db", "gui_config.json", "master-key.v2.file"]


def test_every_flipped_byte_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    volume = write_volume(tmp_path / "volume", accounts=1, api_key="sk-a").directory
    file = back_up(volume, tmp_path / "backups")
    good = file.read_bytes()
    target = tmp_path / "target"
    for position in [*range(0, 1500, 7), *range(1500, len(good) - 70, 997), *range(len(good) - 70, len(good))]:
        file.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
        with pytest.raises(ClickException, match="checksum does not match"):
            restore.restore(target, file, force=True, read_only=False)
    for cut in (0, 10, 65, len(good) // 2, len(good) - 1):
        file.write_bytes(good[:cut])
        with pytest.raises(ClickException, match="checksum does not match"):
            restore.restore(target, file, force=True, read_only=False)
    assert not target.exists()


def sealed(path: Path, members: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> Path:
    """A file with a right checksum and wrong contents."""
    with path.open("w+b") as file:
        out = backup._Sealing(file, lambda size: None)
        with tarfile.open(fileobj=out, mode="w|") as tar:
            for name, content in members.items():
                member = tarfile.TarInfo(name)
                member.type, member.size = kind, len(content) if kind == tarfile.REGTYPE else 0
                tar.addfile(member, io.BytesIO(content))
        file.write(out.digest.hexdigest().encode() + b"\n")
    return path


def manifest_of(members: dict[str, bytes], form: int = backup.FORMAT) -> bytes:
    entries = {name: backup.Entry(len(content), backup.digest(content)) for name, content in members.items()}
    return msgspec.json.encode(backup.Manifest(form, "", "", 0, 0, entries))


@pytest.mark.parametrize(
    ("members", "form", "words"),
    [
        ({}, None, "can't be read"),
        ({"cloud_accounts.db": b"x"}, backup.FORMAT + 1, "has format 2"),
        ({"gui_config.json": b"{}"}, backup.FORMAT, "contains no database"),
        ({"cloud_accounts.db": b"x", "../x": b"y"}, backup.FORMAT, "do not belong to a volume"),
        ({"cloud_accounts.db": b"x", ".keys/..": b"y"}, backup.FORMAT, "do not belong to a volume"),
        ({"cloud_accounts.db": b"x" * 200}, backup.FORMAT, "can't be read"),
    ],
)
def test_what_is_no_backup_is_refused(members: dict[str, bytes], form: int | None, words: str, tmp_path: Path) -> None:
    manifest = {} if form is None else {"manifest.json": manifest_of(members, form)}
    file = sealed(tmp_path / "b.tar", manifest | members)
    with pytest.raises(ClickException, match=words):
        restore.restore(tmp_path / "target", file, force=False, read_only=False)
    assert not (tmp_path / "target").exists()


def test_a_manifest_that_lies_and_directories_are_refused(tmp_path: Path) -> None:
    database = {"cloud_accounts.db": b"x"}
    lying = {"manifest.json": manifest_of(database), "cloud_accounts.db": b"y"}
    with pytest.raises(ClickException, match="does not hold what its manifest says"):
        restore.restore(tmp_path / "target", sealed(tmp_path / "a", lying), force=False, read_only=False)
    with pytest.raises(ClickException, match="not a regular file"):
        restore.restore(
            tmp_path / "target", sealed(tmp_path / "b", {"x": b""}, tarfile.DIRTYPE), force=False, read_only=False
        )


def test_accounts_that_are_there_are_not_overwritten_by_accident(tmp_path: Path) -> None:
    old = write_volume(tmp_path / "old", accounts=2, api_key="sk-old")
    new = write_volume(tmp_path / "new", accounts=1, api_key="sk-new")
    file = back_up(old.directory, tmp_path / "backups")
    before = trace(new.directory)
    result = call("restore", file, "--data-dir", new.directory)
    assert (result.exit_code, "use --force" in result.stderr) == (1, True)
    assert trace(new.directory) == before
    assert call("restore", file, "--data-dir", new.directory, "--force").exit_code == 0
    assert len(seen(new.directory)) == 2


def test_a_log_of_the_old_database_does_not_survive_into_the_new_one(tmp_path: Path) -> None:
    volume = write_volume(tmp_path / "volume", accounts=1, api_key="sk-a").directory
    file = back_up(volume, tmp_path / "backups")
    other = tmp_path / "other"
    other.mkdir()
    db = make_database(other / "cloud_accounts.db")
    renumber(db, 7)  # its log is hot
    with pytest.raises(ClickException, match="seems to be using"):
        restore.restore(other, file, force=False, read_only=False)
    restore.restore(other, file, force=True, read_only=False)
    assert not [path for path in other.iterdir() if path.name.endswith(("-wal", "-shm"))]
    assert seen(other) == seen(volume)
    db.close()


@pytest.mark.parametrize("fails_at", range(9))
def test_an_interrupted_restore_is_nothing_or_can_be_finished(
    fails_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Power fails at each step in turn."""
    file = back_up(write_volume(tmp_path / "old", accounts=2, api_key="sk-old").directory, tmp_path / "backups")
    new = write_volume(tmp_path / "new", accounts=1, api_key="sk-new").directory
    steps, real = [0], os.replace

    def fail(source: str, target: str, **directories: int) -> None:
        steps[0] += 1
        if steps[0] > fails_at:
            raise OSError(5, "power failed")
        real(source, target, **directories)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        if fails_at < 8:
            with pytest.raises(ClickException, match="power failed"):
                restore.restore(new, file, force=True, read_only=False)
        else:
            restore.restore(new, file, force=True, read_only=False)
    if restore.is_interrupted(new):
        assert fails_at >= 5
        with pytest.raises(ClickException, match="--resume"):
            restore.restore(new, file, force=True, read_only=False)
        assert call("restore", "--resume", "--data-dir", new).exit_code == 0
    assert len(seen(new)) == (1 if fails_at < 5 else 2)
    assert not list(new.glob(".restore*"))


def test_there_is_nothing_to_resume_where_nothing_was_interrupted(tmp_path: Path) -> None:
    result = call("restore", "--resume", "--data-dir", tmp_path)
    assert (result.exit_code, "no restore was interrupted" in result.stderr) == (1, True)


def test_read_only_means_read_only(tmp_path: Path) -> None:
    file = back_up(copy_of("gui-0.9.2", tmp_path), tmp_path / "backups")
    result = call("restore", file, "--data-dir", tmp_path / "new", READONLY_MODE="true")
    assert (result.exit_code, "READONLY_MODE" in result.stderr) == (1, True)
    assert not (tmp_path / "new").exists()


def test_the_oldest_backups_go_and_other_files_stay(tmp_path: Path) -> None:
    volume, destination = copy_of("gui-0.9.2", tmp_path), tmp_path / "backups"
    destination.mkdir()
    (destination / "antigravity-notes.tar").touch()
    made = [back_up(volume, destination, keep=2, epoch=EPOCH + day * 86400).name for day in (0, 1, 2, 2)]
    assert sorted(path.name for path in destination.iterdir()) == sorted([*made[2:], "antigravity-notes.tar"])
    assert made[3] == made[2].replace(".tar", "-2.tar")


def test_no_backup_stands_in_the_volume_or_on_a_file(tmp_path: Path) -> None:
    volume = copy_of("gui-0.9.2", tmp_path)
    before = trace(volume)
    (tmp_path / "file").touch()
    for destination, words in ((volume / "backups", "lies in the data directory"), (tmp_path / "file" / "x", "file")):
        result = call("backup", destination, "--data-dir", volume)
        assert (result.exit_code, words in result.stderr) == (1, True)
    assert trace(volume) == before


def test_a_backup_that_does_not_read_back_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that keeps something else than was written."""
    volume, real = copy_of("gui-0.9.2", tmp_path), backup.read_archive
    monkeypatch.setattr(backup, "read_archive", lambda content: real(content[:-3] + b"!!\n"))
    with pytest.raises(ClickException, match="checksum"):
        back_up(volume, tmp_path / "backups")
    assert list((tmp_path / "backups").iterdir()) == []


def test_the_command_says_what_it_did_and_which_key_is_missing(tmp_path: Path) -> None:
    volume = copy_of("gui-0.9.2", tmp_path)
    result = call("backup", tmp_path / "backups", "--keep", "1", "--data-dir", volume)
    assert "3 accounts, 3 of them open" in result.stdout
    (volume / ".keys" / "mk").unlink()
    result = call("backup", tmp_path / "backups", "--keep", "1", "--data-dir", volume)
    assert result.exit_code == 0
    assert "3 accounts, 0 of them open" in result.stdout
    assert "Keep the missing key too" in result.stderr
    assert len(list((tmp_path / "backups").iterdir())) == 1


def test_a_half_written_config_is_not_backed_up(tmp_path: Path) -> None:
    volume = copy_of("gui-0.9.2", tmp_path)
    (volume / "gui_config.json").write_text('{"proxy": {')
    result = call("backup", tmp_path / "backups", "--data-dir", volume)
    assert (result.exit_code, "nothing was copied" in result.stderr) == (1, True)


def test_key_files_of_one_name_in_two_places_are_both_kept(tmp_path: Path) -> None:
    agent, manager = tmp_path / "agent", tmp_path / "manager"
    write_volume(agent, accounts=1, api_key="sk-a")
    manager.mkdir()
    (agent / ".mk").write_text("a" * 64)
    (manager / ".mk").write_text("b" * 64)
    (manager / "master-key.v2.file").write_text("c" * 64)
    found = backup.copy_volume(layout.Layout(agent, (agent / "gui_config.json",), (agent, manager)))
    assert {name for name in found.files if "mk" in name} == {".mk", ".keys/.mk.2"}
    assert found.readable == 1


def test_a_file_that_is_replaced_is_never_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    atomic.write(tmp_path / "x", b"old")

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        atomic.write(tmp_path / "x", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x", b"old")]
