"""Mounts of a test's own, in a mount namespace of its own, where the machine lets it."""

from __future__ import annotations

import shutil
import subprocess

#: what runs a command in a mount namespace of its own
UNSHARE = ("unshare", "--mount")


def may_mount() -> bool:
    """Whether this process may make mounts of its own."""
    if shutil.which(UNSHARE[0]) is None:
        return False
    return subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0
