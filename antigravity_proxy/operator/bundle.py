"""A backup file: a tar of the volume's files after a manifest, and the SHA-256 of all that in its last line.

Any tar program unpacks it; the last line makes every flipped byte show, the manifest's own included.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable
from typing import Any, BinaryIO

import msgspec
from click import ClickException
from msgspec import Struct

from antigravity_proxy import __version__
from antigravity_proxy.operator import copy
from antigravity_proxy.operator.copy import VolumeCopy

MANIFEST = "manifest.json"
FORMAT = 1
#: 64 hex digits and a line feed
_SEAL_SIZE = 65


class Entry(Struct, frozen=True):
    """One file: its size in bytes, its SHA-256 in hex."""

    size: int
    sha256: str


class Manifest(Struct, frozen=True):
    """What a backup says of itself. ``created`` in ISO 8601; ``rows`` and how many of them its own keys open."""

    format: int
    created: str
    version: str
    rows: int
    readable: int
    files: dict[str, Entry]


def write(file: BinaryIO, volume: VolumeCopy, created: str, progress: Callable[[int], object]) -> None:
    """Writes a backup; ``progress`` is told every number of bytes written. Raises OSError."""
    entries = {name: Entry(len(content), _digest(content)) for name, content in volume.files.items()}
    manifest = Manifest(FORMAT, created, __version__, volume.rows, volume.readable, entries)
    out = _Sealing(file, progress)
    contents = {MANIFEST: msgspec.json.format(msgspec.json.encode(manifest), indent=2), **volume.files}
    with tarfile.open(fileobj=out, mode="w|") as tar:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o600
            tar.addfile(member, io.BytesIO(content))
    file.write(out.digest.hexdigest().encode() + b"\n")


def read(content: bytes) -> tuple[Manifest, VolumeCopy]:
    """A backup's manifest and files, checked in every respect. Raises ClickException saying what is wrong."""
    body, seal = content[:-_SEAL_SIZE], content[-_SEAL_SIZE:]
    if seal != _digest(body).encode() + b"\n":
        raise ClickException("the backup is damaged or no backup: its checksum does not fit; nothing was changed")
    try:
        with tarfile.open(fileobj=io.BytesIO(body), mode="r:") as tar:
            found = {member.name: _content(tar, member) for member in tar}
        manifest = msgspec.json.decode(found.pop(MANIFEST), type=Manifest)
    except (tarfile.TarError, msgspec.MsgspecError, KeyError) as e:
        raise ClickException(f"the backup can't be read: {e}") from e
    if manifest.format != FORMAT:
        raise ClickException(f"the backup has format {manifest.format}; this version reads format {FORMAT}")
    if {name: Entry(len(content), _digest(content)) for name, content in found.items()} != manifest.files:
        raise ClickException("the backup does not hold what its manifest says")
    if copy.DATABASE not in found or not all(map(copy.is_known, found)):
        raise ClickException("the backup holds no database, or files that belong to no volume")
    return manifest, copy.counted(found)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    if file is None:
        raise ClickException(f"the backup holds {member.name!r}, which is no regular file")
    return file.read()


def _digest(content: bytes) -> str:
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
