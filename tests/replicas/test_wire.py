"""What stands in Redis and goes over its channel, byte for byte where another release reads it."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest

from antigravity_proxy.replicas.cache import Cooling
from antigravity_proxy.replicas.outbox import Outbox
from antigravity_proxy.replicas.wire import (
    Keys,
    Message,
    RedisTime,
    commands,
    read_cooldowns,
    read_message,
    read_sessions,
)

KEYS = Keys("antigravity:1:0011")


def proof(use: str, what: bytes) -> bytes:
    """As a vault makes it: 16 bytes."""
    return hashlib.blake2b(what, digest_size=16, person=use.encode()).digest()


def bound(session: bytes, account: bytes) -> bytes:
    """What stands in Redis for a session."""
    return proof("session", msgspec.msgpack.encode((session, account))) + account


def cooling(*fields: object) -> bytes:
    """What stands in Redis for a cooldown."""
    packed = msgspec.msgpack.encode(fields)
    return proof("cooldown", packed) + packed


def told(outbox: Outbox, sealed: Any = lambda account, kind: (b"sealed", 60.0)) -> list[tuple[Any, ...]]:
    time = RedisTime()
    time.sample(99.0, 101.0, 1_800_100.0)
    return commands(outbox.take(), KEYS, time, 100.0, "me", sealed, bytes, proof)


def message(found: list[tuple[Any, ...]]) -> Message:
    (published,) = [command for command in found if command[0] == b"PUBLISH"]
    assert published[1] == b"antigravity:1:0011"
    read = read_message(published[2])
    assert read is not None
    return read


def test_redis_time_is_what_replicas_have_in_common() -> None:
    time = RedisTime()
    time.sample(99.0, 101.0, 1_800_100.0)
    assert time.theirs(160.0) == 1_800_160_000
    assert time.ours(1_800_160_000) == 160.0
    assert time.bucket(100.0) == 1000
    assert time.bucket(1800.0 + 100.0) == 1001


def test_sessions() -> None:
    outbox = Outbox()
    outbox.bind(b"s", "a")
    outbox.bind(b"t", "b")
    outbox.bind(b"s", "b")
    found = told(outbox)
    assert found[:2] == [
        (b"HSET", b"antigravity:1:0011:s:1000", b"s", bound(b"s", b"b"), b"t", bound(b"t", b"b")),
        (b"EXPIRE", b"antigravity:1:0011:s:1000", 7200),
    ]
    assert message(found) == Message("me", 1_800_100_000, [b"s", b"t"], ["b", "b"], [], [], [])
    assert not outbox


def test_cooldowns_only_get_longer() -> None:
    outbox = Outbox()
    outbox.cool(Cooling("a", "m", 130.0, 0))
    found = told(outbox)
    member = cooling("a", "m", 0)
    assert found[:2] == [
        (b"ZADD", b"antigravity:1:0011:c", b"GT", 1_800_130_000, member),
        (b"EXPIRE", b"antigravity:1:0011:c", 2_592_000),
    ]
    assert message(found).cooling == [("a", "m", 1_800_130_000, 0)]


def test_facts_are_set_with_their_end_and_told_sealed() -> None:
    outbox = Outbox()
    outbox.tell("a", "t")
    assert outbox.holds("a", "t")
    assert not outbox.holds("a", "p")
    found = told(outbox)
    assert found[0] == (b"SET", b"antigravity:1:0011:t:a", b"sealed", b"PX", 60_000)
    assert message(found).facts == [("t", "a", b"sealed")]
    outbox.tell("a", "t")
    assert told(outbox, lambda account, kind: None) == []


def test_a_forgiven_account_loses_cooldowns_and_bar() -> None:
    outbox = Outbox()
    outbox.cool(Cooling("a", "m", 130.0, 0))
    outbox.tell("a", "b")
    outbox.forgive("a", [Cooling("a", "m", 130.0, 0)])
    found = told(outbox)
    members = [cooling("a", "m", marks) for marks in range(8)]
    assert found[:2] == [(b"ZREM", b"antigravity:1:0011:c", *members), (b"DEL", b"antigravity:1:0011:b:a")]
    assert message(found).forgiven == ["a"]
    outbox.forgive("b", [])
    assert [command[0] for command in told(outbox)] == [b"DEL", b"PUBLISH"]


def test_signatures_are_set_touched_and_removed_and_nobody_is_told() -> None:
    outbox = Outbox()
    outbox.sign("new", b"sealed")
    outbox.touch("new")
    outbox.touch("used")
    outbox.touch("refused")
    outbox.sign("refused", b"")
    outbox.touch("refused")
    assert outbox.urgent
    assert told(outbox) == [
        (b"SET", b"antigravity:1:0011:g:new", b"sealed", b"EX", 3600),
        (b"EXPIRE", b"antigravity:1:0011:g:used", 3600),
        (b"DEL", b"antigravity:1:0011:g:refused"),
    ]


def test_signatures_that_wait_are_bounded_also_where_they_come_back() -> None:
    outbox = Outbox()
    for number in range(501):
        outbox.sign(str(number), b"sealed")
    assert len(outbox) == 401
    lost = outbox.take()
    assert list(lost.signatures) == [str(number) for number in range(100, 200)]
    for number in range(200):
        outbox.touch(f"later {number}")
    outbox.put_back(lost)
    assert len(outbox) == 401
    left = outbox.take().signatures
    assert next(iter(left)) == "400"  # the oldest are given up


def test_leases_are_let_go_after_all_else() -> None:
    outbox = Outbox()
    outbox.tell("a", "t")
    outbox.release(b"lease")
    outbox.release(b"failed", b"!")
    assert told(outbox)[-2:] == [(b"DEL", b"lease"), (b"SET", b"failed", b"!", b"PX", 1000)]


def test_batches_are_bounded_and_what_did_not_get_there_is_told_again() -> None:
    outbox = Outbox()
    for number in range(1200):
        outbox.bind(b"%d" % number, "a")
        outbox.tell(f"{number}", "t")
    outbox.release(b"lease")
    first = outbox.take()
    assert (len(first.sessions), len(first.facts), len(first.released)) == (500, 500, 0)
    outbox.bind(b"0", "newer")
    outbox.put_back(first)
    assert dict(outbox.waiting_sessions())[b"0"] == "newer"
    assert len(outbox) == 2401
    rest = [outbox.take() for _ in range(3)]
    assert sum(len(batch.sessions) for batch in rest) == 1200
    assert rest[-1].released == {b"lease": b""}
    assert not outbox


def test_sessions_that_nobody_could_be_told_of_are_forgotten_the_oldest_first() -> None:
    outbox = Outbox()
    for number in range(50_001):
        outbox.bind(b"%d" % number, "a")
    assert len(outbox) == 49_501
    assert outbox.waiting_sessions()[0][0] == b"500"


def test_what_others_wait_for_is_urgent() -> None:
    outbox = Outbox()
    outbox.bind(b"s", "a")
    assert not outbox.urgent
    outbox.release(b"lease")
    assert outbox.urgent


@pytest.mark.parametrize("data", [b"", b"\xc1", b"hello", msgspec.msgpack.encode(["x"]), b"\x96" + b"\xff" * 6])
def test_what_is_no_message(data: bytes) -> None:
    assert read_message(data) is None


def test_what_is_no_cooldown_or_has_no_proof_is_left_out() -> None:
    member = cooling("a", "m", 1)
    time = RedisTime()
    forged = msgspec.msgpack.encode(("a", "m", 1))
    others = [b"", b"\xc1", forged, bytes(16) + forged, bound(b"a", b"m"), member[:-1], cooling(1), cooling("a", "m")]
    others += [cooling("a", "m", 8), cooling("a", "m", -1)]
    pairs: list[Any] = [member, b"130000", member, b"never", 5, b"1"]
    for other in others:
        pairs += [other, b"1"]
    assert read_cooldowns(pairs, time, proof) == [Cooling("a", "m", 130.0, 1)]
    assert read_cooldowns(None, time, proof) == []


def test_a_binding_counts_for_its_session_alone() -> None:
    pairs = [b"s", bound(b"s", b"a"), b"t", bound(b"s", b"a"), b"u", b"a", b"v", b"", b"w", bytes(16) + b"a"]
    assert read_sessions(pairs, proof) == {b"s": "a"}


def test_keys() -> None:
    assert KEYS.lease("t", "a") == b"antigravity:1:0011:l:t:a"
    assert KEYS.replicas == b"antigravity:1:0011:r"
    assert KEYS.epoch == b"antigravity:1:0011:e"
