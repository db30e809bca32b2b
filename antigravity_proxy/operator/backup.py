"""``antigravity-proxy backup``: a consistent copy of a volume in one checked file, and the oldest ones removed.

The file is a tar of the volume's files after a manifest, with the SHA-256 of all that in its last line. Any tar program
unpacks it; the last line makes every flipped byte show, the manifest's own included.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from click import ClickException
from msgspec import Struct

from antigravity_proxy import __version__
from antigravity_proxy.volume import database, files, guiconfig, keys, snapshot
from antigravity_proxy.volume.accounts import AccountReader
from antigravity_proxy.volume.atomic import Directory
from antigravity_proxy.volume.layout import Layout
from antigravity_proxy.volume.snapshot import Snapshot, VolumeError

DATABASE, CONFIG = "cloud_accounts.db", "gui_config.json"
#: everything that a copy may hold: nothing else is ever written into a volume
_KNOWN_NAME = re.compile(
    r"cloud_accounts\.db|gui_config\.json|\.mk|master-key\.v2\.(?:file|safe)|\.keys/[^/\\\0]{1,200}"
)


class VolumeCopy(Struct, frozen=True):
    """Contents by name, relative to the volume; rows, and how many of them the copied keys open."""

    files: dict[str, bytes]
    rows: int
    readable: int


def is_known(name: str) -> bool:
    """Whether a file of that name belongs to a volume; no way leads out of it, and it may be shown at a terminal."""
    return bool(_KNOWN_NAME.fullmatch(name)) and name.isprintable() and name not in (".keys/.", ".keys/..")


def copy_volume(places: Layout) -> VolumeCopy:
    """Copies the volume, even while it is written. Raises ClickException with the reason if that can't be done."""
    try:
        copy = snapshot.take(places.database, monotonic=time.monotonic, sleep=time.sleep)
        image = database.whole(copy)
    except VolumeError as e:
        raise ClickException(str(e)) from e
    found = {DATABASE: image}
    found |= _config(places)
    for directory in places.keys:
        for finding in keys.find(directory).findings:
            if finding.kind == "unreadable":
                raise ClickException(f"{finding.message}; nothing was copied")
        for name, content in keys.contents(directory):
            found[_free_name(name, content, found)] = content
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
    """The first configuration there is; a half-written one is not backed up."""
    for path in places.configs:
        try:
            content = files.content(path, files.MAX_CONFIG)
            guiconfig.parse(content)
        except FileNotFoundError:
            continue
        except OSError as e:
            raise ClickException(f"{path.name} can't be read: {files.why(e, path)}; nothing was copied") from e
        except guiconfig.Unreadable as e:
            raise ClickException(f"{e}; nothing was copied") from e
        return {CONFIG: content}
    return {}


def _free_name(name: str, content: bytes, taken: dict[str, bytes]) -> str:
    """The name in the copy: two directories of a desktop may hold key files of one name, and a name may be unfit."""
    stem = Path(name).name if is_known(name) else "key"
    found, number = name if is_known(name) else f".keys/{stem}", 1
    while taken.get(found, content) != content:
        number += 1
        found = f".keys/{stem[:100]}.{number}"
    return found


_NAME = re.compile(r"antigravity-\d{8}T\d{6}Z(?:-\d+)?\.tar")


def back_up(
    places: Layout, destination: Path, keep: int | None, epoch: float, progress: Callable[[int], object]
) -> tuple[Path, Manifest]:
    """Writes a backup of the volume into ``destination``, reads it back and checks it; gives its path and manifest.

    ``keep``: this many backups stay there, the newest. ``epoch`` in seconds. Raises ClickException.
    """
    outside(places, destination)
    volume = copy_volume(places)
    moment = datetime.fromtimestamp(epoch, UTC)
    try:
        with Directory.opened(destination, make=True) as place:
            name = _free(place, f"antigravity-{moment:%Y%m%dT%H%M%SZ}")
            with place.new(name) as descriptor, os.fdopen(descriptor, "w+b", closefd=False) as file:
                write_archive(file, volume, moment.isoformat(), progress)
                file.flush()
                file.seek(0)
                manifest, _ = read_archive(file.read())
            _remove_oldest(place, keep)
    except OSError as e:
        raise ClickException(f"{destination}: {e.strerror or e}") from e
    return destination / name, manifest


def outside(places: Layout, destination: Path) -> None:
    """Raises ClickException for a destination in the data directory: nothing of ours belongs there."""
    if files.lies_in(destination, places.directory):
        raise ClickException(f"{destination} lies in the data directory: choose a place outside it")


def _free(place: Directory, stem: str) -> str:
    name, number = f"{stem}.tar", 1
    while place.lstat(name) is not None:
        number += 1
        name = f"{stem}-{number}.tar"
    return name


def _remove_oldest(place: Directory, keep: int | None) -> None:
    ours = [name for name in place.names() if _NAME.fullmatch(name)]
    ours.sort(key=lambda name: (name[:28], len(name), name))
    for name in ours[:-keep] if keep else ():
        place.remove(name)


MANIFEST = "manifest.json"
FORMAT = 1
#: bytes of a backup that are read at most: a database, and what is beside it
MAX_ARCHIVE = files.MAX_DATABASE + (64 << 20)
#: files in a backup
_MAX_MEMBERS = 4 * keys.MAX_FILES
#: 64 hex digits and a line feed
_SEAL_SIZE = 65


class Entry(Struct, frozen=True):
    """One file: its size in bytes, its SHA-256 in hex."""

    size: int
    sha256: str


class Manifest(Struct, frozen=True):
    """A backup's manifest. ``created`` in ISO 8601; ``rows`` and how many of them its own keys open."""

    format: int
    created: str
    version: str
    rows: int
    readable: int
    files: dict[str, Entry]


def write_archive(file: BinaryIO, volume: VolumeCopy, created: str, progress: Callable[[int], object]) -> None:
    """Writes a backup; ``progress`` is called with every number of bytes written. Raises OSError."""
    entries = {name: Entry(len(content), digest(content)) for name, content in volume.files.items()}
    manifest = Manifest(FORMAT, created, __version__, volume.rows, volume.readable, entries)
    out = _Sealing(file, progress)
    contents = {MANIFEST: msgspec.json.format(msgspec.json.encode(manifest), indent=2), **volume.files}
    with tarfile.open(fileobj=out, mode="w|") as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o600
            tar.addfile(member, io.BytesIO(content))
    file.write(out.digest.hexdigest().encode() + b"\n")


def read_archive(content: bytes) -> tuple[Manifest, VolumeCopy]:
    """A backup's manifest and files, checked in every respect. Raises ClickException saying what is wrong."""
    body, seal = content[:-_SEAL_SIZE], content[-_SEAL_SIZE:]
    if seal != digest(body).encode() + b"\n":
        raise ClickException("the backup is damaged, or not a backup: its checksum does not match; nothing was changed")
    try:
        found = _members(body)
        manifest = msgspec.json.decode(found.pop(MANIFEST), type=Manifest)
    except ClickException:
        raise
    except Exception as e:  # tarfile raises whatever its parts do: OverflowError, RecursionError, ValueError
        words = " ".join(str(e).split()) or type(e).__name__
        raise ClickException(f"the backup can't be read: {words!a}") from e
    if manifest.format != FORMAT:
        raise ClickException(f"the backup has format {manifest.format}; this version reads format {FORMAT}")
    if {name: Entry(len(content), digest(content)) for name, content in found.items()} != manifest.files:
        raise ClickException("the backup does not hold what its manifest says")
    if DATABASE not in found or not all(map(is_known, found)):
        raise ClickException("the backup contains no database, or files that do not belong to a volume")
    return manifest, counted(found)


def _members(body: bytes) -> dict[str, bytes]:
    """The files of a tar by name: plain ones only, as ``write_archive`` makes them. Raises whatever tarfile does."""
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:") as tar:
        for member in tar:
            if member.type != tarfile.REGTYPE or member.pax_headers or member.issparse():
                raise ClickException(f"the backup holds {member.name!a}, which is not a regular file")
            if member.name in found or len(found) > _MAX_MEMBERS:
                raise ClickException(f"the backup holds {member.name!a} twice, or more files than a volume has")
            file = tar.extractfile(member)
            found[member.name] = b"" if file is None else file.read()
    return found


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class _Sealing(io.RawIOBase):
    """A file to write to that keeps the checksum of everything."""

    def __init__(self, file: BinaryIO, progress: Callable[[int], object]) -> None:
        super().__init__()
        self._file = file
        self._progress = progress
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self.digest.update(piece)
        written = self._file.write(piece)
        self._progress(written)
        return written
