"""The limits of clients' keys hold for all replicas together, through a real Redis."""

from __future__ import annotations

import random
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.deferreds import deferred, until, wait
from support.redis import RedisServer, needs_redis, redis_server
from twisted.internet.defer import CancelledError, Deferred, gatherResults

from antigravity_proxy.errors import ClientLimited
from antigravity_proxy.replicas import counts, link
from antigravity_proxy.replicas.connector import Connector
from antigravity_proxy.replicas.store import Replicas
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.redis_url import redis_url
from antigravity_proxy.startup import epoch
from antigravity_proxy.state.store import StateStore
from antigravity_proxy.telemetry.record import Ledger, Record
from antigravity_proxy.web import limits
from antigravity_proxy.web.budgets import Budgets
from antigravity_proxy.web.client_keys import ClientKey
from antigravity_proxy.web.limits import SharedLimits
from antigravity_proxy.web.rate_limits import RateLimits

pytestmark = needs_redis


def key(**fields: Any) -> ClientKey:
    return ClientKey("ann", "0" * 64, datetime(2026, 1, 1, tzinfo=UTC), **fields)


class Replica:
    """What counts at one replica."""

    def __init__(self, url: str, directory: Path | None = None) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.stopped = False
        self.replicas = Replicas(reactor, epoch, Connector(reactor, redis_url(url)))
        self.store = StateStore(reactor, epoch, directory)
        self.ledger = Ledger(reactor.seconds)  # type: ignore[attr-defined]
        self.budgets = Budgets(self.store, epoch)
        self.rate_limits = RateLimits(reactor.seconds, epoch)  # type: ignore[attr-defined]
        self.ledger.observe(self.budgets)
        self.ledger.observe(self.rate_limits)
        self.limits = SharedLimits(reactor, self.replicas, self.rate_limits, self.budgets, self.ledger)
        self.replicas.use_key(Secret("ab" * 32))
        for part in (self.store, self.replicas, self.limits):
            part.startService()

    async def stop(self) -> None:
        self.stopped = True
        self.limits.stopService()
        await self.replicas.stopService()
        await self.store.stopService()

    async def begin(self, which: ClientKey, tokens: int = 0, count: int = 1) -> Record | float:
        """A request that is admitted, or the seconds that its client is to wait."""
        record = self.ledger.open("r", "POST", "openai", "chat")
        record.key = which.name
        try:
            self.rate_limits.take(which, record, asks_model=True)
            await self.limits.admit(which, record, count, tokens)
        except ClientLimited as e:
            record.refused = True
            self.ledger.close(record)
            return float(e.retry_after or 0)
        return record

    async def end(self, record: Record | float, tokens: int = 0) -> None:
        """The request ends, and Redis knows of it if it is there."""
        assert isinstance(record, Record)
        record.tokens_out = tokens
        self.ledger.close(record)
        if self.is_well:
            await self.replicas.parts.link.ask([(b"PING",)], 10.0).addErrback(lambda _: None)

    @property
    def is_well(self) -> bool:
        return not self.replicas.parts.link.status.trouble and self.limits.telling is None


Make = Callable[..., Any]


@asynccontextmanager
async def farm(directory: Path) -> AsyncIterator[tuple[Make, RedisServer]]:
    made: list[Replica] = []

    async def make(state: str = "", count: int = 1) -> Any:
        new = [Replica(redis.url, directory / state if state else None) for _ in range(count)]
        made.extend(new)
        await until(lambda: all(each.is_well for each in made if each.limits.running))
        return new if count > 1 else new[0]

    with redis_server(directory) as redis:
        try:
            yield make, redis
        finally:
            for each in made:
                if not each.stopped:
                    await each.stop()


def together(*beginning: Any) -> Deferred[list[Any]]:
    return gatherResults([Deferred.fromCoroutine(each) for each in beginning])


def admitted(found: list[Any]) -> int:
    return sum(isinstance(each, Record) for each in found)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four replicas in one process on a busy machine are slower than any of them would be."""
    monkeypatch.setattr(counts, "PATIENCE", 10.0)
    monkeypatch.setattr(link, "SLOW", 10.0)
    monkeypatch.setattr(link, "HEARTBEAT_SECONDS", 10.0)


@pytest.mark.parametrize(
    ("limited", "tokens", "most"),
    [
        (key(concurrent=10), 0, 10),
        (key(requests_per_minute=10), 0, 10),
        (key(tokens_per_day=1000), 100, 10),
        (key(tokens_per_month=1000, requests_per_minute=7), 100, 7),
    ],
)
@deferred(30)
async def test_of_many_at_once_exactly_as_many_pass_as_may(
    tmp_path: Path, limited: ClientKey, tokens: int, most: int
) -> None:
    async with farm(tmp_path) as (make, _):
        replicas = await make(count=4)
        for number in range(5):
            which = ClientKey(f"ann-{number}", "0" * 64, limited.created, None, *_limits_of(limited))
            found = await together(*(replicas[n % 4].begin(which, tokens) for n in range(40)))
            assert admitted(found) == most


def _limits_of(which: ClientKey) -> tuple[Any, ...]:
    return which.requests_per_minute, which.concurrent, (), which.tokens_per_day, which.tokens_per_month


@deferred(30)
async def test_any_order_of_beginnings_and_ends_at_any_replica_keeps_to_the_limit(tmp_path: Path) -> None:
    async with farm(tmp_path) as (make, _):
        replicas, chance, limited = await make(count=3), random.Random(4), key(concurrent=5)
        open_: list[tuple[Replica, Record]] = []
        for _ in range(300):
            if open_ and chance.random() < 0.5:
                replica, record = open_.pop(chance.randrange(len(open_)))
                await replica.end(record)
            else:
                replica = chance.choice(replicas)
                before = len(open_)
                found = await replica.begin(limited)
                assert isinstance(found, Record) == (before < 5)
                if isinstance(found, Record):
                    open_.append((replica, found))


@deferred(30)
async def test_retry_after_is_true_wherever_the_requests_came(tmp_path: Path) -> None:
    async with farm(tmp_path) as (make, _):
        one, two = await make(count=2)
        limited = key(requests_per_minute=2)
        await one.end(await one.begin(limited))
        await wait(1.05)
        await two.end(await two.begin(limited))
        assert await one.begin(limited) == await two.begin(limited) == 59.0
        left = two.rate_limits.left(limited)
        assert (left.limit, left.remaining, round(left.seconds)) == (2, 0, 59)


@deferred(30)
async def test_used_tokens_count_everywhere_and_headers_tell_it(tmp_path: Path) -> None:
    async with farm(tmp_path) as (make, _):
        one, two = await make(count=2)
        limited = key(tokens_per_day=100)
        await one.end(await one.begin(limited, 10), 60)
        running = await two.begin(limited, 30)
        assert two.budgets.left(limited)[:2] == (100, 10)
        assert await one.begin(limited, 20) == 2.0, "what is under way may need the rest"
        await two.end(running, 45)
        wait_for = await one.begin(limited, 1)
        assert 0 < wait_for <= 86_400
        assert one.budgets.used("ann") == (105, 105)
        late = await make()
        assert await late.begin(limited, 1) == pytest.approx(wait_for, abs=2)


@deferred(60)
async def test_without_redis_each_counts_for_itself_and_nothing_is_doubled_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with farm(tmp_path) as (make, redis):
        one, two = await make(count=2)
        limited = key(tokens_per_day=1000, concurrent=3)
        await one.end(await one.begin(limited), 100)
        await two.end(await two.begin(limited), 10)
        redis.kill()
        await until(lambda: not one.is_well and not two.is_well)
        for replica in (one, two):
            held = [await replica.begin(limited) for _ in range(3)]
            assert admitted(held) == 3
            assert await replica.begin(limited) == 2.0
            for record in held:
                await replica.end(record, 1)
        redis.start()
        await until(lambda: one.is_well and two.is_well, 15)
        late = await make()
        await late.end(await late.begin(limited), 0)
        assert late.budgets.used("ann") == (116, 116)
        monkeypatch.setattr(counts, "PATIENCE", 0.1)
        monkeypatch.setattr(link, "HEARTBEAT_SECONDS", 1.0)
        redis.signal(signal.SIGSTOP)
        await one.end(await one.begin(limited), 4)
        redis.signal(signal.SIGCONT)
        await until(lambda: one.is_well and two.is_well and late.is_well, 15)
        for replica in (two, late):
            for _ in range(500):
                await replica.end(await replica.begin(limited), 0)
                if replica.budgets.used("ann") == (120, 120):
                    break
                await wait(0.01)
            assert replica.budgets.used("ann") == (120, 120)


@deferred(30)
async def test_what_one_that_is_gone_has_counted_is_told_again_to_a_redis_that_lost_it(tmp_path: Path) -> None:
    async with farm(tmp_path) as (make, redis):
        gone, one = await make(count=2)
        limited = key(tokens_per_day=1000)
        await gone.end(await gone.begin(limited), 50)
        await one.end(await one.begin(limited), 5)
        assert one.budgets.used("ann") == (55, 55)
        await gone.stop()
        redis.ask("FLUSHALL")
        await one.end(await one.begin(limited), 0)
        late = await make()
        await late.end(await late.begin(limited), 0)
        assert late.budgets.used("ann") == (55, 55)


@deferred(30)
async def test_a_restart_with_its_directory_doubles_nothing_either(tmp_path: Path) -> None:
    async with farm(tmp_path) as (make, redis):
        other, limited = await make(), key(tokens_per_day=1000)
        for number in range(3):
            one = await make(state="state")
            await one.end(await one.begin(limited), 10)
            assert one.budgets.used("ann")[0] == 10 * (number + 1)
            await one.stop()
            await other.end(await other.begin(limited), 0)
            assert other.budgets.used("ann")[0] == 10 * (number + 1)
        redis.ask("FLUSHALL")
        one = await make(state="state")
        await until(lambda: other.is_well and one.is_well)
        await one.end(await one.begin(limited), 0)
        await other.end(await other.begin(limited), 0)
        assert one.budgets.used("ann") == other.budgets.used("ann") == (30, 30)


@deferred(30)
async def test_whoever_is_killed_holds_no_place_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LEASE", 0.6)
    monkeypatch.setattr(limits, "KEEP_UP", 0.2)
    async with farm(tmp_path) as (make, _):
        one, two = await make(count=2)
        limited = key(concurrent=1, tokens_per_day=100)
        await one.begin(limited, 90)
        await wait(1.0)
        assert await two.begin(limited, 1) == 2.0, "it lives, and so does its lease"
        one.limits.stopService()
        await one.replicas.parts.link.stop()  # as a killed one, it says nothing any more
        began = two.reactor.seconds()
        while not isinstance(await two.begin(limited, 50), Record):
            await wait(0.05)
        assert two.reactor.seconds() - began < 2.0


@deferred(30)
async def test_all_is_told_once_at_a_time_and_not_while_redis_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "KEEP_UP", 0.02)
    async with farm(tmp_path) as (make, redis):
        one, limited = await make(), key(tokens_per_day=1000)
        await one.end(await one.begin(limited), 10)
        redis.ask("FLUSHALL")
        for _ in range(2):
            one.replicas.on_fresh()
        await until(lambda: one.limits.telling is None)
        assert [key for key in redis.all_keys() if b":u:" in key]
        redis.kill()
        await until(lambda: not one.is_well)
        one.replicas.on_fresh()
        assert one.limits.telling is None
        assert one.budgets.used("ann") == (10, 10)


@deferred(30)
async def test_a_client_that_leaves_meanwhile_claims_nothing(tmp_path: Path) -> None:
    async with farm(tmp_path) as (make, _):
        one, two = await make(count=2)
        limited = key(concurrent=1)
        leaving = Deferred.fromCoroutine(one.begin(limited)).addErrback(lambda failure: failure.trap(CancelledError))
        leaving.cancel()
        await leaving
        await one.replicas.parts.link.ask([(b"PING",)], 10.0)
        assert isinstance(await two.begin(limited), Record)


@deferred(30)
async def test_a_claim_of_somebody_who_is_gone_is_taken_off(tmp_path: Path) -> None:
    async with farm(tmp_path) as (make, redis):
        one, limited = await make(), key(concurrent=1)
        shared = one.replicas.counts
        gone = shared.claim("ann", one.reactor.seconds() - 5, "gone", 1, 1, 0)
        where = one.replicas.parts.state.keys.claims(shared.name("ann"))
        redis.ask("RPUSH", where, gone.sealed)
        undecided = shared.claim("ann", one.reactor.seconds(), "other", 1, 1, 0)
        redis.ask("RPUSH", where, undecided.sealed)
        assert await one.begin(limited) == 2.0, "who claimed before gets the last place"
        await until(lambda: redis.ask("LRANGE", where, 0, -1) == [undecided.sealed])


@deferred(30)
async def test_whoever_writes_to_redis_changes_no_count(tmp_path: Path) -> None:
    async with farm(tmp_path) as (make, redis):
        one, limited = await make(), key(concurrent=2, tokens_per_day=1000, requests_per_minute=9)
        held = await one.begin(limited, 10)
        shared = one.replicas.counts
        name = shared.name("ann")
        keys, claim = one.replicas.parts.state.keys, shared.claim("ann", one.reactor.seconds(), "x", 1, 1, 0)
        hash_, list_ = keys.counts(name), keys.claims(name)
        _, sealed = redis.ask("HGETALL", hash_)
        forged: list[bytes] = [b"", b"\x00" * 64, sealed, claim.sealed[:-1]]
        for number, value in enumerate(forged):
            redis.ask("HSET", hash_, f"forged-{number}", value)
            redis.ask("RPUSH", list_, value)
        await one.end(held, 30)
        found = [await one.begin(limited, 10) for _ in range(3)]
        assert admitted(found) == 2
        assert one.budgets.used("ann") == (30, 30)
