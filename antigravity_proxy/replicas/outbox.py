"""The changes that this process has yet to publish: the latest of each kind, in batches. Pure.

While Redis is away it gathers here, bounded; what was under way when a connection broke is put back.
"""

from __future__ import annotations

from itertools import islice
from typing import Any, TypeVar

from msgspec import Struct

from antigravity_proxy.replicas.cache import Cooling
from antigravity_proxy.replicas.facts import Bar

K = TypeVar("K")
V = TypeVar("V")

#: things of one kind in one batch: under a millisecond of work for Redis and for us
BATCH = 500
#: most sessions that wait: of more, the oldest are not published
MAX_WAITING = 50_000
#: the same for signatures, which are larger
SIGNATURES_BATCH = 100
MAX_SIGNATURES = 500


class Batch(Struct, frozen=True):
    """The changes of one batch.

    Sessions with their accounts; cooldowns; facts to set and to retract, by account and kind; cleared accounts with
    their cooldowns; leases to let go, with what stays in them; signatures by name, sealed: empty where one is
    gone, None where it is used.
    """

    sessions: dict[bytes, str]
    cooling: dict[tuple[str, str], Cooling]
    facts: dict[tuple[str, str], None]
    gone: dict[tuple[str, str], None]
    forgiven: dict[str, list[Cooling]]
    released: dict[bytes, bytes]
    signatures: dict[str, bytes | None]

    def __len__(self) -> int:
        return sum(len(getattr(self, name)) for name in self.__struct_fields__)


class Outbox:
    """Waiting changes. ``urgent``: some are awaited by others, whatever else there is."""

    def __init__(self) -> None:
        self._waiting = Batch({}, {}, {}, {}, {}, {}, {})

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def urgent(self) -> bool:
        """Whether more than sessions is waiting."""
        waiting = self._waiting
        return len(waiting) > len(waiting.sessions)

    def holds(self, account: str, kind: str) -> bool:
        """Whether a fact is waiting to be published."""
        return (account, kind) in self._waiting.facts

    def waiting_sessions(self) -> list[tuple[bytes, str]]:
        """Sessions that were bound and not yet published."""
        return list(self._waiting.sessions.items())

    def bind(self, session: bytes, account: str) -> None:
        """A session was bound."""
        sessions = self._waiting.sessions
        sessions[session] = account
        _bound(sessions, MAX_WAITING, BATCH)

    def cool(self, cooling: Cooling) -> None:
        """An account was set aside."""
        self._waiting.cooling[cooling.account, cooling.model] = cooling

    def tell(self, account: str, kind: str) -> None:
        """A fact is to be published as the cache then has it."""
        self._waiting.gone.pop((account, kind), None)
        self._waiting.facts[account, kind] = None

    def forgive(self, account: str, cooldowns: list[Cooling]) -> None:
        """An account is taken back into use; those were its cooldowns."""
        for cooling in cooldowns:
            self._waiting.cooling.pop((account, cooling.model), None)
        self._waiting.facts.pop((account, Bar.kind), None)
        self._waiting.gone[account, Bar.kind] = None
        self._waiting.forgiven[account] = cooldowns

    def release(self, lease: bytes, mark: bytes = b"") -> None:
        """A lease, by its key in Redis, is to be let go after all else; ``mark`` stays in it for a moment."""
        self._waiting.released[lease] = mark

    def sign(self, name: str, sealed: bytes) -> None:
        """A signature is remembered under this name; empty: no longer."""
        signatures = self._waiting.signatures
        signatures[name] = sealed
        _bound(signatures, MAX_SIGNATURES, SIGNATURES_BATCH)

    def touch(self, name: str) -> None:
        """A signature is used: it is to live on."""
        signatures = self._waiting.signatures
        signatures.setdefault(name, None)
        _bound(signatures, MAX_SIGNATURES, SIGNATURES_BATCH)

    def take(self) -> Batch:
        """The next batch, the oldest first. Leases are let go only with the last of what is waiting."""
        waiting = self._waiting
        batch = Batch(
            _taken(waiting.sessions, BATCH),
            _taken(waiting.cooling, BATCH),
            _taken(waiting.facts, BATCH),
            _taken(waiting.gone, BATCH),
            _taken(waiting.forgiven, BATCH),
            {},
            _taken(waiting.signatures, SIGNATURES_BATCH),
        )
        if not waiting.facts:
            batch.released.update(_taken(waiting.released, BATCH))
        return batch

    def put_back(self, batch: Batch) -> None:
        """It did not get there; newer changes of the same things stay."""
        waiting = self._waiting
        for name in ("sessions", "cooling", "facts", "gone", "forgiven", "signatures"):
            mine, theirs = getattr(waiting, name), getattr(batch, name)
            for key, value in theirs.items():
                mine.setdefault(key, value)
        _bound(waiting.signatures, MAX_SIGNATURES, SIGNATURES_BATCH)


def _bound(waiting: dict[Any, Any], at_most: int, at_once: int) -> None:
    """Forgets the oldest of what is too much."""
    if len(waiting) > at_most:
        for oldest in list(islice(waiting, at_once)):
            del waiting[oldest]


def _taken(waiting: dict[K, V], at_most: int) -> dict[K, V]:
    if len(waiting) <= at_most:
        found: dict[Any, Any] = dict(waiting)
        waiting.clear()
        return found
    found = {key: waiting[key] for key in islice(waiting, at_most)}
    for key in found:
        del waiting[key]
    return found
