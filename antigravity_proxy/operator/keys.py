"""``antigravity-proxy key``: which key opens how much, and the desktop's own keys into key files."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from click import ClickException
from msgspec import Struct

from antigravity_proxy.operator.keychain import Keychain, KeychainError
from antigravity_proxy.secret import Secret, SecretBytes
from antigravity_proxy.volume import database, files, keys, layout, safestorage, snapshot
from antigravity_proxy.volume.accounts import Row
from antigravity_proxy.volume.atomic import Directory
from antigravity_proxy.volume.layout import Layout
from antigravity_proxy.volume.sealed import is_sealed, opens
from antigravity_proxy.volume.snapshot import VolumeError

P = ParamSpec("P")
T = TypeVar("T")
_SERVICE, _ENTRIES = "AntigravityManager", ("MasterKeyV2", "MasterKey")
#: bytes of a key file, or of Chromium's ``Local State``
_MAX_STATE = 16 << 20
_FILES = ("master-key.v2.safe", "master-key.v2.file", ".mk")


class Candidate(Struct, frozen=True):
    """A key and where it was found."""

    source: str
    key: SecretBytes


class Opened(Struct, frozen=True):
    """How many of the sealed rows a key opens."""

    source: str
    rows: int


def check(rows: Iterable[Mapping[str, Any]], candidates: Iterable[Candidate]) -> tuple[int, list[Opened]]:
    """The number of sealed rows, and how many of them each key opens by itself."""
    sealed = [token for row in rows if isinstance(token := row["token_json"], str) and is_sealed(token)]
    return len(sealed), [
        Opened(candidate.source, sum(opens(token, candidate.key) for token in sealed)) for candidate in candidates
    ]


def of_volume(places: Layout, configured: Secret | None) -> tuple[int, list[Opened]]:
    """As ``check``, for a volume and the key of the settings. Raises ClickException if it can't be read."""
    found = [Candidate(file.file, file.key) for file in keys.find_all(places.keys).files]
    own = (
        [Candidate("ANTIGRAVITY_MASTER_KEY", SecretBytes.fromhex(configured.reveal()))]
        if configured is not None
        else []
    )
    return check(_rows(places), own + found)


def that_open(places: Layout, candidates: list[Candidate]) -> list[Candidate]:
    """The keys that open at least one row of the volume; all of them where there is no database yet."""
    if not os.path.lexists(places.database):
        return candidates
    _, opened = check(_rows(places), candidates)
    return [candidate for candidate, each in zip(candidates, opened, strict=True) if each.rows]


def app_directories(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Where the desktop app of this user and machine keeps its key files."""
    return layout.of_desktop(sys.platform, environ, Path.home()).keys


def of_desktop(directories: Iterable[Path], platform: str, keychain: Keychain) -> tuple[list[Candidate], list[str]]:
    """The keys that the desktop app keeps on this machine, without duplicates, and what stood in the way of others.

    ``directories`` may hold its key files; ``platform`` as ``sys.platform``.
    """
    found: list[Candidate] = []
    trouble: list[str] = []
    for account in _ENTRIES:
        text = _asked(trouble, keychain.entry, _SERVICE, account)
        if text is not None and (key := keys.parse(text.encode())) is not None:
            found.append(Candidate(f"keychain entry {account}", key))
    for directory in directories:
        for name in _FILES:
            content = _content(directory / name)
            if content is None:
                continue
            key = keys.key_of(content) or _unwrapped(content, directory, platform, keychain, trouble)
            if key is None:
                trouble.append(f"{name} can't be unwrapped here: was it made by another user or machine?")
            else:
                found.append(Candidate(name, key))
    unique: dict[bytes, Candidate] = {}
    for candidate in found:
        unique.setdefault(candidate.key, candidate)
    return list(unique.values()), list(dict.fromkeys(trouble))


def export(candidates: Iterable[Candidate], directory: Path) -> list[Path]:
    """Writes each key that is not there yet into ``.keys/``, mode 0600; gives the new files. Raises ClickException."""
    known = set(keys.find(directory).keys)
    written: list[Path] = []
    try:
        with Directory.opened(directory, make=True) as place, place.inside(".keys", make=True) as inside:
            heir = place.heir()
            for candidate in candidates:
                if candidate.key not in known:
                    name = _free(inside)
                    inside.write(name, candidate.key.hex().encode() + b"\n", heir)
                    written.append(inside.path / name)
                    known.add(candidate.key)
    except OSError as e:
        raise ClickException(f"{directory / '.keys'} can't be written: {e.strerror or e}") from e
    return written


def _unwrapped(
    content: bytes, directory: Path, platform: str, keychain: Keychain, trouble: list[str]
) -> SecretBytes | None:
    """The key that the operating system wrapped, by whatever that takes."""
    plain = None
    if platform == "win32":
        protected = safestorage.windows_key(_content(directory / "Local State") or b"")
        if protected is not None and (wrapping := _asked(trouble, keychain.unprotect, protected)) is not None:
            plain = safestorage.unwrap_gcm(content, wrapping)
    elif (password := _asked(trouble, keychain.storage_password)) is not None:
        rounds = safestorage.MACOS_ROUNDS if platform == "darwin" else safestorage.LINUX_ROUNDS
        plain = safestorage.unwrap_cbc(content, password, rounds)
    return None if plain is None else keys.parse(plain)


def _asked(trouble: list[str], question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """The safe's answer; if it refuses, None, and its words join ``trouble``."""
    try:
        return question(*args, **kwargs)
    except KeychainError as e:
        trouble.append(str(e))
        return None


def _content(path: Path) -> bytes | None:
    try:
        return files.content(path, _MAX_STATE)
    except OSError:
        return None


def _free(inside: Directory) -> str:
    name, number = "master.key", 1
    while inside.lstat(name) is not None:
        number += 1
        name = f"master-{number}.key"
    return name


def _rows(places: Layout) -> list[Row]:
    try:
        return database.rows(snapshot.take(places.database, monotonic=time.monotonic, sleep=time.sleep))
    except VolumeError as e:
        raise ClickException(str(e)) from e
