"""The content of Redis and of its channel: keys, messages, commands. Pure.

| key | | ends |
|---|---|---|
| ``<ns>:c`` | sorted set: a cooldown's proof, account, model and marks, by its end in milliseconds | 30 days unused |
| ``<ns>:s:<bucket>`` | hash: session to proof and account, bound or used in that half hour | two hours later |
| ``<ns>:t``, ``:b``, ``:p``, ``:q``, ``:n:<account>`` | sealed: token, bar, project, quotas, group | with the fact |
| ``<ns>:g:<name>`` | sealed: a thought signature | an hour after its last use |
| ``<ns>:v:<name>`` | sealed: a stored response | an hour after its last use |
| ``<ns>:u:<name>`` | hash: replica to what it has counted of a client's key, sealed | 70 days unused |
| ``<ns>:w:<name>`` | list: claims on what is left to a client's key, sealed | a minute |
| ``<ns>:l:<work>:<account>`` | who does that work | within seconds |
| ``<ns>:e`` | a random word: another one means that everything was lost | a day |
| ``<ns>:r`` | sorted set: replicas, by when they were last heard of | a minute |

``<ns>`` is the vault's namespace, and the channel's name.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from antigravity_proxy.accounts.state import FAULT, FLAGGED, NOT_OFFERED
from antigravity_proxy.replicas.cache import Cooling
from antigravity_proxy.replicas.outbox import BATCH, Batch
from antigravity_proxy.replicas.sessions import GENERATION, KEPT
from antigravity_proxy.replicas.vault import PROOF

Command = tuple[bytes | str | int, ...]
#: of a use and bytes: shows that somebody with the volume's key has written them
Proof = Callable[[str, bytes], bytes]
_COOLDOWN, _SESSION = "cooldown", "session"

_COOLDOWNS_SECONDS = 30 * 86_400
_MARK_MILLISECONDS = 1000
_SIGNATURE_SECONDS = 3600
RESPONSE_SECONDS = 3600
COUNTS_SECONDS = 70 * 86_400
CLAIMS_SECONDS = 60
_SESSIONS_SECONDS = int(GENERATION * (KEPT + 1))

_pack = msgspec.msgpack.Encoder().encode


class Keys:
    """The keys of one namespace."""

    def __init__(self, namespace: str) -> None:
        self.channel = namespace.encode()
        self.cooldowns = self.channel + b":c"
        self.epoch = self.channel + b":e"
        self.replicas = self.channel + b":r"

    def sessions(self, bucket: int) -> bytes:
        """The sessions of one half hour."""
        return b"%b:s:%d" % (self.channel, bucket)

    def fact(self, kind: str, account: str) -> bytes:
        """A fact of an account."""
        return b"%b:%b:%b" % (self.channel, kind.encode(), account.encode())

    def signature(self, name: str) -> bytes:
        """A thought signature."""
        return b"%b:g:%b" % (self.channel, name.encode())

    def response(self, name: str) -> bytes:
        """A stored response."""
        return b"%b:v:%b" % (self.channel, name.encode())

    def counts(self, name: str) -> bytes:
        """What replicas have counted of a client's key."""
        return b"%b:u:%b" % (self.channel, name.encode())

    def claims(self, name: str) -> bytes:
        """Claims on what is left to a client's key."""
        return b"%b:w:%b" % (self.channel, name.encode())

    def lease(self, work: str, account: str) -> bytes:
        """The replica that does that work on an account."""
        return b"%b:l:%b:%b" % (self.channel, work.encode(), account.encode())


class RedisTime:
    """Redis' clock, estimated from ours: the only one that replicas have in common. ``offset`` in seconds."""

    __slots__ = ("offset",)

    def __init__(self) -> None:
        self.offset = 0.0

    def sample(self, sent: float, received: float, theirs: float) -> None:
        """Redis said ``theirs`` (epoch seconds) between ``sent`` and ``received`` (monotonic seconds)."""
        self.offset = theirs - (sent + received) / 2

    def theirs(self, ours: float) -> int:
        """Redis' milliseconds of a monotonic second."""
        return round((ours + self.offset) * 1000)

    def ours(self, theirs: float) -> float:
        """The monotonic second of Redis' milliseconds."""
        return theirs / 1000 - self.offset

    def bucket(self, now: float) -> int:
        """The half hour of sessions that it is at Redis."""
        return int((now + self.offset) // GENERATION)


#: the longest name of a model, an account, a session; and the most of anything in one message
_NAME = 512
_SOME = Meta(max_length=BATCH)
Name = Annotated[str, Meta(max_length=_NAME)]
Marks = Annotated[int, Meta(ge=0, le=FLAGGED | FAULT | NOT_OFFERED)]


class Message(Struct, frozen=True, array_like=True):
    """The messages of the channel. Times are Redis' milliseconds; accounts and sessions by their names in Redis.

    ``sent_at``: when it was sent. ``cooling``: account, model, until, marks. ``facts``: kind, account, sealed.
    """

    sender: Name
    sent_at: int
    sessions: Annotated[list[Annotated[bytes, Meta(max_length=_NAME)]], _SOME]
    accounts: Annotated[list[Name], _SOME]
    cooling: Annotated[list[tuple[Name, Name, int, Marks]], _SOME]
    facts: Annotated[list[tuple[Name, Name, bytes]], _SOME]
    forgiven: Annotated[list[Name], _SOME]


_MESSAGES = msgspec.msgpack.Decoder(Message)
_MEMBERS = msgspec.msgpack.Decoder(tuple[Name, Name, Marks])


def read_message(data: bytes) -> Message | None:
    """The message; None if it is invalid."""
    try:
        return _MESSAGES.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def read_cooldowns(pairs: object, time: RedisTime, proof: Proof) -> list[Cooling]:
    """The cooldowns in the members and scores of a scan, flat; invalid and unproven ones are left out."""
    found = []
    items = pairs if isinstance(pairs, list) else []
    for member, score in zip(items[::2], items[1::2], strict=False):
        try:
            packed = member[PROOF:]
            if not hmac.compare_digest(member[:PROOF], proof(_COOLDOWN, packed)):
                continue
            account, model, marks = _MEMBERS.decode(packed)
            found.append(Cooling(account, model, time.ours(float(score)), marks))
        except (msgspec.MsgspecError, UnicodeDecodeError, TypeError, ValueError, OverflowError):
            continue
    return found


def read_sessions(pairs: list[bytes], proof: Proof) -> dict[bytes, str]:
    """Sessions and accounts in the fields and values of a scan, flat; unproven ones are left out."""
    found = {}
    for session, value in zip(pairs[::2], pairs[1::2], strict=False):
        account = value[PROOF:]
        if hmac.compare_digest(value[:PROOF], proof(_SESSION, _pack((session, account)))):
            found[session] = account.decode("ascii", "replace")
    return found


def commands(
    batch: Batch,
    keys: Keys,
    time: RedisTime,
    now: float,
    sender: str,
    sealed: Callable[[str, str], tuple[bytes, float] | None],
    signed: Callable[[bytes], bytes],
    proof: Proof,
) -> list[Command]:
    """The commands that publish a batch to Redis and all replicas.

    ``sealed`` gives an account's fact of a kind, and its seconds; ``signed`` proves that a message is ours, ``proof``
    what stays in Redis.
    """
    found: list[Command] = []
    facts = []
    if batch.sessions:
        bucket = keys.sessions(time.bucket(now))
        found.append((b"HSET", bucket, *_flat(_bindings(batch.sessions, proof))))
        found.append((b"EXPIRE", bucket, _SESSIONS_SECONDS))
    if batch.forgiven:
        members = [
            _member(Cooling(each.account, each.model, 0.0, marks), proof)
            for cooldowns in batch.forgiven.values()
            for each in cooldowns
            for marks in range(2 * NOT_OFFERED)
        ]
        if members:
            found.append((b"ZREM", keys.cooldowns, *members))
    if batch.cooling:
        scores = ((time.theirs(cooling.until), _member(cooling, proof)) for cooling in batch.cooling.values())
        found.append((b"ZADD", keys.cooldowns, b"GT", *_flat(scores)))
        found.append((b"EXPIRE", keys.cooldowns, _COOLDOWNS_SECONDS))
    for account, kind in batch.facts:
        fact = sealed(account, kind)
        if fact is not None:
            value, seconds = fact
            found.append((b"SET", keys.fact(kind, account), value, b"PX", max(1, round(seconds * 1000))))
            facts.append((kind, account, value))
    gone = [keys.fact(kind, account) for account, kind in batch.gone]
    if gone:
        found.append((b"DEL", *gone))
    found += (_signature(keys.signature(name), value) for name, value in batch.signatures.items())
    message = Message(
        sender,
        time.theirs(now),
        list(batch.sessions),
        list(batch.sessions.values()),
        [(each.account, each.model, time.theirs(each.until), each.marks) for each in batch.cooling.values()],
        facts,
        list(batch.forgiven),
    )
    if message.sessions or message.cooling or message.facts or message.forgiven:
        found.append((b"PUBLISH", keys.channel, signed(_pack(message))))
    for lease, mark in batch.released.items():
        found.append((b"SET", lease, mark, b"PX", _MARK_MILLISECONDS) if mark else (b"DEL", lease))
    return found


def _signature(key: bytes, value: bytes | None) -> Command:
    if value is None:
        return (b"EXPIRE", key, _SIGNATURE_SECONDS)
    return (b"SET", key, value, b"EX", _SIGNATURE_SECONDS) if value else (b"DEL", key)


def _member(cooling: Cooling, proof: Proof) -> bytes:
    packed = _pack((cooling.account, cooling.model, cooling.marks))
    return proof(_COOLDOWN, packed) + packed


def _bindings(sessions: Mapping[bytes, str], proof: Proof) -> Iterator[tuple[bytes, bytes]]:
    for session, name in sessions.items():
        account = name.encode("ascii", "replace")
        yield session, proof(_SESSION, _pack((session, account))) + account


def _flat(pairs: Iterable[tuple[bytes | int, bytes | str]]) -> Iterable[bytes | str | int]:
    for one, other in pairs:
        yield one
        yield other
