"""``antigravity-proxy export``: a directory that rsync and the like may copy at any moment.

A live directory is not: the database and its log may be taken at different moments (credential-volume.md 2.4).
"""

from __future__ import annotations

import stat
from contextlib import suppress
from pathlib import Path

from click import ClickException

from antigravity_proxy.operator.backup import DATABASE, VolumeCopy, copy_volume, is_known, outside
from antigravity_proxy.volume import files
from antigravity_proxy.volume.atomic import Directory, Owner
from antigravity_proxy.volume.layout import Layout

_KEYS = ".keys"


def export(places: Layout, destination: Path) -> VolumeCopy:
    """Brings ``destination`` up to the volume's state, each file in one step, unchanged ones not at all.

    Keys come before the database that may need them. Made by root the files belong to the directory's owner. No link in
    there is followed. Raises ClickException.
    """
    outside(places, destination)
    volume = copy_volume(places)
    try:
        with Directory.opened(destination, make=True) as place:
            heir = place.heir()
            for name in sorted(volume.files, key=lambda name: name == DATABASE):
                with place.parent_of(name, make=True) as (where, last):
                    _update(where, last, volume.files[name], heir)
            _remove_others(place, "", volume)
            if place.lstat(_KEYS) is not None:
                with place.inside(_KEYS) as inside:
                    _remove_others(inside, f"{_KEYS}/", volume)
    except OSError as e:
        raise ClickException(f"{destination}: {e.strerror or e}") from e
    return volume


def _update(where: Directory, name: str, content: bytes, owner: Owner | None) -> None:
    found = where.lstat(name)
    if found is not None and stat.S_ISREG(found.st_mode) and found.st_size == len(content):
        with suppress(PermissionError):
            if where.read(name, files.MAX_DATABASE) == content:
                return
    if name == DATABASE:
        where.remove_leftovers(name)
    where.write(name, content, owner)


def _remove_others(where: Directory, prefix: str, volume: VolumeCopy) -> None:
    """Removes what an earlier export may have put there: files that belong to a volume, and are in it no more."""
    for name in where.names():
        found = where.lstat(name)
        is_ours = found is not None and stat.S_ISREG(found.st_mode) and is_known(prefix + name)
        if is_ours and prefix + name not in volume.files:
            where.remove(name)
