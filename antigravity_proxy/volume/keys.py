"""Finds the master keys of a volume (credential-volume.md 1.5). Reads files, writes nothing, shows no key."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from msgspec import Struct

from antigravity_proxy.secret import SecretBytes
from antigravity_proxy.volume import files, safestorage

_HEX = re.compile(rb"\s*([0-9a-fA-F]{64})\s*")
#: a key file is 32 bytes or 64 hex characters, a wrapped one a little more
MAX_SIZE = 4096

FindingKind = Literal["ignored", "unreadable", "wrapped", "outside"]


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
    inside = directory / ".keys"
    try:
        names = sorted(os.listdir(inside))
    except OSError:
        names = []
    own = ("master-key.v2.file", ".mk", "master-key.v2.safe")
    return [*(inside / name for name in names), *(directory / name for name in own)]


def find(directory: Path) -> Keys:
    """All candidate keys in one directory and its ``.keys/``."""
    keys: list[KeyFile] = []
    findings: list[KeyFinding] = []
    inside = directory / ".keys"
    if inside.is_dir() and not os.access(inside, os.R_OK | os.X_OK):
        findings.append(_unreadable(inside, ".keys"))
    for path in candidates(directory):
        found = _read(path, directory)
        if isinstance(found, KeyFile):
            keys.append(found)
        elif found is not None:
            findings.append(found)
    return Keys(tuple(keys), tuple(findings))


def find_all(directories: Iterable[Path]) -> Keys:
    """All candidate keys of a volume whose files are in several directories."""
    found = [find(directory) for directory in directories]
    return Keys(
        tuple(file for each in found for file in each.files),
        tuple(finding for each in found for finding in each.findings),
    )


def _read(path: Path, directory: Path) -> KeyFile | KeyFinding | None:
    """The key in a file, why it gives none, or None where there is no file."""
    name = str(path.relative_to(directory))
    try:
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(directory)):
            return KeyFinding("outside", name, f"{name} is a link that leads out of the volume: it is not followed")
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with os.fdopen(files.open_descriptor(path), "rb") as file:
            content = file.read(MAX_SIZE)
    except FileNotFoundError:
        return None
    except OSError:
        return _unreadable(path, name)
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


def _unreadable(path: Path, name: str) -> KeyFinding:
    return KeyFinding("unreadable", name, f"{name} can't be read: {files.whose(path)}")
