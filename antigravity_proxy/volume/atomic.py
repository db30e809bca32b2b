"""Puts files in their places so that nobody ever sees half of one. Works on Windows too."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

#: what SQLite keeps beside a database: none of it fits another one
LEFTOVERS = ("-wal", "-shm", "-journal")


def make_directory(path: Path) -> None:
    """Makes a directory, and those above it, for this user alone. Raises OSError."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def write(path: Path, content: bytes) -> None:
    """The file with that content, mode 0600, replaced in one step and on the disk when this returns. Raises OSError."""
    make_directory(path.parent)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Makes a directory's entries last through a power cut, where the system offers that."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_leftovers(database: Path) -> None:
    """Removes what an earlier database left beside its place."""
    for suffix in LEFTOVERS:
        database.with_name(database.name + suffix).unlink(missing_ok=True)
