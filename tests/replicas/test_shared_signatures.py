"""A thought signature that one replica saw is put back by another; without Redis, a request goes on without it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Raw
from support.deferreds import deferred, until
from support.models import MODELS
from support.redis import RedisServer, needs_redis, redis_server
from support.replicas import Replica, all_well, farm
from twisted.internet.defer import Deferred

from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.content import Content, FunctionCall, Part
from antigravity_proxy.relay.conversation import ConversationSignatures
from antigravity_proxy.relay.signatures import Signatures
from antigravity_proxy.replicas.signatures import MOST

pytestmark = needs_redis

#: seconds that nobody may wait for Redis, and what the test machine's other work may add
BOUND, LEEWAY = 0.05, 0.1
KEY = b"digest of a call"


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as running:
        yield running


def store_of(replica: Replica) -> Signatures:
    """The signatures that this replica remembers."""
    return Signatures(replica.reactor, lambda: replica.shared.signatures)


def stored(redis: RedisServer) -> list[bytes]:
    """The signatures' keys in Redis."""
    return [key for key in redis.all_keys() if b":g:" in key]


@deferred()
async def test_another_replica_finds_it_and_forgets_it_when_upstream_refuses_it(redis: RedisServer) -> None:
    async with farm(redis.url) as make:
        one, two = make(), make()
        await all_well(one, two)
        here, there = store_of(one), store_of(two)
        here.put(KEY, "c2lnbmF0dXJl" * 5000)
        await until(lambda: len(stored(redis)) == 1)
        assert there.lacks(KEY)
        await there.fetch([KEY, b"unknown"])
        assert (there.get(KEY), there.get(b"unknown")) == ("c2lnbmF0dXJl" * 5000, "")
        assert redis.ask("PTTL", stored(redis)[0]) > 3_500_000
        there.forget(KEY)
        await until(lambda: not stored(redis))


@deferred()
async def test_another_volume_finds_nothing_and_nonsense_is_none(redis: RedisServer) -> None:
    async with farm(redis.url) as make:
        one = make()
        await all_well(one)
        store_of(one).put(KEY, "U2ln")
        await until(lambda: len(stored(redis)) == 1)
        redis.ask("SET", stored(redis)[0], "nonsense")
        other = store_of(one)
        await other.fetch([KEY])
        assert other.get(KEY) == ""


@deferred()
async def test_a_redis_that_is_mute_or_away_is_waited_for_no_longer_than_a_moment(redis: RedisServer) -> None:
    async with farm(redis.url) as make:
        one = make()
        await all_well(one)
        store = store_of(one)
        redis.signal(signal.SIGSTOP)
        try:
            began = one.reactor.seconds()
            await store.fetch([KEY])
            assert one.reactor.seconds() - began < BOUND + LEEWAY
            assert store.lacks(KEY)  # nobody has said that there is none
            await until(lambda: bool(one.trouble))
            began = one.reactor.seconds()
            await store.fetch([KEY])
            assert one.reactor.seconds() - began < BOUND
        finally:
            redis.signal(signal.SIGCONT)
        await all_well(one, seconds=20)


@deferred()
async def test_a_call_signed_through_one_replica_is_restored_through_the_other(redis: RedisServer) -> None:
    called = Part(function_call=FunctionCall("f", Raw(b"{}"), "call_1"))
    call = Call("gemini-3-flash", (Content("user", (Part(text="?"),)), Content("model", (called,))))
    async with farm(redis.url) as make:
        one, two = make(), make()
        await all_well(one, two)
        here, there = (
            ConversationSignatures(store_of(each), "laptop", call, MODELS["gemini-3-flash"]) for each in (one, two)
        )
        here.call_signed("call_1", "U2ln")
        await until(lambda: bool(stored(redis)))
        redis.ask("EXPIRE", stored(redis)[0], 60)
        await there.recall(call)
        assert there.restored(call).contents[1].parts[0].thought_signature == "gemini@accounts:U2ln"
        await until(lambda: redis.ask("TTL", stored(redis)[0]) > 3500)  # it was used


@deferred()
async def test_a_seal_that_was_changed_or_moved_opens_nothing(redis: RedisServer) -> None:
    async with farm(redis.url) as make:
        one = make()
        await all_well(one)
        for key in (b"a", b"b"):
            store_of(one).put(key, "U2ln")
        await until(lambda: len(stored(redis)) == 2)
        first, second = stored(redis)
        sealed = redis.ask("GET", first)
        redis.ask("SET", second, sealed)
        redis.ask("SET", first, sealed[:-1] + bytes([sealed[-1] ^ 1]))
        assert await one.shared.signatures.find([b"a", b"b"]) == {b"a": "", b"b": ""}


@deferred(20)
async def test_what_was_signed_while_redis_was_away_is_told_later(redis: RedisServer) -> None:
    async with farm(redis.url) as make:
        one, two = make(), make()
        await all_well(one, two)
        redis.kill()
        await until(lambda: bool(one.trouble and two.trouble))
        store_of(one).put(KEY, "U2ln")
        asking = Deferred.fromCoroutine(two.shared.signatures.find([KEY]))
        assert asking.called
        assert await asking == {}
        redis.start()
        await until(lambda: bool(stored(redis)), 10)
        await all_well(two, seconds=10)
        assert await two.shared.signatures.find([KEY]) == {KEY: "U2ln"}


@deferred()
async def test_a_redis_that_refuses_to_be_asked_has_said_nothing(redis: RedisServer) -> None:
    async with farm(redis.url) as make:
        one = make([])
        await all_well(one)
        redis.ask("ACL", "SETUSER", "default", "-mget")
        assert await one.shared.signatures.find([KEY]) == {}
        assert one.trouble == "the Redis user lacks a permission"


@deferred()
async def test_of_very_many_the_last_are_asked_for(redis: RedisServer) -> None:
    async with farm(redis.url) as make:
        one = make()
        await all_well(one)
        asked = [b"%d" % number for number in range(MOST + 1)]
        assert list(await one.shared.signatures.find(asked)) == asked[1:]
