"""A store of thought signatures, by digests (translation.md 2.6). Bounded; nothing of a prompt is kept.

Nothing can be read out of the store but signatures, which are opaque. Replicas share them: what is not here was perhaps
made elsewhere, and is asked for before a request goes on.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime

#: the longest unused go first
MAX_ENTRIES = 10_000
MAX_BYTES = 32 << 20
MAX_LENGTH = 64 << 10
#: seconds that an unused one is kept
KEPT_FOR = 3600.0
#: seconds for which a signature is not looked up again that other replicas don't have either
ABSENT_FOR = 60.0
#: seconds between two messages to other replicas that one is in use
TOUCHED_EACH = 60.0


class Shared(Protocol):
    """The store in which all replicas find signatures, by the same digests.

    Functions that are not async return at once.
    """

    def remember(self, digest: bytes, signature: str) -> None:
        """All are to find it from now on."""
        ...

    def touch(self, digest: bytes) -> None:
        """It is used: its lifetime starts again."""
        ...

    def forget(self, digest: bytes) -> None:
        """Nobody is to find it any more."""
        ...

    async def find(self, digests: Sequence[bytes]) -> Mapping[bytes, str]:
        """The known ones of these, empty where there is none; soon, and without those that are not known by then."""
        ...


class _Entry(Struct, gc=False):
    signature: str  # empty: others have none either
    until: float
    touched: float  # when others heard of it


class Signatures:
    """All signatures that are remembered, by digests. ``shared`` gives where others are to find them."""

    def __init__(
        self,
        clock: IReactorTime,
        shared: Callable[[], Shared] | None = None,
        entries: int = MAX_ENTRIES,
        size: int = MAX_BYTES,
        seconds: float = KEPT_FOR,
    ) -> None:
        self._clock = clock
        self._shared = shared
        self._max_entries = entries
        self._max_size = size
        self._seconds = seconds
        self._size = 0  # characters of all
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()  # the longest unused first

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._entries)

    def put(self, key: bytes, signature: str) -> None:
        """Remembers a signature, unless it is too long."""
        if not 0 < len(signature) <= MAX_LENGTH:
            return
        now = self._clock.seconds()
        self._hold(key, _Entry(signature, now + self._seconds, now), now)
        if self._shared is not None:
            self._shared().remember(key, signature)

    def get(self, key: bytes) -> str:
        """The signature, whose lifetime is extended; empty if there is none."""
        entry = self._entries.get(key)
        now = self._clock.seconds()
        if entry is None or entry.until <= now or not entry.signature:
            return ""
        entry.until = now + self._seconds
        self._entries.move_to_end(key)
        if self._shared is not None and now - entry.touched >= TOUCHED_EACH:
            entry.touched = now
            self._shared().touch(key)
        return entry.signature

    def forget(self, key: bytes) -> None:
        """Remembers this one no longer, here or elsewhere."""
        self._drop(key)
        if self._shared is not None:
            self._shared().forget(key)

    @property
    def is_shared(self) -> bool:
        """Whether others may know what is not here."""
        return self._shared is not None

    def lacks(self, key: bytes) -> bool:
        """Whether it is not here, and others may know it."""
        entry = self._entries.get(key)
        return self.is_shared and (entry is None or entry.until <= self._clock.seconds())

    async def fetch(self, keys: Sequence[bytes]) -> None:
        """Takes from others what they know of these; takes a moment at most."""
        found = {} if self._shared is None else await self._shared().find(keys)
        now = self._clock.seconds()
        for key, signature in found.items():
            if self.lacks(key):  # still: an answer may have brought it meanwhile
                life = self._seconds if signature else ABSENT_FOR
                self._hold(key, _Entry(signature, now + life, now - TOUCHED_EACH), now)

    def _hold(self, key: bytes, entry: _Entry, now: float) -> None:
        self._drop(key)
        self._entries[key] = entry
        self._size += len(entry.signature)
        while self._entries and (self._is_full() or next(iter(self._entries.values())).until <= now):
            _, oldest = self._entries.popitem(last=False)
            self._size -= len(oldest.signature)

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size -= len(entry.signature)

    def _is_full(self) -> bool:
        return len(self._entries) > self._max_entries or self._size > self._max_size
