"""What belongs to another user, or stands where nobody expects it: every command says so in words."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.users import IS_ROOT, NOBODY, call_as_nobody, reachable_directory, shut
from support.volumes import copy_of

COMMANDS = (
    "accounts list",
    "key check",
    "key export",
    "backup {out}",
    "export {out}",
    "restore --resume",
    "check --offline",
)


@pytest.fixture
def place() -> Iterator[Path]:
    with reachable_directory() as directory:
        yield directory


def said(place: Path, volume: Path, **environ: str) -> dict[str, str]:
    """What each command says of the volume; none of them ends in a traceback."""
    out = place / "out"
    out.mkdir()
    out.chmod(0o777)
    calls = [[*name.format(out=out).split(), "--data-dir", str(volume)] for name in COMMANDS]
    told = {}
    for name, (status, output, fault) in zip(COMMANDS, call_as_nobody(calls, **environ), strict=True):
        assert fault is None, (name, fault)
        assert status == 1, (name, output)
        assert "Traceback" not in output
        told[name] = output
    return told


def uid() -> int:
    return NOBODY if IS_ROOT else os.getuid()


@pytest.mark.row("other users")
def test_a_data_directory_of_another_user_is_said_by_every_command(place: Path) -> None:
    volume = copy_of("gui-2026-08", place)
    owner = f"owned by uid {os.getuid()}, mode {'0700' if IS_ROOT else '0000'}; this process has uid {uid()}"
    shut(volume)
    try:
        told = said(place, volume)
    finally:
        volume.chmod(0o700)
    for name in ("accounts list", "key check", "backup {out}", "export {out}", "check --offline"):
        assert owner in told[name], name
    assert str(volume) in told["check --offline"]


@pytest.mark.row("other users")
@pytest.mark.parametrize("part", [".keys", "cloud_accounts.db"])
def test_a_part_of_another_user_is_said_by_check(place: Path, part: str) -> None:
    volume = copy_of("gui-0.9.2", place)
    for path in (volume, *volume.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    shut(volume / part)
    try:
        found = call_as_nobody(
            [["accounts", "list", "--data-dir", str(volume)], ["check", "--offline", "--data-dir", str(volume)]]
        )
    finally:
        (volume / part).chmod(0o700)
    assert [fault for _, _, fault in found] == [None, None]
    assert f"{part} can't be read: owned by uid {os.getuid()}" in found[1][1]


def test_a_path_that_was_never_meant_is_shown() -> None:
    for name in ("~/volume", "'/data'"):
        ((status, output, fault),) = call_as_nobody([["check", "--offline"]], ANTIGRAVITY_DATA_DIR=name)
        assert (status, fault) == (1, None)
        assert f"(data directory: {name}, relative to" in output


def test_wrong_mounts_of_the_key_are_said(place: Path) -> None:
    volume = copy_of("gui-0.9.2", place)
    key = (volume / ".keys" / "mk").read_bytes()
    for path in (volume, *volume.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    shutil.rmtree(volume / ".keys")
    (volume / ".keys").write_bytes(key)
    ((_, output, fault),) = call_as_nobody([["check", "--offline", "--data-dir", str(volume)]])
    assert (fault, ".keys is a file" in output) == (None, True)
    (volume / ".keys").unlink()
    (volume / ".keys" / "master.key").mkdir(parents=True)
    ((_, output, fault),) = call_as_nobody([["check", "--offline", "--data-dir", str(volume)]])
    assert (fault, ".keys/master.key is a directory" in output) == (None, True)
