"""Redis in trouble: serving goes on with what is known, nobody waits, one line tells of it, and it mends by itself."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.deferreds import deferred, until, wait
from support.judging import judge
from support.redis import RedisServer, needs_redis, redis_server
from support.replicas import Make, Replica, Upstream, accounts, all_well, farm
from twisted.internet.protocol import Factory, Protocol
from twisted.logger import LogEvent, LogLevel, globalLogPublisher

from antigravity_proxy.canonical.verdict import Failure
from antigravity_proxy.replicas.store import START_PATIENCE

pytestmark = needs_redis

LIMITED = judge(Failure(429, reason="RATE_LIMIT_EXCEEDED", delay=600))
#: seconds that nobody may wait for Redis, and what the test machine's other work may add
BOUND, LEEWAY = 0.05, 0.1


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as running:
        yield running


@contextmanager
def log_of(origin: str) -> Iterator[list[str]]:
    """The warnings and notices of a module while it lasts."""
    lines: list[str] = []

    def observe(event: LogEvent) -> None:
        if event.get("log_namespace", "").endswith(origin) and event["log_level"] >= LogLevel.info:
            lines.append(event.get("trouble") or event["log_format"])

    globalLogPublisher.addObserver(observe)
    try:
        yield lines
    finally:
        globalLogPublisher.removeObserver(observe)


async def serves_alone(replica: Replica, google: Upstream, bound: float = BOUND) -> None:
    """The replica chooses, sets aside, keeps conversations and renews tokens, and waits for nobody, or not for long."""
    asked, google.seconds = len(google.asked), 0.0
    replica.state("a").expires_at = 0.0
    began = replica.reactor.seconds()
    await replica.tokens.renew(replica.state("a"))
    assert replica.reactor.seconds() - began < bound + LEEWAY
    assert len(google.asked) == asked + 1
    replica.pool.penalise(replica.state("b"), "m", LIMITED)
    assert {replica.serving() for _ in range(10)} == {"a", "c"}
    first = replica.serving("conversation in trouble")
    assert {replica.serving("conversation in trouble") for _ in range(10)} == {first}


async def mended(make: Make, one: Replica, seconds: float = 12.0) -> None:
    """Redis is back: the replica finds it by itself, and a new one learns from it what was learnt meanwhile."""
    await all_well(one, seconds=seconds)
    late = make(accounts("a", "b", "c", expires_at=0.0))
    await all_well(late)
    await until(lambda: bool(late.state("b").cooldowns))
    await until(lambda: late.bound("conversation in trouble") == one.bound("conversation in trouble") is not None)
    await until(lambda: late.state("a").access_token == one.state("a").access_token)


def stopped(redis: RedisServer) -> Callable[[], None]:
    redis.signal(signal.SIGSTOP)
    return lambda: redis.signal(signal.SIGCONT)


def killed(redis: RedisServer) -> Callable[[], None]:
    redis.kill()
    return redis.start


def full(redis: RedisServer) -> Callable[[], None]:
    redis.ask("CONFIG", "SET", "maxmemory", "1")
    return lambda: redis.ask("CONFIG", "SET", "maxmemory", "0")


def forbidding(redis: RedisServer) -> Callable[[], None]:
    redis.ask("ACL", "SETUSER", "default", "-zadd")
    return lambda: redis.ask("ACL", "SETUSER", "default", "+zadd")


def demoted(redis: RedisServer) -> Callable[[], None]:
    redis.ask("REPLICAOF", "127.0.0.1", "1")
    return lambda: redis.ask("REPLICAOF", "NO", "ONE")


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        pytest.param(stopped, "Redis does not answer", marks=pytest.mark.replicas),
        pytest.param(killed, "Redis refuses connections", marks=pytest.mark.replicas),
        pytest.param(full, "Redis is full", marks=pytest.mark.replicas),
        pytest.param(forbidding, "the Redis user lacks a permission", marks=pytest.mark.replicas),
        pytest.param(demoted, "this Redis is a read-only replica", marks=pytest.mark.replicas),
    ],
)
@deferred(40)
async def test_trouble_comes_and_goes(redis: RedisServer, trouble: Any, words: str) -> None:
    google = Upstream()
    async with farm(redis.url, google) as make:
        one, two = make(), make()
        await all_well(one, two)
        with log_of("replicas.link") as lines:
            cure = trouble(redis)
            await serves_alone(one, google)
            await until(lambda: words in (one.trouble, two.trouble))
            await until(lambda: bool(one.trouble and two.trouble))
            await serves_alone(one, google)
            await wait(2.5)
            told = len(lines)
            await wait(1.5)
            assert len(lines) == told <= 6  # two replicas; a connection may be lost in one way and refused in another
            cure()
            await mended(make, one)
        assert "Redis is connected" in lines[-1]


@pytest.mark.replicas
@deferred(40)
async def test_a_memory_that_is_lost_is_given_back(redis: RedisServer) -> None:
    google = Upstream()
    async with farm(redis.url, google) as make:
        one, two = make(), make()
        await all_well(one, two)
        await serves_alone(one, google)
        await until(lambda: bool(two.state("b").cooldowns))
        redis.ask("FLUSHALL")
        await until(lambda: any(b":c" in key for key in redis.all_keys()), 4)
        await wait(0.5)
        await mended(make, one)


@deferred(20)
async def test_connections_that_are_cut_are_made_anew(redis: RedisServer) -> None:
    google = Upstream()
    async with farm(redis.url, google) as make:
        one = make()
        await all_well(one)
        redis.ask("CLIENT", "KILL", "TYPE", "normal")
        redis.ask("CLIENT", "KILL", "TYPE", "pubsub")
        await serves_alone(one, google)
        await until(lambda: bool(one.trouble))
        await mended(make, one)


@deferred(20)
async def test_a_password_that_is_wrong_is_tried_until_it_is_right(redis: RedisServer) -> None:
    google = Upstream()
    async with farm(redis.url.replace("//", "//:right@"), google) as make:
        redis.ask("CONFIG", "SET", "requirepass", "another")
        one = make()
        await until(lambda: one.trouble == "Redis refuses the user or the password")
        await serves_alone(one, google)
        redis.ask("AUTH", "another")
        redis.kill()
        redis.arguments = ("--requirepass", "right")
        redis.start()
        await mended(make, one)


class Says(Protocol):
    """A server that takes connections and says the same to all that is asked."""

    words = b""

    def dataReceived(self, data: bytes) -> None:
        if self.words:
            self.transport.write(self.words)


@pytest.mark.row("redis away")
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (b"", "Redis does not answer"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "Redis sent an invalid reply"),
        (b"\xff\x00" * 50, "Redis sent an invalid reply"),
        (b"+OK\r\n", "Redis sent an invalid reply"),
        (b"*2\r\n*2\r\n$-1\r\n_\r\n:5\r\n", "Redis sent an invalid reply"),
        (b"-ERR unknown command 'HELLO'\r\n", "this Redis is too old: version 6.2 is needed"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "Redis is loading its data"),
    ],
)
@deferred(20)
async def test_whatever_else_listens_there_is_no_harm(words: bytes, reason: str) -> None:
    from twisted.internet import reactor

    factory: Any = Factory.forProtocol(type("Said", (Says,), {"words": words}))
    factory.noisy = False
    port: Any = reactor.listenTCP(0, factory, interface="127.0.0.1")  # type: ignore[attr-defined]
    google = Upstream()
    async with farm(f"redis://127.0.0.1:{port.getHost().port}", google) as make:
        one = make()
        await serves_alone(one, google, START_PATIENCE)
        await until(lambda: one.trouble == reason)
        await serves_alone(one, google)
    await port.stopListening()


@pytest.mark.row("redis away")
@deferred(20)
async def test_a_port_where_nobody_is_and_a_name_that_nobody_has() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{free.getsockname()[1]}"
    google = Upstream()
    async with farm(url, google) as make:
        one, nameless = make(), make(at="redis://no-such-host.invalid")
        await until(lambda: one.trouble == "Redis refuses connections")
        await until(lambda: nameless.trouble == "Redis' host name is not known")
        await serves_alone(one, google)
        await serves_alone(nameless, google)


@pytest.mark.replicas
@deferred(40)
async def test_a_slow_redis_is_not_waited_for(redis: RedisServer) -> None:
    google = Upstream()
    async with farm(redis.url, google) as make:
        one = make()
        await all_well(one)
        for _ in range(4):
            redis.signal(signal.SIGSTOP)
            await wait(0.4)
            redis.signal(signal.SIGCONT)
            await wait(0.2)
            if one.trouble:
                break
        await until(lambda: one.trouble == "Redis is slow" or not one.trouble)
        await serves_alone(one, google)
        await mended(make, one)


@deferred(20)
async def test_without_a_key_nothing_is_shared_and_everything_served(redis: RedisServer) -> None:
    google = Upstream()
    async with farm(redis.url, google) as make:
        one = make(accounts("a", "b", "c"), key=None)
        await serves_alone(one, google)
        assert one.shared.sharing.trouble == ""
        one.shared._started -= 10
        assert "master key is not known" in one.shared.sharing.trouble
        assert redis.all_keys() == []
