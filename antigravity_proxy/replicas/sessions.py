"""Which account each conversation of all replicas is bound to. Pure.

A binding counts for an hour to an hour and a half since its last use. Instead of a time for each, there are generations
of half an hour: one that is used moves to the newest, which the others then get; the oldest is dropped whole. So
thousands of bindings that others made are taken in at once, and forgotten at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

#: seconds of a generation
GENERATION = 1800.0
#: generations that count; the seconds after which the oldest ends are the lifetime of the keys in Redis
KEPT = 3
#: bindings in all, some 25 MB of them
MAX_SESSIONS = 150_000


class Sessions:
    """Bindings, sessions by their name in Redis, accounts by theirs. ``now`` is in monotonic seconds."""

    __slots__ = ("_generations", "_max", "_own", "_turn")

    def __init__(self, at_most: int = MAX_SESSIONS) -> None:
        self._max = at_most // KEPT
        self._generations: list[dict[bytes, str]] = [{} for _ in range(KEPT)]  # the newest first
        self._own: list[set[bytes]] = [set() for _ in range(KEPT)]
        self._turn: float | None = None

    def __len__(self) -> int:
        return sum(map(len, self._generations))

    def find(self, session: bytes, now: float) -> tuple[str, bool] | None:
        """The account, and whether that is fresh: one that is not has to be bound again, to live on."""
        self._advance(now)
        for age, generation in enumerate(self._generations):
            account = generation.get(session)
            if account is not None:
                return account, age == 0
        return None

    def bind(self, session: bytes, account: str, now: float) -> None:
        """This process binds it."""
        self._advance(now)
        self._generations[0][session] = account
        self._own[0].add(session)

    def merge(self, sessions: Iterable[bytes], accounts: Iterable[str], now: float, age: int = 0) -> None:
        """Others have bound them, ``age`` generations ago."""
        self._advance(now)
        if age < KEPT:
            self._generations[age].update(zip(sessions, accounts, strict=False))

    def own(self) -> Iterator[tuple[bytes, str]]:
        """The sessions that this process has bound, the newest first, to restore a store that has lost its data."""
        for own in self._own:
            for session in own:
                yield session, next(known[session] for known in self._generations if session in known)

    def _advance(self, now: float) -> None:
        if self._turn is None:
            self._turn = now
        if now - self._turn >= GENERATION * KEPT:
            self._generations = [{} for _ in range(KEPT)]
            self._own = [set() for _ in range(KEPT)]
            self._turn = now
        while now - self._turn >= GENERATION:
            self._begin(self._turn + GENERATION)
        if len(self._generations[0]) >= self._max:
            self._begin(now)

    def _begin(self, turn: float) -> None:
        """A new generation."""
        self._turn = turn
        self._generations.insert(0, {})
        self._own.insert(0, set())
        del self._generations[KEPT:], self._own[KEPT:]
