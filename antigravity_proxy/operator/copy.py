"""A consistent copy of a volume's files in memory: database, configuration, keys. What backup and export write."""

from __future__ import annotations

import re
import time
from pathlib import Path

from click import ClickException
from msgspec import Struct

from antigravity_proxy.volume import database, files, guiconfig, keys, snapshot
from antigravity_proxy.volume.accounts import AccountReader
from antigravity_proxy.volume.layout import Layout
from antigravity_proxy.volume.snapshot import Snapshot, VolumeError

DATABASE, CONFIG = "cloud_accounts.db", "gui_config.json"
#: everything that a copy may hold: nothing else is ever written into a volume
_NAME = re.compile(r"cloud_accounts\.db|gui_config\.json|\.mk|master-key\.v2\.(?:file|safe)|\.keys/[^/\\\0]{1,200}")


class VolumeCopy(Struct, frozen=True):
    """Contents by name, relative to the volume; rows, and how many of them the copied keys open."""

    files: dict[str, bytes]
    rows: int
    readable: int


def is_known(name: str) -> bool:
    """Whether a file of that name belongs to a volume; no way leads out of it."""
    return bool(_NAME.fullmatch(name)) and name not in (".keys/.", ".keys/..")


def take(places: Layout) -> VolumeCopy:
    """Copies the volume, whoever is writing to it. Raises ClickException with the reason if that can't be done."""
    try:
        copy = snapshot.take(places.database, monotonic=time.monotonic, sleep=time.sleep)
        image = database.whole(copy)
    except VolumeError as e:
        raise ClickException(str(e)) from e
    found = {DATABASE: image}
    found |= _config(places)
    for directory in places.keys:
        for path in keys.candidates(directory):
            content = _content(path)
            if content is not None and len(content) <= keys.MAX_SIZE:
                found[_free_name(str(path.relative_to(directory)).replace("\\", "/"), content, found)] = content
    return counted(found)


def counted(contents: dict[str, bytes]) -> VolumeCopy:
    """The copy with its rows counted. Raises ClickException for a database that can't be read."""
    try:
        rows = database.rows(Snapshot(contents[DATABASE]))
    except VolumeError as e:
        raise ClickException(str(e)) from e
    material = (keys.key_of(content) for name, content in contents.items() if name not in (DATABASE, CONFIG))
    read = AccountReader().read(rows, tuple(key for key in material if key is not None))
    return VolumeCopy(contents, len(rows), len(read.accounts))


def _config(places: Layout) -> dict[str, bytes]:
    """The first configuration there is; a half-written one is no backup."""
    for path in places.configs:
        content = _content(path)
        if content is not None:
            try:
                guiconfig.parse(content)
            except guiconfig.Unreadable as e:
                raise ClickException(f"{e}; nothing was copied") from e
            return {CONFIG: content}
    return {}


def _content(path: Path) -> bytes | None:
    try:
        return files.content(path)
    except FileNotFoundError:
        return None
    except OSError as e:
        raise ClickException(f"{path.name} can't be read: {e.strerror}; nothing was copied") from e


def _free_name(name: str, content: bytes, taken: dict[str, bytes]) -> str:
    """The name in the copy: two directories of a desktop may hold key files of one name."""
    found, number = name, 1
    while taken.get(found, content) != content:
        number += 1
        found = f".keys/{Path(name).name}.{number}"
    return found
