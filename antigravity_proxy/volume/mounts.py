"""Whether the database is mounted alone, without the directory around it. Known on Linux only."""

from __future__ import annotations

import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")


def is_alone(database: Path) -> bool:
    """Whether the file itself is a mount point: then the log beside it is the container's, and commits are lost."""
    try:
        mounts = MOUNTS.read_text("utf-8", "surrogateescape")
    except OSError:
        return False
    return str(database.absolute()) in mount_points(mounts)


def mount_points(mountinfo: str) -> set[str]:
    """Where things are mounted, by proc(5)'s ``mountinfo``: its fifth field, with octal escapes."""
    fields = (line.split(" ", 5) for line in mountinfo.splitlines())
    return {_ESCAPED.sub(lambda found: chr(int(found[1], 8)), field[4]) for field in fields if len(field) > 4}
