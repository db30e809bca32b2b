"""Directories that belong to somebody else: no command follows a link in them, nor believes what lies there."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from click import ClickException
from support.command import call
from support.users import IS_ROOT, NOBODY, reachable_directory
from support.volumes import EPOCH, copy_of

from antigravity_proxy.operator import backup, export, keys, restore
from antigravity_proxy.operator.keys import Candidate
from antigravity_proxy.secret import SecretBytes
from antigravity_proxy.simulator.volume import write_volume
from antigravity_proxy.volume import atomic, layout
from antigravity_proxy.volume.atomic import Directory

needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can give files away, and only root is asked to")


def back_up(volume: Path, destination: Path) -> Path:
    return backup.back_up(layout.single(volume), destination, None, EPOCH, lambda size: None)[0]


@pytest.fixture
def place() -> Iterator[Path]:
    with reachable_directory() as directory:
        yield directory


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """What must stay as it is."""
    made = tmp_path / "outside"
    made.mkdir(mode=0o700)
    (made / "master.key").write_text("somebody's own")
    return made


def untouched(outside: Path) -> bool:
    return [path.name for path in outside.iterdir()] == ["master.key"] and (
        outside / "master.key"
    ).read_text() == "somebody's own"


@pytest.mark.row("foreign directories")
@needs_root
def test_a_file_of_clients_keys_belongs_to_the_directorys_owner_and_nothing_else_does(place: Path) -> None:
    victim = place / "victim"
    victim.touch(mode=0o600)
    home = place / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    path, ended = home / "keys.json", threading.Event()

    def swap() -> None:
        """What the directory's owner does as soon as the file has its name."""
        while not ended.is_set():
            if path.exists() and not path.is_symlink():
                path.unlink(missing_ok=True)
                path.symlink_to(victim)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        for number in range(20):
            call("client-key", "add", f"c{number}", "--file", path, "--data-dir", place)
            path.unlink(missing_ok=True)
    finally:
        ended.set()
        swapping.join()
    assert victim.stat().st_uid == 0
    path.unlink(missing_ok=True)
    assert call("client-key", "add", "a", "--file", path, "--data-dir", place).exit_code == 0
    assert (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) == (NOBODY, 0o600)


@pytest.mark.row("foreign directories")
@pytest.mark.parametrize("make", ["link", "directory", "pipe"])
def test_clients_keys_are_not_written_over_what_is_no_file(tmp_path: Path, outside: Path, make: str) -> None:
    path = tmp_path / "keys.json"
    {
        "link": lambda: path.symlink_to(outside / "master.key"),
        "directory": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
    }[make]()
    for arguments in (("add", "a"), ("revoke", "a")):
        result = call("client-key", *arguments, "--file", path, "--data-dir", tmp_path)
        assert (result.exit_code, result.output.count("\n")) != (0, 1)
        assert isinstance(result.exception, SystemExit)
    assert untouched(outside)


@pytest.mark.row("foreign directories")
@pytest.mark.parametrize("command", ["restore", "key export", "export", "login"])
def test_a_key_directory_that_is_a_link_is_followed_by_nobody(tmp_path: Path, outside: Path, command: str) -> None:
    source = write_volume(tmp_path / "source", accounts=1, api_key="sk-a").directory
    target = tmp_path / "target"
    target.mkdir()
    (target / ".keys").symlink_to(outside)
    key = Candidate("the desktop", SecretBytes(bytes(32)))
    attempts: dict[str, Callable[[], object]] = {
        "restore": lambda: restore.restore(target, back_up(source, tmp_path / "b"), force=False, read_only=False),
        "key export": lambda: keys.export([key], target),
        "export": lambda: export.export(layout.single(source), target),
        "login": lambda: _made_key(target),
    }
    with pytest.raises((ClickException, OSError), match=r"\.keys is a link: it is not followed"):
        attempts[command]()
    assert untouched(outside)


def _made_key(target: Path) -> None:
    with Directory.opened(target) as directory, directory.parent_of(".keys/master.key", make=True) as (inside, name):
        inside.write(name, b"key")


@pytest.mark.row("foreign directories")
def test_files_of_an_export_that_are_links_are_replaced_and_not_written_through(tmp_path: Path, outside: Path) -> None:
    source, out = copy_of("gui-0.9.2", tmp_path), tmp_path / "out"
    (out / ".keys").mkdir(parents=True)
    for name in ("cloud_accounts.db", "gui_config.json", ".keys/mk"):
        (out / name).symlink_to(outside / "master.key")
    assert call("export", out, "--data-dir", source).exit_code == 0
    assert not any(path.is_symlink() for path in out.rglob("*"))
    assert untouched(outside)


def decided(tmp_path: Path, contents: dict[str, bytes] | None = None) -> Path:
    """A data directory with a restore in it that waits to be finished."""
    directory = tmp_path / "data"
    directory.mkdir()
    with Directory.opened(directory) as place:
        restore._decide(place, contents or {".mk": b"a" * 64, "cloud_accounts.db": b"x"})
    return directory


def resumed(directory: Path) -> str:
    result = call("restore", "--resume", "--data-dir", directory)
    assert result.exit_code == 0 or isinstance(result.exception, SystemExit)
    return result.output


@pytest.mark.row("foreign directories")
def test_a_decided_restore_that_is_a_link_is_not_finished(tmp_path: Path, outside: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir()
    (directory / ".restore").symlink_to(outside)
    assert ".restore is a link: it is not followed" in resumed(directory)
    assert untouched(outside)


@pytest.mark.row("foreign directories")
@pytest.mark.parametrize("name", ["shadow", "etc/shadow", ".keys/a/b", "..", "a\nb", ".keys/\x1b[31m"])
def test_a_name_that_belongs_to_no_volume_is_not_moved(tmp_path: Path, name: str) -> None:
    directory = decided(tmp_path)
    if name != "..":
        path = directory / ".restore" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        digests = msgspec.json.decode((directory / ".restore" / "manifest.json").read_bytes())
        (directory / ".restore" / "manifest.json").write_bytes(msgspec.json.encode(digests | {name: "x"}))
        told = resumed(directory)
        assert "was not left by a restore" in told or "not a regular file" in told
        assert "\x1b" not in told
        assert [path.name for path in directory.iterdir()] == [".restore"]


@pytest.mark.row("foreign directories")
@pytest.mark.parametrize("kind", ["link", "other content", "not named", "no manifest", "pipe"])
def test_what_a_restore_did_not_leave_is_not_moved(tmp_path: Path, outside: Path, kind: str) -> None:
    directory = decided(tmp_path)
    inside = directory / ".restore"
    if kind == "link":
        (inside / ".mk").unlink()
        (inside / ".mk").symlink_to(outside / "master.key")
    elif kind == "pipe":
        (inside / ".mk").unlink()
        os.mkfifo(inside / ".mk")
    elif kind == "other content":
        (inside / ".mk").write_bytes(b"b" * 64)
    elif kind == "not named":
        (inside / "gui_config.json").write_bytes(b"{}")
    else:
        (inside / "manifest.json").unlink()
    assert "Error: " in resumed(directory)
    assert [path.name for path in directory.iterdir()] == [".restore"]
    assert untouched(outside)


@pytest.mark.row("foreign directories")
@pytest.mark.parametrize("opened", ["its mode", pytest.param("its owner", marks=needs_root)])
def test_a_decided_restore_that_others_could_reach_is_not_finished(tmp_path: Path, opened: str) -> None:
    directory = decided(tmp_path)
    if opened == "its mode":
        (directory / ".restore").chmod(0o770)
    else:
        os.chown(directory / ".restore", NOBODY, NOBODY)
    assert "can't be trusted: owned by uid" in resumed(directory)
    assert [path.name for path in directory.iterdir()] == [".restore"]


def test_a_decided_restore_is_finished_from_wherever_it_stopped(tmp_path: Path) -> None:
    directory = decided(tmp_path)
    os.replace(directory / ".restore" / ".mk", directory / ".mk")
    assert "is finished" in resumed(directory)
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == {
        ".mk": b"a" * 64,
        "cloud_accounts.db": b"x",
    }


@needs_root
def test_what_root_restores_belongs_to_the_directorys_owner(place: Path, tmp_path: Path) -> None:
    file = back_up(copy_of("gui-0.9.2", tmp_path), tmp_path / "backups")
    target = place / "target"
    target.mkdir()
    os.chown(target, NOBODY, NOBODY)
    assert call("restore", file, "--data-dir", target).exit_code == 0
    assert {path.stat().st_uid for path in target.rglob("*")} == {NOBODY}
    assert (target / ".keys" / "mk").exists()


def test_each_directory_that_is_made_is_this_users_alone(tmp_path: Path) -> None:
    atomic.make_directory(tmp_path / "a" / "b" / "c")
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")} == {0o700}


def hostile_members() -> Iterator[tuple[str, tarfile.TarInfo]]:
    """Tar members of every kind that no backup holds."""
    for name, kind in (
        ("link to itself", tarfile.SYMTYPE),
        ("hard link to itself", tarfile.LNKTYPE),
        ("device", tarfile.CHRTYPE),
        ("pipe", tarfile.FIFOTYPE),
        ("directory", tarfile.DIRTYPE),
        ("sparse", tarfile.GNUTYPE_SPARSE),
        ("contiguous", tarfile.CONTTYPE),
    ):
        member = tarfile.TarInfo(".mk")
        member.type, member.linkname = kind, ".mk"
        yield name, member
    for name, headers in (
        ("size of a pax header", {"size": "9" * 30}),
        ("time of a pax header", {"mtime": "nonsense"}),
        ("sparse by pax", {"GNU.sparse.major": "x", "GNU.sparse.minor": "0"}),
    ):
        member = tarfile.TarInfo(".mk")
        member.pax_headers = headers
        yield name, member
    for name in (".keys/a\nb", ".keys/\x1b[31mred", ".keys/\u202e", "../x", "/etc/shadow", ".keys/" + "x" * 300):
        yield f"name {name!a}", tarfile.TarInfo(name)


@pytest.mark.row("hostile archives")
@pytest.mark.parametrize(("what", "member"), [pytest.param(*each, id=each[0]) for each in hostile_members()])
def test_an_archive_of_every_kind_is_refused_in_words(tmp_path: Path, what: str, member: tarfile.TarInfo) -> None:
    contents = {"cloud_accounts.db": b"x", member.name: b""}
    entries = {name: backup.Entry(len(content), backup.digest(content)) for name, content in contents.items()}
    manifest = msgspec.json.encode(backup.Manifest(backup.FORMAT, "", "", 0, 0, entries))
    path = tmp_path / "b.tar"
    with path.open("w+b") as file:
        sealing = backup._Sealing(file, lambda size: None)
        with tarfile.open(fileobj=sealing, mode="w|", format=tarfile.PAX_FORMAT) as tar:
            for name, content in ((backup.MANIFEST, manifest), ("cloud_accounts.db", b"x")):
                plain = tarfile.TarInfo(name)
                plain.size = len(content)
                tar.addfile(plain, io.BytesIO(content))
            tar.addfile(member)
        file.write(sealing.digest.hexdigest().encode() + b"\n")
    result = call("restore", path, "--data-dir", tmp_path / "new")
    assert isinstance(result.exception, SystemExit), (what, result.exception)
    assert (result.exit_code, result.output.count("\n"), "\x1b" in result.output) == (1, 1, False)
    assert not (tmp_path / "new").exists()
