"""Finds the master keys of a volume (credential-volume.md 1.5). Reads files, writes nothing, shows no key."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from msgspec import Struct

from antigravity_proxy.volume import files

_HEX = re.compile(rb"\s*([0-9a-fA-F]{64})\s*")
#: a key file is 32 bytes or 64 hex characters, a wrapped one a little more
_MAX_SIZE = 4096

FindingKind = Literal["ignored", "unreadable", "wrapped", "outside"]


class KeyFinding(Struct, frozen=True):
    """A key file that gave no key, and why, in words that an operator can act on. ``file``: relative to the volume."""

    kind: FindingKind
    file: str
    message: str


class Keys(Struct, frozen=True):
    """The candidate keys in the order to try them, without duplicates, and what was found besides."""

    keys: tuple[bytes, ...] = ()
    findings: tuple[KeyFinding, ...] = ()

    def __repr__(self) -> str:
        return f"Keys({len(self.keys)} keys, {self.findings!r})"


def parse(content: bytes) -> bytes | None:
    """The key in a key file's content: 64 hex characters, or 32 raw bytes; None for anything else."""
    if found := _HEX.fullmatch(content):
        return bytes.fromhex(found[1].decode())
    return content if len(content) == 32 else None


def unwrap_linux_v10(content: bytes) -> bytes | None:
    """The key in a file that Chromium's Linux ``v10`` scheme wrapped with its fixed password; None if it is not one."""
    if not content.startswith(b"v10") or (len(content) - 3) % 16 or len(content) == 3:
        return None
    key = PBKDF2HMAC(hashes.SHA1(), 16, b"saltysalt", 1).derive(b"peanuts")  # noqa: S303 - Chromium's choice, not ours
    decryptor = Cipher(algorithms.AES(key), modes.CBC(b" " * 16)).decryptor()
    padded = decryptor.update(content[3:]) + decryptor.finalize()
    padding = padded[-1]
    if not 1 <= padding <= 16 or padded[-padding:] != bytes([padding]) * padding:
        return None
    return parse(padded[:-padding])


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
    """All candidate keys of a volume."""
    keys: list[bytes] = []
    findings: list[KeyFinding] = []
    inside = directory / ".keys"
    if inside.is_dir() and not os.access(inside, os.R_OK | os.X_OK):
        findings.append(_unreadable(inside, ".keys"))
    for path in candidates(directory):
        found = _read(path, directory)
        if isinstance(found, bytes):
            keys.append(found)
        elif found is not None:
            findings.append(found)
    return Keys(tuple(dict.fromkeys(keys)), tuple(findings))


def _read(path: Path, directory: Path) -> bytes | KeyFinding | None:
    """The key in a file, why it gives none, or None where there is no file."""
    name = str(path.relative_to(directory))
    try:
        if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(directory)):
            return KeyFinding("outside", name, f"{name} is a link that leads out of the volume: it is not followed")
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with os.fdopen(files.open_descriptor(path), "rb") as file:
            content = file.read(_MAX_SIZE)
    except FileNotFoundError:
        return None
    except OSError:
        return _unreadable(path, name)
    key = parse(content) or unwrap_linux_v10(content)
    if key is not None:
        return key
    if content.startswith((b"v10", b"v11")):
        return KeyFinding(
            "wrapped",
            name,
            f"{name} is wrapped by the desktop's operating system and can't be opened here: "
            "export the bare key there into .keys/",
        )
    return KeyFinding("ignored", name, f"{name} holds no key: neither 64 hex characters nor 32 bytes")


def _unreadable(path: Path, name: str) -> KeyFinding:
    return KeyFinding("unreadable", name, f"{name} can't be read: {files.whose(path)}")
