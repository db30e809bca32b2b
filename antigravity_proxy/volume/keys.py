"""Finds the master keys of a volume (credential-volume.md 1.5). Reads files, writes nothing, shows no key."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Literal

from msgspec import Struct

from antigravity_proxy.secret import SecretBytes
from antigravity_proxy.volume import files, safestorage

_HEX = re.compile(rb"\s*([0-9a-fA-F]{64})\s*")
#: a key file is 32 bytes or 64 hex characters, a wrapped one a little more
MAX_SIZE = 4096

#: files of ``.keys/`` that are tried
MAX_FILES = 200
_INSIDE = ".keys"

FindingKind = Literal["ignored", "unreadable", "wrapped", "outside", "directory"]


class KeyFile(Struct, frozen=True):
    """A file with a key. ``file``: relative to the volume."""

    file: str
    key: SecretBytes


class KeyFinding(Struct, frozen=True):
    """A key file that gave no key, and why, in words that an operator can act on. ``file``: relative to the volume."""

    kind: FindingKind
    file: str
    message: str


class Keys(Struct, frozen=True):
    """The files that hold keys, in the order to try them, and what was found besides."""

    files: tuple[KeyFile, ...] = ()
    findings: tuple[KeyFinding, ...] = ()

    @property
    def keys(self) -> tuple[SecretBytes, ...]:
        """The keys, without duplicates."""
        return tuple(dict.fromkeys(found.key for found in self.files))


def parse(content: bytes) -> SecretBytes | None:
    """The key in a key file's content: 64 hex characters, or 32 raw bytes; None for anything else."""
    if found := _HEX.fullmatch(content):
        return SecretBytes.fromhex(found[1].decode())
    return SecretBytes(content) if len(content) == 32 else None


def key_of(content: bytes) -> SecretBytes | None:
    """The key in a key file's content, bare or wrapped with the fixed password of Linux; None if there is none."""
    return parse(content) or unwrap_linux_v10(content)


def unwrap_linux_v10(content: bytes) -> SecretBytes | None:
    """The key in a file that a Linux desktop without a keyring wrapped; None if it is not one."""
    if not content.startswith(b"v10"):
        return None
    plain = safestorage.unwrap_cbc(content, safestorage.LINUX_PASSWORD, safestorage.LINUX_ROUNDS)
    return None if plain is None else parse(plain)


def candidates(directory: Path) -> list[Path]:
    """The files that may hold a key, there or not, in the order to try them: ``.keys/`` by name, then the app's own."""
    return _paths(directory, _listed(directory)[0])


def find(directory: Path) -> Keys:
    """All candidate keys in one directory and its ``.keys/``. Raises nothing: what is wrong is among the findings."""
    keys: list[KeyFile] = []
    names, finding = _listed(directory)
    findings = [] if finding is None else [finding]
    for path in _paths(directory, names):
        found = _read(path, directory)
        if isinstance(found, KeyFile):
            keys.append(found)
        elif found is not None:
            findings.append(found)
    return Keys(tuple(keys), tuple(findings))


def contents(directory: Path) -> Iterator[tuple[str, bytes]]:
    """The files that hold a key, or a wrapped one, by name relative to the directory: what a backup needs of them."""
    for path in candidates(directory):
        found = _content(path, directory)
        if isinstance(found, bytes) and len(found) < MAX_SIZE:
            yield _name(path, directory), found


def _paths(directory: Path, names: Iterable[str]) -> list[Path]:
    own = ("master-key.v2.file", ".mk", "master-key.v2.safe")
    return [*(directory / _INSIDE / name for name in names), *(directory / name for name in own)]


def _listed(directory: Path) -> tuple[list[str], KeyFinding | None]:
    """The names in ``.keys/``, sorted, and what is wrong with it; up to MAX_FILES of them."""
    inside = directory / _INSIDE
    try:
        with os.scandir(inside) as entries:
            names = sorted(entry.name for entry in islice(entries, MAX_FILES + 1))
        if not os.access(inside, os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except FileNotFoundError:
        if not os.path.islink(inside):
            return [], None
        return [], KeyFinding("unreadable", _INSIDE, f"{_INSIDE} is a link to something that is not there")
    except NotADirectoryError:
        if not os.path.lexists(inside):  # it is the data directory that is missing
            return [], None
        words = f"{_INSIDE} is a file, and no key is looked for in it: make it a directory with the key file inside"
        return [], KeyFinding("unreadable", _INSIDE, words)
    except OSError as e:
        return [], _unreadable(inside, _INSIDE, e)
    if len(names) > MAX_FILES:
        words = f"{_INSIDE} holds more than {MAX_FILES} files: only the first are tried"
        return names[:MAX_FILES], KeyFinding("ignored", _INSIDE, words)
    return names, None


def find_all(directories: Iterable[Path]) -> Keys:
    """All candidate keys of a volume whose files are in several directories."""
    found = [find(directory) for directory in directories]
    return Keys(
        tuple(file for each in found for file in each.files),
        tuple(finding for each in found for finding in each.findings),
    )


def _content(path: Path, directory: Path) -> bytes | KeyFinding | None:
    """A file's beginning, MAX_SIZE bytes; None where there is none, or nothing to report."""
    name = _name(path, directory)
    target = Path(os.path.realpath(path))
    if not target.is_relative_to(os.path.realpath(directory)):
        return KeyFinding("outside", name, f"{name} is a link that leads out of the volume: it is not followed")
    try:
        found = os.stat(target)
        if stat.S_ISDIR(found.st_mode) and not path.name.startswith(".."):  # Kubernetes keeps its own so
            return KeyFinding("directory", name, f"{name} is a directory, not a file with a key: was it mounted so?")
        if not stat.S_ISREG(found.st_mode):
            return None
        with os.fdopen(files.open_descriptor(target, follow=False), "rb") as file:
            return file.read(MAX_SIZE)
    except FileNotFoundError:
        return None
    except OSError as e:
        return _unreadable(path, name, e)


def _read(path: Path, directory: Path) -> KeyFile | KeyFinding | None:
    """The key in a file, why it gives none, or None where there is no file."""
    content, name = _content(path, directory), _name(path, directory)
    if not isinstance(content, bytes):
        return content
    key = key_of(content)
    if key is not None:
        return KeyFile(name, key)
    if content.startswith(safestorage.PREFIXES):
        return KeyFinding(
            "wrapped",
            name,
            f"{name} is wrapped by the desktop's operating system and can't be opened here: "
            "run 'antigravity-proxy key export' there, which puts the bare key into .keys/",
        )
    return KeyFinding("ignored", name, f"{name} holds no key: neither 64 hex characters nor 32 bytes")


def _name(path: Path, directory: Path) -> str:
    return path.relative_to(directory).as_posix()


def _unreadable(path: Path, name: str, error: OSError) -> KeyFinding:
    return KeyFinding("unreadable", name, f"{name} can't be read: {files.why(error, path)}")
