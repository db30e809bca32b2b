"""Snapshots against writers that don't stop: every one whole, none older than what was committed before it.

``make hammer`` takes thousands.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import hammer
from support.mounting import UNSHARE, may_mount

#: snapshots against each writer
SNAPSHOTS = os.environ.get("HAMMER_SNAPSHOTS", "20")


def hammered(directory: Path, style: str, *mount: str) -> dict[str, Any]:
    """The judgement over the snapshots; printed, for those who hammer at length."""
    volume = directory / "volume"
    volume.mkdir()
    command = [
        *(UNSHARE if mount else ()),
        sys.executable,
        "-m",
        hammer.__name__,
        str(volume),
        style,
        SNAPSHOTS,
        *mount,
    ]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(("tests", "."))}
    run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    print(style, "through a mount" if mount else "", run.stdout)
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def judge(found: dict[str, Any]) -> None:
    assert (found["wrong"], found["stale"], found["writers lived"]) == (0, 0, True)
    assert found["taken"] >= int(SNAPSHOTS) * 0.9
    assert found["commits"] >= int(SNAPSHOTS) // 4


@pytest.mark.parametrize("style", hammer.STYLES)
@pytest.mark.row("half copies")
def test_no_snapshot_is_torn_or_stale(tmp_path: Path, style: str) -> None:
    judge(hammered(tmp_path, style))


@pytest.mark.skipif(not may_mount(), reason="this machine lets nobody mount anything")
@pytest.mark.parametrize("style", ["app", "checkpoints"])
def test_nor_through_a_read_only_bind_mount(tmp_path: Path, style: str) -> None:
    judge(hammered(tmp_path, style, str(tmp_path / "mounted")))
