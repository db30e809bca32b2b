"""The state directory: whose it is, one writer."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from antigravity_proxy.state import place


def test_it_is_made_for_this_user_alone_if_its_parent_is_there(tmp_path: Path) -> None:
    assert place.prepare(tmp_path / "state") is False
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    with pytest.raises(FileNotFoundError):
        place.prepare(tmp_path / "none" / "state")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        place.prepare(tmp_path / "file")


@pytest.mark.parametrize("mode", [0o750, 0o701, 0o704])
def test_one_that_others_may_look_into_is_used_and_said_to_be(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    assert place.prepare(tmp_path) is True


def test_no_link_and_nothing_else_stands_in_for_a_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(OSError):  # noqa: PT011 - the system's words differ
            place.make_file(tmp_path / name)
    assert not (tmp_path / "elsewhere").exists()
    place.make_file(tmp_path / "file")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


def test_one_process_writes_and_a_dead_one_keeps_nobody_out(tmp_path: Path) -> None:
    code = "import sys, time; from pathlib import Path; from antigravity_proxy.state.place import Lock\n"
    code += "lock = Lock(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(place.Occupied):
        place.Lock(tmp_path)
    holder.kill()
    holder.wait()
    deadline = time.monotonic() + 5
    while True:
        try:
            place.Lock(tmp_path).release()
            break
        except place.Occupied:
            assert time.monotonic() < deadline
    holder.stdout.close()
