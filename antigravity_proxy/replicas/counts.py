"""What replicas have counted of clients' keys, which have limits for all of them together.

Each replica has a field of its own for each key, with all that it has counted itself: it may write that as often as it
likes, and nothing is doubled. Who is about to admit a request puts a claim on a list and reads all, in one question.
The list has one order for everybody, so that all agree on who of several that ask at once gets the last place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from twisted.internet.defer import Deferred

from antigravity_proxy.replicas.connection import Lost
from antigravity_proxy.replicas.link import SLOW, Link
from antigravity_proxy.replicas.vault import Vault
from antigravity_proxy.replicas.wire import CLAIMS_SECONDS, COUNTS_SECONDS, Command, Keys, RedisTime

#: what they are sealed for
_USE, _CLAIM = "u", "w"
#: replicas, gone ones among them, whose counts of one key are read, and claims
_MOST, _MOST_CLAIMS = 2000, 1000
#: seconds that a request of a limited key waits for Redis: whoever doesn't wait may exceed the limit
PATIENCE = SLOW
#: seconds after which nobody decides on a claim any more: who made it is gone
_STALE = 2.0
_Number = Annotated[int, Meta(ge=0, le=1 << 53)]
_Spans = Annotated[dict[int, _Number], Meta(max_length=8)]


class Counts(Struct, frozen=True):
    """What one replica has counted of one key. Times are monotonic seconds of this process.

    ``days`` and ``months``: tokens used, by the day since 1970 and the month since the year 0. ``times``: when requests
    came within the last minute, and how many. ``under_way``: requests, and ``reserved``: their tokens; both count up to
    ``until``, since whoever is killed can't take them back. ``settled``: the last claim that this is decided of.
    """

    days: Mapping[int, int] = {}
    months: Mapping[int, int] = {}
    times: tuple[tuple[float, int], ...] = ()
    under_way: int = 0
    reserved: int = 0
    until: float = 0.0
    settled: int = 0


class Claim(Struct, frozen=True):
    """Somebody is about to admit ``count`` requests with so many ``tokens``.

    ``at``: when, in monotonic seconds. ``number``: which of the origin's claims. ``sealed`` is how it stands in Redis.
    """

    at: float
    origin: str
    number: int
    count: int
    tokens: int
    sealed: bytes = b""


class Known(Struct, frozen=True):
    """What Redis knows of a key: counts by origin, undecided claims ahead of one's own, and claims of the gone."""

    counts: Mapping[str, Counts]
    ahead: tuple[Claim, ...] = ()
    stale: tuple[bytes, ...] = ()


class _Told(Struct, array_like=True):
    """The same in Redis' milliseconds."""

    days: _Spans
    months: _Spans
    times: Annotated[list[tuple[_Number, _Number]], Meta(max_length=1000)]
    under_way: _Number
    reserved: _Number
    until: _Number
    settled: _Number


class _ToldClaim(Struct, array_like=True):
    at: _Number
    origin: Annotated[str, Meta(max_length=32)]
    number: _Number
    count: _Number
    tokens: _Number


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Told)
_CLAIMS = msgspec.msgpack.Decoder(_ToldClaim)


class SharedCounts:
    """Of one volume, by the names of keys; ``origin`` names who has counted."""

    def __init__(self, link: Link, keys: Keys, vault: Vault) -> None:
        self._link = link
        self._keys = keys
        self._vault = vault
        self._read: dict[str, dict[bytes, tuple[bytes, Counts]]] = {}  # what was read last: most of it stays the same

    async def exchange(self, key: str, origin: str, own: Counts, claim: Claim | None = None) -> Known | None:
        """Tells what this process has counted of a key, and what it claims; returns what all have.

        None: Redis doesn't say so in a moment.
        """
        if not self._link.status.well:
            return None
        name = self.name(key)
        where, claims = self._keys.counts(name), self._keys.claims(name)
        commands = self._telling(where, name, origin, own)
        if claim is not None:
            commands += [(b"RPUSH", claims, claim.sealed), (b"EXPIRE", claims, CLAIMS_SECONDS)]
        commands += [(b"HGETALL", where), (b"LRANGE", claims, 0, _MOST_CLAIMS - 1)]
        try:
            answers = await self._link.ask(commands, PATIENCE)
        except Lost:
            return None
        *_, found, waiting = answers
        if not self._link.note(answers) or not isinstance(found, dict) or not isinstance(waiting, list):
            return None
        return self._sorted(name, self._opened(name, found), waiting, claim)

    def claim(self, key: str, at: float, origin: str, number: int, count: int, tokens: int) -> Claim:
        """A claim for a key."""
        told = _ToldClaim(self._link.time.theirs(at), origin, number, count, tokens)
        sealed = self._vault.seal(self.name(key), _CLAIM, _ENCODER.encode(told))
        return Claim(at, origin, number, count, tokens, sealed)

    def settle(self, key: str, origin: str, own: Counts, gone: Sequence[bytes]) -> None:
        """Tells what this process has counted of a key, and takes claims off the list that are decided or stale."""
        name = self.name(key)
        claims = self._keys.claims(name)
        removing: list[Command] = [(b"LREM", claims, 1, each) for each in gone]
        self._ask([*self._telling(self._keys.counts(name), name, origin, own), *removing])

    def restore(self, key: str, lost: Mapping[str, Counts]) -> None:
        """Tells what others had counted of a key, by origin, as far as Redis does not know."""
        name = self.name(key)
        where = self._keys.counts(name)
        self._ask([(b"HSETNX", where, origin, self._sealed(name, origin, counts)) for origin, counts in lost.items()])

    def _telling(self, where: bytes, name: str, origin: str, own: Counts) -> list[Command]:
        return [(b"HSET", where, origin, self._sealed(name, origin, own)), (b"EXPIRE", where, COUNTS_SECONDS)]

    def _ask(self, commands: list[Command]) -> None:
        if self._link.status.well:  # else all is told when it is again
            told: Deferred[list[object]] = self._link.ask(commands)
            told.addCallbacks(self._link.note, _lost)

    def name(self, key: str) -> str:
        """A key's name in Redis."""
        return self._vault.account(f"client key {key}")

    def _sealed(self, name: str, origin: str, counts: Counts) -> bytes:
        return self._vault.seal(f"{name}/{origin}", _USE, encode(counts, self._link.time))

    def _sorted(self, name: str, counts: dict[str, Counts], waiting: list[object], mine: Claim | None) -> Known:
        """What was read; of claims those ahead of ``mine`` that others have yet to decide of."""
        ahead, stale, now = list[Claim](), list[bytes](), self._link.now()
        for sealed in waiting:
            if mine is None or sealed == mine.sealed or not isinstance(sealed, bytes):
                break
            plain = self._vault.open(name, _CLAIM, sealed)
            told = None if plain is None else _read_claim(plain)
            at = now - _STALE if told is None else self._link.time.ours(told.at)
            if told is None or at <= now - _STALE:
                stale.append(sealed)
            elif told.origin != mine.origin and told.number > counts.get(told.origin, Counts()).settled:
                ahead.append(Claim(at, told.origin, told.number, told.count, told.tokens, sealed))
        return Known(counts, tuple(ahead), tuple(stale))

    def _opened(self, name: str, found: Mapping[object, object]) -> dict[str, Counts]:
        before, read = self._read.get(name, {}), dict[bytes, tuple[bytes, Counts]]()
        for origin, sealed in islice(found.items(), _MOST):
            if not (isinstance(origin, bytes) and isinstance(sealed, bytes)):
                continue
            known = before.get(origin)
            if known is None or known[0] != sealed:
                plain = self._vault.open(f"{name}/{origin.decode('ascii', 'replace')}", _USE, sealed)
                counts = None if plain is None else decode(plain, self._link.time)
                known = None if counts is None else (sealed, counts)
            if known is not None:
                read[origin] = known
        self._read[name] = read
        return {origin.decode("ascii", "replace"): counts for origin, (_, counts) in read.items()}


def encode(counts: Counts, time: RedisTime) -> bytes:
    """The counts as they stand in Redis, before they are sealed."""
    times = [(max(0, time.theirs(at)), number) for at, number in counts.times]
    until = max(0, time.theirs(counts.until))
    told = _Told(
        dict(counts.days),
        dict(counts.months),
        times,
        counts.under_way,
        counts.reserved,
        until if counts.until else 0,
        counts.settled,
    )
    return _ENCODER.encode(told)


def decode(data: bytes, time: RedisTime) -> Counts | None:
    """The counts in what ``encode`` made; None: another release's."""
    try:
        told = _DECODER.decode(data)
    except (msgspec.MsgspecError, RecursionError):
        return None
    times = tuple((time.ours(at), number) for at, number in told.times)
    return Counts(told.days, told.months, times, told.under_way, told.reserved, time.ours(told.until), told.settled)


def _read_claim(data: bytes) -> _ToldClaim | None:
    try:
        return _CLAIMS.decode(data)
    except (msgspec.MsgspecError, RecursionError):
        return None


def _lost(_: object) -> None:
    """Redis is away: all is told when it is back."""
