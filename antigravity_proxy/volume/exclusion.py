"""Keeps this process's plain reads of the database apart from SQLite's locks on it.

POSIX record locks belong to the process, not to a descriptor: closing any descriptor of a file drops every lock
that the process holds on it, SQLite's too (fcntl(2); sqlite.org/howtocorrupt.html, 2.2). A snapshot that is taken while
our own writer has the database open would let another program take that for unused, delete its log, and so lose what
our writer commits. So only one of the two is at work at a time, in the whole process.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

from antigravity_proxy.volume.threads import HANGS

_LOCK = RLock()


@contextmanager
def reading() -> Iterator[None]:
    """While the database's files are open for plain reads; waits until no writer of ours has them open."""
    with _LOCK:
        yield


@contextmanager
def writing(patience: float) -> Iterator[None]:
    """While SQLite has the database open; raises TimeoutError if a read doesn't end within ``patience`` seconds."""
    if not _LOCK.acquire(timeout=patience):
        raise TimeoutError(HANGS)
    try:
        yield
    finally:
        _LOCK.release()
