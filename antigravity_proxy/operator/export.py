"""``antigravity-proxy export``: a directory that rsync and the like may copy at any moment.

A live directory is not: the database and its log may be taken at different moments (credential-volume.md 2.4).
"""

from __future__ import annotations

from pathlib import Path

from click import ClickException

from antigravity_proxy.operator.backup import DATABASE, VolumeCopy, copy_volume, is_known, outside
from antigravity_proxy.volume import atomic
from antigravity_proxy.volume.layout import Layout


def export(places: Layout, destination: Path) -> VolumeCopy:
    """Brings ``destination`` up to the volume's state, each file in one step, unchanged ones not at all.

    Keys come before the database that may need them. Raises ClickException.
    """
    outside(places, destination)
    volume = copy_volume(places)
    try:
        atomic.make_directory(destination)
        for name in sorted(volume.files, key=lambda name: name == DATABASE):
            _update(destination / name, volume.files[name])
        for path in _ours(destination):
            if path.relative_to(destination).as_posix() not in volume.files:
                path.unlink()
    except OSError as e:
        raise ClickException(f"{destination}: {e.strerror or e}") from e
    return volume


def _update(path: Path, content: bytes) -> None:
    if path.is_file() and path.read_bytes() == content:
        return
    if path.name == DATABASE:
        atomic.remove_leftovers(path)
    atomic.write(path, content)


def _ours(destination: Path) -> list[Path]:
    """What an export may have put there: files that belong to a volume."""
    found = [*destination.glob("*"), *destination.glob(".keys/*"), *destination.glob(".mk")]
    return [path for path in found if path.is_file() and is_known(path.relative_to(destination).as_posix())]
