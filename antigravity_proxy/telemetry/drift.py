"""Unknown values that upstream sends: counted by kind and name, with when. Pure; its memory is bounded.

Every rename of Google's shows here first (upstream.md 6.4). Names are upstream's own, so only plain ones are kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from msgspec import Struct

Kind = Literal["model", "reason", "finish reason", "part", "field", "tier"]

#: names that are remembered of each kind; further ones are counted together
MOST = 32
#: the name of those
OTHERS = "(others)"
_PLAIN = re.compile(r"[\w./:-]{1,64}", re.ASCII)


class Seen(Struct):
    """Something unknown: how often it came, and when first and last (epoch seconds)."""

    kind: Kind
    name: str
    first: float
    last: float
    count: int = 0


class Drift:
    """Counts. ``epoch`` is the wall clock in seconds."""

    def __init__(self, epoch: Callable[[], float]) -> None:
        self._epoch = epoch
        self._seen: dict[tuple[Kind, str], Seen] = {}

    def saw(self, kind: Kind, name: str) -> None:
        """Upstream sent this, which no table knows."""
        key: tuple[Kind, str] = (kind, name if _PLAIN.fullmatch(name) else OTHERS)
        if key not in self._seen and sum(known == kind for known, _ in self._seen) >= MOST:
            key = (kind, OTHERS)
        now = self._epoch()
        found = self._seen.get(key)
        if found is None:
            found = self._seen[key] = Seen(*key, first=now, last=now)
        found.count += 1
        found.last = now

    def all(self) -> tuple[Seen, ...]:
        """Everything, the newest first."""
        return tuple(sorted(self._seen.values(), key=lambda each: -each.last))
