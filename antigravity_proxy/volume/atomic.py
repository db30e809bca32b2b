"""Puts files into place so that no reader ever sees half of one, and no link leads them elsewhere.

The directory may belong to somebody else than who writes: root restores a volume of the daemon's user. So everything is
done by the directory's descriptor, where the system offers that, and what belongs to whom is decided before a file gets
its name. Works on Windows too, by path.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from antigravity_proxy.volume import files

#: what SQLite keeps beside a database: none of it fits another one
LEFTOVERS = ("-wal", "-shm", "-journal")

#: who a file is to belong to: user and group
Owner = tuple[int, int]

_HAS_DESCRIPTORS = os.open in os.supports_dir_fd and hasattr(os, "O_DIRECTORY")
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | _NO_LINK | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_READ = os.O_RDONLY | _NO_LINK | sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_BINARY", "O_NONBLOCK"))


class Directory:
    """An open directory. Names are single names in it; no link is followed, and all methods raise OSError."""

    def __init__(self, path: Path, descriptor: int | None) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    @contextmanager
    def opened(cls, path: Path, *, make: bool = False) -> Iterator[Directory]:
        """The directory at a path that the operator chose; it may lead through links. ``make``: it need not exist."""
        if make:
            make_directory(path)
        if not _HAS_DESCRIPTORS:
            yield cls(path, None)
            return
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield cls(path, descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def inside(self, name: str, *, make: bool = False) -> Iterator[Directory]:
        """A directory in this one, itself no link. ``make``: with mode 0700, and this one's owner, if it is missing."""
        made = False
        if make:
            with suppress(FileExistsError):
                self.make(name)
                made = True
        found = self.lstat(name)
        if found is not None and not stat.S_ISDIR(found.st_mode):
            what = "a link: it is not followed" if stat.S_ISLNK(found.st_mode) else "no directory"
            raise OSError(errno.ENOTDIR, f"{name} is {what}", name)
        if self._descriptor is None:
            yield Directory(self.path / name, None)
            return
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | _NO_LINK
        descriptor = os.open(name, flags, dir_fd=self._descriptor)
        try:
            heir = self.heir() if made else None
            if heir is not None and os.fstat(descriptor).st_uid == os.geteuid() and not os.listdir(descriptor):
                os.fchown(descriptor, *heir)
            yield Directory(self.path / name, descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def parent_of(self, name: str, *, make: bool = False) -> Iterator[tuple[Directory, str]]:
        """Where a relative name of one or two parts leads: a directory and the last part."""
        place, slash, last = name.rpartition("/")
        if not slash:
            yield self, name
            return
        with self.inside(place, make=make) as directory:
            yield directory, last

    def stat(self) -> os.stat_result:
        """The directory's own state."""
        return os.stat(self.path if self._descriptor is None else self._descriptor)

    def heir(self) -> Owner | None:
        """The owner for files that root makes in here: the directory's owner. None: their maker."""
        if not hasattr(os, "geteuid") or os.geteuid() != 0:
            return None
        found = self.stat()
        return found.st_uid, found.st_gid

    def names(self) -> list[str]:
        """The directory's entries, sorted."""
        return sorted(os.listdir(self.path if self._descriptor is None else self._descriptor))

    def lstat(self, name: str) -> os.stat_result | None:
        """The state of a name, of a link itself; None if there is none."""
        try:
            return os.stat(self._at(name), dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def read(self, name: str, limit: int) -> bytes:
        """The content of a regular file of up to ``limit`` bytes."""
        descriptor = os.open(self._at(name), _READ, dir_fd=self._descriptor)
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, f"{name} is not a regular file", name)
            return files.read_up_to(file, limit, found.st_size)

    @contextmanager
    def new(self, name: str, owner: Owner | None = None) -> Iterator[int]:
        """A descriptor to write a file with, mode 0600, replaced in one step and on the disk when this ends.

        ``owner``: its owner afterwards. A failure leaves nothing behind.
        """
        part = f".{name[:100]}.{secrets.token_hex(8)}.part"
        descriptor = os.open(self._at(part), _NEW, 0o600, dir_fd=self._descriptor)
        try:
            try:
                if owner is not None:
                    os.fchown(descriptor, *owner)
                yield descriptor
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self.move(part, self, name)
        except BaseException:
            with suppress(OSError):
                self.remove(part)
            raise
        self.sync()

    def write(self, name: str, content: bytes, owner: Owner | None = None) -> None:
        """The file with that content, as ``new``."""
        with self.new(name, owner) as descriptor, os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(content)

    def make(self, name: str) -> None:
        """Makes a directory, mode 0700."""
        os.mkdir(self._at(name), 0o700, dir_fd=self._descriptor)

    def move(self, name: str, to: Directory, new_name: str) -> None:
        """Gives what has that name another one, in place of whatever had that."""
        os.replace(self._at(name), to._at(new_name), src_dir_fd=self._descriptor, dst_dir_fd=to._descriptor)

    def remove(self, name: str) -> None:
        """Removes a file or a link."""
        os.unlink(self._at(name), dir_fd=self._descriptor)

    def remove_directory(self, name: str) -> None:
        """Removes an empty directory."""
        os.rmdir(self._at(name), dir_fd=self._descriptor)

    def remove_tree(self, name: str) -> None:
        """Removes a directory with the files in it and in directories of its own."""
        with self.inside(name) as directory:
            for each in directory.names():
                found = directory.lstat(each)
                if found is not None and stat.S_ISDIR(found.st_mode):
                    directory.remove_tree(each)
                else:
                    directory.remove(each)
        self.remove_directory(name)

    def remove_leftovers(self, database: str) -> None:
        """Removes what an earlier database of that name left beside its place."""
        for suffix in LEFTOVERS:
            with suppress(FileNotFoundError):
                self.remove(database + suffix)

    def lock(self) -> None:
        """Waits for the directory's lock, and holds it until this is closed; not on Windows."""
        if self._descriptor is not None and sys.platform != "win32":
            import fcntl

            fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def sync(self) -> None:
        """Makes the directory's entries last through a power cut."""
        if self._descriptor is not None:
            os.fsync(self._descriptor)

    def _at(self, name: str) -> str:
        return name if self._descriptor is not None else str(self.path / name)


def make_directory(path: Path) -> None:
    """Makes a directory, and each one above it that is missing, for this user alone. Raises OSError."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
    except FileNotFoundError:
        if path.parent == path:
            raise
        make_directory(path.parent)
        with suppress(FileExistsError):
            os.mkdir(path, 0o700)


def write(path: Path, content: bytes) -> None:
    """The file with that content, mode 0600, replaced in one step and on the disk when this returns. Raises OSError."""
    with Directory.opened(path.parent, make=True) as directory:
        directory.write(path.name, content)
