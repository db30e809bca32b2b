"""``antigravity-proxy restore``: a backup back into the data directory, whole or not at all.

Everything is first written to a directory inside, which then gets its final name: that step decides. Moving the files
to their places can be interrupted and taken up again any number of times.

The data directory may belong to somebody else than who restores, so nothing in it is believed: a decided restore counts
only if it is a directory of this user's own, closed to all others, and contains what its manifest says.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from click import ClickException

from antigravity_proxy.operator.backup import DATABASE, MAX_ARCHIVE, Manifest, is_known, read_archive
from antigravity_proxy.volume import files, wal
from antigravity_proxy.volume.atomic import Directory

#: a restore that was decided, in the data directory; its content is in its manifest: SHA-256 in hex by name
DECIDED, MANIFEST = ".restore", "manifest.json"
_KEYS = ".keys"
#: bytes of the manifest of a decided restore
_MAX_MANIFEST = 1 << 20


def restore(directory: Path, backup: Path, *, force: bool, read_only: bool) -> Manifest:
    """Puts the backup's files into the data directory. Raises ClickException, with the volume as it was.

    ``force``: also over another volume, or one that the desktop app seems to be using. Made by root the files belong
    to the directory's owner.
    """
    _may_write(directory, read_only)
    if is_interrupted(directory):
        raise ClickException("an earlier restore was interrupted: finish it first with --resume")
    try:
        content = files.content(backup, MAX_ARCHIVE)
    except OSError as e:
        raise ClickException(f"{backup}: {files.why(e, backup)}") from e
    manifest, volume = read_archive(content)
    del content
    if not force:
        _refuse_to_overwrite(directory)
    try:
        with Directory.opened(directory, make=True) as place:
            _decide(place, volume.files)
    except OSError as e:
        raise ClickException(f"{directory}: {e.strerror or e}; nothing was changed") from e
    resume(directory, read_only=read_only)
    return manifest


def resume(directory: Path, *, read_only: bool) -> None:
    """Moves the files of a decided restore to their places: keys and configuration first, the database last.

    Raises ClickException for anything that ``restore`` would not have left there.
    """
    _may_write(directory, read_only)
    if not is_interrupted(directory):
        raise ClickException("no restore was interrupted here")
    try:
        with Directory.opened(directory) as place:
            with _our_own(place) as decided:
                waiting = _checked(decided)
                for name in sorted(waiting, key=lambda name: name == DATABASE):
                    _move(decided, place, name)
                with suppress(FileNotFoundError):
                    decided.remove_directory(_KEYS)
                with suppress(FileNotFoundError):
                    decided.remove(MANIFEST)
            place.remove_directory(DECIDED)
            place.sync()
    except OSError as e:
        raise ClickException(f"{directory}: {e.strerror or e}; finish with 'restore --resume'") from e


def is_interrupted(directory: Path) -> bool:
    """Whether a restore was decided there and not finished; not where that can't be found out. Raises nothing."""
    return os.path.lexists(directory / DECIDED)


def _decide(place: Directory, contents: dict[str, bytes]) -> None:
    """Writes everything into a directory of its own, and gives that its final name. Raises OSError."""
    name, heir = f".restore-{secrets.token_hex(8)}.part", place.heir()
    place.make(name)
    try:
        with place.inside(name) as staging:
            for each, content in contents.items():
                with staging.parent_of(each, make=True) as (where, last):
                    where.write(last, content, heir)
            digests = {each: hashlib.sha256(content).hexdigest() for each, content in contents.items()}
            staging.write(MANIFEST, msgspec.json.encode(digests))
        place.move(name, place, DECIDED)
    except BaseException:
        with suppress(OSError):
            place.remove_tree(name)
        raise
    place.sync()


@contextmanager
def _our_own(place: Directory) -> Iterator[Directory]:
    """The decided restore, if it is this user's and was never open to others. Raises ClickException, OSError."""
    with place.inside(DECIDED) as decided:
        found = decided.stat()
        if hasattr(os, "geteuid") and (found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077):
            raise ClickException(
                f"{decided.path} can't be trusted: {files.whose(decided.path)}. The user who began that "
                "restore must finish "
                "it, or remove it and restore again"
            )
        yield decided


def _checked(decided: Directory) -> list[str]:
    """The files that still wait for their places, each as the manifest says. Raises ClickException, OSError."""
    found = set(_files_in(decided))
    if not found:
        return []
    try:
        digests = msgspec.json.decode(decided.read(MANIFEST, _MAX_MANIFEST), type=dict[str, str])
    except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _not_ours(decided, "it has no manifest") from None
    found.discard(MANIFEST)
    for name in sorted(found):
        if not is_known(name) or name not in digests:
            raise _not_ours(decided, f"it holds {name!r}, which its manifest doesn't name")
        with decided.parent_of(name) as (where, last):
            if hashlib.sha256(where.read(last, files.MAX_DATABASE)).hexdigest() != digests[name]:
                raise _not_ours(decided, f"{name} is not what its manifest says")
    return sorted(found)


def _files_in(decided: Directory) -> Iterator[str]:
    for name in decided.names():
        if name == _KEYS:
            with decided.inside(name) as keys:
                yield from (f"{_KEYS}/{each}" for each in keys.names())
        else:
            yield name


def _not_ours(decided: Directory, why: str) -> ClickException:
    return ClickException(f"{decided.path} was not left by a restore: {why}. Remove it, and restore again")


def _move(decided: Directory, place: Directory, name: str) -> None:
    with decided.parent_of(name) as (source, last), place.parent_of(name, make=True) as (target, _):
        if name == DATABASE:
            target.remove_leftovers(last)
        source.move(last, target, last)
        target.sync()


def _may_write(directory: Path, read_only: bool) -> None:
    if read_only:
        raise ClickException(
            f"READONLY_MODE is true: {directory} is not to be written (for a drill elsewhere: READONLY_MODE=false, "
            "with --data-dir)"
        )


def _refuse_to_overwrite(directory: Path) -> None:
    """Raises ClickException for a database that is there, or whose app is."""
    database = Path(os.path.realpath(directory / DATABASE))
    if wal.looks_like_log(_head(database.with_name(database.name + "-wal"))):
        raise ClickException(f"the desktop app seems to be using {directory}: close it first, or use --force")
    if os.path.lexists(directory / DATABASE):
        raise ClickException(f"{directory} holds accounts already: use --force to replace them")


def _head(log: Path) -> bytes:
    try:
        descriptor = files.open_descriptor(log)
    except OSError:
        return b""
    with os.fdopen(descriptor, "rb") as file:
        return file.read(wal.HEADER_SIZE)
