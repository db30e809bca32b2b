"""A database that is mounted without its directory is noticed; on real mounts where the machine allows them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.mounting import UNSHARE, may_mount
from support.volumes import copy_of, reader_of, trace

from antigravity_proxy.volume import mounts

MOUNTINFO = r"""22 1 0:20 / / rw,relatime shared:1 - ext4 /dev/root rw
36 22 98:0 /mnt1 /data/cloud_accounts.db ro,noatime master:1 - ext3 /dev/root rw,errors=continue
37 22 98:0 /x /with\040space/cloud_accounts.db ro - ext3 /dev/root rw
short line
"""


def test_mount_points_are_read_with_their_escapes() -> None:
    assert mounts.mount_points(MOUNTINFO) == {
        "/",
        "/data/cloud_accounts.db",
        "/with space/cloud_accounts.db",
    }


def test_a_system_without_such_a_list_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "MOUNTS", tmp_path / "nothing")
    assert not mounts.is_alone(Path("/data/cloud_accounts.db"))


def test_the_list_of_this_system_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mounts").write_text(MOUNTINFO)
    monkeypatch.setattr(mounts, "MOUNTS", tmp_path / "mounts")
    assert mounts.is_alone(Path("/data/cloud_accounts.db"))
    assert not mounts.is_alone(Path("/data/gui_config.json"))


@pytest.mark.parametrize(("name", "warned"), [("gui-0.9.2", True), ("raw-key-rollback", False)])
def test_only_a_database_with_a_log_needs_its_directory(
    name: str, warned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mounts, "is_alone", lambda database: True)
    assert reader_of(copy_of(name, tmp_path)).read().alone is warned


MOUNTED = """
import json, subprocess, sys
from pathlib import Path
sys.path[:0] = ["tests"]
from support.mounting import UNSHARE, may_mount
from support.volumes import reader_of
source, target, single = sys.argv[1:]
target = Path(target)
if single:
    target.mkdir()
    (target / "cloud_accounts.db").touch()
    subprocess.run(["mount", "--bind", f"{source}/cloud_accounts.db", target / "cloud_accounts.db"], check=True)
else:
    target.mkdir()
    subprocess.run(["mount", "--bind", source, target], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", target], check=True)
state = reader_of(target).read()
print(json.dumps([state.alone, state.error, len(state.accounts), len(state.problems)]))
"""


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[Path]:
    """An idle volume in WAL mode, which must be the same afterwards."""
    volume = copy_of("gui-0.9.2", tmp_path)
    before = trace(volume)
    yield volume
    assert trace(volume) == before


@pytest.mark.skipif(not may_mount(), reason="this machine lets nobody mount anything")
@pytest.mark.parametrize("single", ["", "single"])
def test_on_a_real_bind_mount(idle: Path, tmp_path: Path, single: str) -> None:
    command = [*UNSHARE, sys.executable, "-c", MOUNTED, idle, tmp_path / "mounted", single]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.stderr == ""
    assert run.stdout.strip() == ('[true, "", 0, 3]' if single else '[false, "", 3, 0]')
