"""A thought signature that one replica saw is put back by another; without Redis, a request goes on without it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.deferreds import deferred, until
from support.redis import RedisServer, needs_redis, redis_server
from support.replicas import Replica, all_well, farm

from antigravity_proxy.relay.signatures import Signatures

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
