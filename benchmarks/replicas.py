"""Measures what sharing costs: a replica's CPU for each request, and Redis' CPU and memory.

    PYTHONPATH=tests python benchmarks/replicas.py           # needs a redis-server; about half a minute

A replica's part is measured in this process, with a real Redis: everything that a request causes, the sending and what
comes back included. Redis' part is read from /proc and from its own count of memory. ``simulate_farm.py`` takes its
figures for Redis from here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hiredis
from processes import TICKS, free_port
from support.accounts import account
from twisted.internet import reactor as installed
from twisted.internet.task import deferLater, react

from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.replication import session_key
from antigravity_proxy.canonical.credential import Credential
from antigravity_proxy.replicas.cache import Cooling
from antigravity_proxy.replicas.connection import Connection
from antigravity_proxy.replicas.connector import Connector
from antigravity_proxy.replicas.facts import Project, Token, encode
from antigravity_proxy.replicas.outbox import Outbox
from antigravity_proxy.replicas.store import Replicas
from antigravity_proxy.replicas.vault import Vault
from antigravity_proxy.replicas.wire import Keys, RedisTime, commands
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.redis_url import redis_url
from antigravity_proxy.startup import epoch

reactor: Any = installed
KEY = Secret("ab" * 32)
#: CPU microseconds that a request may cost a replica
GOAL = 50.0
#: requests in one turn of the reactor, as a replica under load has them
AT_ONCE = 16


@contextmanager
def redis_server(directory: str) -> Iterator[tuple[int, int]]:
    """A server; gives its port and its process."""
    binary = shutil.which("redis-server")
    if binary is None:
        sys.exit("no redis-server here")
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", directory]
    process = subprocess.Popen([binary, *options], stdout=subprocess.DEVNULL)
    time.sleep(0.5)
    try:
        yield port, process.pid
    finally:
        process.kill()
        process.wait()


def cpu_of(pid: int) -> float:
    """CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Deaf:
    """Nobody."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


def accounts(count: int) -> list[Credential]:
    """So many accounts."""
    return [account(f"account-{n}") for n in range(count)]


async def replica(port: int | None) -> tuple[Pool, Replicas | None]:
    """A pool of 1,000 accounts, on Redis or alone."""
    if port is None:
        pool = Pool(reactor, epoch, lambda: 0.5)
        await pool.update(accounts(1000))
        return pool, None
    shared = Replicas(reactor, epoch, Connector(reactor, redis_url(f"redis://127.0.0.1:{port}")))
    pool = Pool(reactor, epoch, lambda: 0.5, shared=shared)
    shared.use_key(KEY)
    await pool.update(accounts(1000))
    shared.startService()
    while shared.sharing.trouble:
        await deferLater(reactor, 0.05)
    await deferLater(reactor, 0.5)
    return pool, shared


async def requests(pool: Pool, count: int, new_conversation_every: int) -> float:
    """CPU microseconds of choosing for each of so many requests, everything that follows included."""
    began, known = time.process_time(), 0
    for number in range(0, count, AT_ONCE):
        for each in range(number, number + AT_ONCE):
            if each % new_conversation_every == 0:
                known += 1
            name = f"{new_conversation_every}-{count}-{known if each % new_conversation_every == 0 else each % known}"
            lease = pool.lease("m", session=session_key(name, "m"))
            assert lease is not None
            lease.release()
        await deferLater(reactor, 0.008)  # some 2,000 requests a second
    await deferLater(reactor, 0.1)
    return (time.process_time() - began) / count * 1e6


async def at_rest(count: int) -> float:
    """CPU microseconds of the measuring itself, by request."""
    began = time.process_time()
    for _ in range(0, count, AT_ONCE):
        await deferLater(reactor, 0.008)
    await deferLater(reactor, 0.1)
    return (time.process_time() - began) / count * 1e6


async def a_replicas_part(port: int) -> None:
    """What a request costs a replica."""
    count, rest = 16_000, await at_rest(16_000)
    print("a replica's CPU for each request, beyond that of a process alone (at some 1,500 a second)")
    alone, _ = await replica(None)
    shared_pool, shared = await replica(port)
    for what, every in (("one request in ten begins a conversation", 10), ("every request begins a conversation", 1)):
        await requests(shared_pool, 1600, every)
        without, with_redis = (
            await requests(alone, count, every) - rest,
            await requests(shared_pool, count, every) - rest,
        )
        more = with_redis - without
        verdict = "" if more <= GOAL else f"   OVER {GOAL}"
        print(f"  {what}: {more:.1f} µs ({without:.1f} → {with_redis:.1f}){verdict}")
    await heard(port, shared)
    assert shared is not None
    await shared.stopService()


async def heard(port: int, shared: Any) -> None:
    """What others' conversations cost: batches of ten, as a replica sends them every 50 ms."""
    vault, outbox, time_ = Vault(bytes.fromhex(KEY.reveal())), Outbox(), RedisTime()
    keys = Keys(vault.namespace)
    connection: Connection = await Connector(reactor, redis_url(f"redis://127.0.0.1:{port}")).connect()
    messages = []
    for number in range(2000):
        for each in range(10):
            outbox.bind(os.urandom(16), vault.account(f"account-{(number + each) % 1000}"))
        (publish,) = [
            c for c in commands(outbox.take(), keys, time_, 0.0, "x", lambda a, k: None) if c[0] == b"PUBLISH"
        ]
        messages.append(publish[2])
    await connection.end(reactor)
    began = time.process_time()
    for message in messages:
        shared._hear(message)
    each = (time.process_time() - began) / 20_000 * 1e6
    print(f"  a conversation that another replica begins: {each:.2f} µs, and its share of a read from the socket")


async def redis_part(port: int, pid: int) -> dict[str, float]:
    """Redis' CPU by batch, by conversation in it, by replica that hears of it; and its memory."""
    url = redis_url(f"redis://127.0.0.1:{port}")
    vault, time_ = Vault(bytes.fromhex(KEY.reveal())), RedisTime()
    keys = Keys(vault.namespace)
    teller: Connection = await Connector(reactor, url).connect()
    listeners: list[Connection] = []

    async def told(batches: int, size: int) -> float:
        outbox, began = Outbox(), cpu_of(pid)
        for _ in range(batches):
            for _ in range(size):
                outbox.bind(os.urandom(16), "x" * 22)
            await teller.ask(commands(outbox.take(), keys, time_, 0.0, "sender-01234", lambda a, k: None))
        await deferLater(reactor, 0.3)
        return (cpu_of(pid) - began) / batches * 1e6

    batches = 4000
    one, ten = await told(batches, 1), await told(batches, 11)
    for _ in range(50):
        listener: Connection = await Connector(reactor, url).connect()
        await listener.ask([(b"SUBSCRIBE", keys.channel), (b"PING",)], answers=1)
        listeners.append(listener)
    many = await told(batches // 4, 1)
    for each in (*listeners, teller):
        await each.end(reactor)
    return {"batch": one, "conversation": (ten - one) / 10, "delivery": (many - one) / 50}


def memory(port: int) -> dict[str, float]:
    """Redis' bytes for each conversation, cooldown, token and project."""
    import socket

    vault = Vault(bytes.fromhex(KEY.reveal()))
    keys, time_ = Keys(vault.namespace), RedisTime()
    reader, connection = hiredis.Reader(), socket.create_connection(("127.0.0.1", port))

    def ask(*found: Any) -> Any:
        connection.sendall(b"".join(map(hiredis.pack_command, found)))  # type: ignore[arg-type]
        answers: list[Any] = []
        while len(answers) < len(found):
            while (answer := reader.gets()) is False:
                reader.feed(connection.recv(1 << 20))
            answers.append(answer)
        return answers

    def used() -> int:
        ask((b"MEMORY", b"PURGE"))
        return int(
            dict(line.split(b":") for line in ask((b"INFO", b"memory"))[0].split() if b":" in line)[b"used_memory"]
        )

    found = {}
    count = 20_000
    for what in ("conversation", "cooldown", "token", "project"):
        ask((b"FLUSHALL",))
        before, outbox = used(), Outbox()
        for n in range(count):
            name = vault.account(f"account-{n}")
            if what == "conversation":
                outbox.bind(os.urandom(16), name)
            elif what == "cooldown":
                outbox.cool(Cooling(name, "gemini-3-flash", 1e6 + n, 0))
            else:
                outbox.tell(name, what[0])
        fact = Token("ya29." + "x" * 220, 4e9) if what == "token" else Project("useful-project-1234")
        sealed = vault.seal("account", "t", encode(fact))
        while outbox:
            ask(*commands(outbox.take(), keys, time_, 0.0, "x", lambda a, k, value=sealed: (value, 3600.0)))
        found[what] = (used() - before) / count
    connection.close()
    return found


async def main(_: Any) -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory() as directory, redis_server(directory) as (port, pid):
        await a_replicas_part(port)
        cost = await redis_part(port, pid)
        print("Redis' CPU")
        for what, value in cost.items():
            print(f"  {what}: {value:.2f} µs")
        print("Redis' memory")
        for what, value in memory(port).items():
            print(f"  {what}: {value:.0f} bytes")
        print(json.dumps({what: round(value, 2) for what, value in cost.items()}))


if __name__ == "__main__":
    react(main)
