"""``antigravity-proxy restore``: a backup back into the data directory, whole or not at all.

Everything is first written to a directory inside, which then gets its final name: that step decides. Moving the files
to their places can be interrupted and taken up again any number of times.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from click import ClickException

from antigravity_proxy.operator.backup import DATABASE, Manifest, read_archive
from antigravity_proxy.volume import atomic, wal

#: a restore that was decided, in the data directory
DECIDED = ".restore"


def restore(directory: Path, backup: Path, *, force: bool, read_only: bool) -> Manifest:
    """Puts the backup's files into the data directory. Raises ClickException, with the volume as it was.

    ``force``: also over another volume, or one that the desktop app seems to be using.
    """
    _may_write(directory, read_only)
    if is_interrupted(directory):
        raise ClickException("an earlier restore was interrupted: finish it first with --resume")
    try:
        content = backup.read_bytes()
    except OSError as e:
        raise ClickException(f"{backup}: {e.strerror or e}") from e
    manifest, volume = read_archive(content)
    if not force:
        _refuse_to_overwrite(directory)
    try:
        atomic.make_directory(directory)
        staging = Path(tempfile.mkdtemp(prefix=".restore-", suffix=".part", dir=directory))
        try:
            for name, each in volume.files.items():
                atomic.write(staging / name, each)
            atomic.sync_directory(staging)
            os.rename(staging, directory / DECIDED)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        atomic.sync_directory(directory)
    except OSError as e:
        raise ClickException(f"{directory}: {e.strerror or e}; nothing was changed") from e
    resume(directory, read_only=read_only)
    return manifest


def resume(directory: Path, *, read_only: bool) -> None:
    """Moves the files of a decided restore to their places: keys and configuration first, the database last."""
    _may_write(directory, read_only)
    decided = directory / DECIDED
    if not decided.is_dir():
        raise ClickException("no restore was interrupted here")
    try:
        waiting = [path for path in decided.rglob("*") if path.is_file()]
        for path in sorted(waiting, key=lambda path: path.name == DATABASE):
            target = directory / path.relative_to(decided)
            atomic.make_directory(target.parent)
            if path.name == DATABASE:
                atomic.remove_leftovers(target)
            os.replace(path, target)
            atomic.sync_directory(target.parent)
        shutil.rmtree(decided)
    except OSError as e:
        raise ClickException(f"{directory}: {e.strerror or e}; finish with 'restore --resume'") from e


def is_interrupted(directory: Path) -> bool:
    """Whether a restore was decided there and not finished."""
    return (directory / DECIDED).is_dir()


def _may_write(directory: Path, read_only: bool) -> None:
    if read_only:
        raise ClickException(f"READONLY_MODE is true: {directory} is not to be written")


def _refuse_to_overwrite(directory: Path) -> None:
    database = directory / DATABASE
    log = database.with_name(DATABASE + "-wal")
    if log.exists() and wal.looks_like_log(log.read_bytes()[: wal.HEADER_SIZE]):
        raise ClickException(f"the desktop app seems to be using {directory}: close it first, or use --force")
    if database.exists():
        raise ClickException(f"{directory} holds accounts already: use --force to replace them")
