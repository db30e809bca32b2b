"""Several daemons, each a process of its own, on one volume, one simulated Google and one Redis."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

from support.deferreds import in_thread, wait
from support.redis import RedisServer, redis_server
from support.stack import KEY, free_port
from treq import content
from twisted.internet.defer import Deferred, gatherResults
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

from antigravity_proxy.simulator import faults
from antigravity_proxy.simulator.faults import Fault
from antigravity_proxy.simulator.received import Received
from antigravity_proxy.simulator.server import Simulator
from antigravity_proxy.simulator.volume import FAR, VolumeWriter, write_volume

TWISTD = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", "-n", "--pidfile=", "antigravity"]


class Google(Simulator):
    """A simulated Google that notes when what arrives, and limits an account after ``allowance`` requests, or up to as
    many more, for a minute.

    ``arrivals``: when, with what token, about what. ``late``: seconds after its limit at which an account was asked.
    """

    def __init__(self, reactor: Any) -> None:
        super().__init__(reactor)
        self.allowance = 0
        self.arrivals: list[tuple[float, str, str]] = []
        self.late: list[float] = []
        self.limited: dict[str, float] = {}
        self._served: Counter[str] = Counter()

    def note(self, received: Received) -> Fault:
        """A generating request arrived; returns what happens to it."""
        now, token = self.reactor.seconds(), received.token
        self.arrivals.append((now, token, _about(received)))
        if token in self.limited:
            self.late.append(now - self.limited[token])
            return faults.rate_limited(60)
        self._served[token] += 1
        if self.allowance and self._served[token] > self.allowance + crc32(token.encode()) % self.allowance:
            self.limited[token] = now
            return faults.rate_limited(60)
        return super().note(received)


@implementer(IBodyProducer)
class Body:
    """A request's body."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.length = len(data)

    def startProducing(self, consumer: Any) -> Deferred[None]:
        """Writes it at once."""
        consumer.write(self.data)
        done: Deferred[None] = Deferred()
        done.callback(None)
        return done

    def pauseProducing(self) -> None:
        """It is written already."""

    def resumeProducing(self) -> None:
        """It is written already."""

    def stopProducing(self) -> None:
        """It is written already."""


class Daemon:
    """One replica's process."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.port = free_port()
        self.log = log
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                TWISTD, env=environment | {"PROXY_PORT": str(self.port)}, stdout=out, stderr=out
            )

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ends it; returns its status."""
        self.process.send_signal(number)
        return self.process.wait(20)


class Answered:
    """A request's outcome: its status (0: none came), its body, how long it took in seconds."""

    def __init__(self, status: int, body: bytes, seconds: float) -> None:
        self.status = status
        self.body = body
        self.seconds = seconds


class Farm:
    """A running farm."""

    def __init__(self, simulator: Google, volume: VolumeWriter, redis: RedisServer, directory: Path) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.simulator = simulator
        self.volume = volume
        self.redis = redis
        self.directory = directory
        self.daemons: list[Daemon] = []
        self.settings: dict[str, str] = {}
        self._pool = HTTPConnectionPool(reactor)
        self._pool.maxPersistentPerHost = 64
        self._agent = Agent(reactor, pool=self._pool)

    async def start(self, count: int) -> None:
        """Starts so many more, and waits until they serve."""
        await self.up(self.begin(count))

    def begin(self, count: int) -> list[Daemon]:
        """Starts so many more; they serve in a moment."""
        new: list[Daemon] = []
        for _ in range(count):
            environment = self.simulator.environment | {
                "PATH": "/usr/bin:/bin",
                "PYTHONPATH": str(Path.cwd()),
                "ANTIGRAVITY_DATA_DIR": str(self.volume.directory),
                "READONLY_MODE": "true",
                "OAUTH_LISTEN_PORT": "0",
                "REDIS_URL": self.redis.url,
            }
            log = self.directory / f"daemon-{len(self.daemons) + len(new)}.log"
            new.append(Daemon(environment | self.settings, log))
        self.daemons += new
        return new

    async def up(self, daemons: Iterable[Daemon]) -> None:
        """Waits until they serve."""
        for daemon in daemons:
            for _ in range(1500):
                if daemon.process.poll() is not None:
                    raise AssertionError(daemon.log.read_text())
                health = await self.health(daemon)
                if health.get("status") in ("healthy", "degraded") and health.get("usable"):
                    break
                await wait(0.02)

    async def together(self) -> None:
        """Waits until all know of each other."""
        for _ in range(500):
            found = [await self.health(daemon) for daemon in self.daemons]
            if all(each.get("replicas") == len(self.daemons) and each["status"] == "healthy" for each in found):
                return
            await wait(0.02)
        raise AssertionError(found)

    async def health(self, daemon: Daemon) -> Any:
        """What /health says; nothing while nobody answers."""
        try:
            response = await self._agent.request(b"GET", f"http://127.0.0.1:{daemon.port}/health".encode())
            return json.loads(await content(response))
        except Exception:
            return {}

    async def chat(self, daemon: Daemon, text: str, *, key: str = KEY, **fields: Any) -> Answered:
        """One chat request."""
        body = {"model": "gemini-3-flash", "messages": [{"role": "user", "content": text}]} | fields
        headers = Headers({"authorization": [f"Bearer {key}"], "content-type": ["application/json"]})
        url = f"http://127.0.0.1:{daemon.port}/v1/chat/completions".encode()
        began = self.reactor.seconds()
        try:
            response = await self._agent.request(b"POST", url, headers, Body(json.dumps(body).encode()))
            return Answered(response.code, await content(response), self.reactor.seconds() - began)
        except Exception as e:
            return Answered(0, repr(e).encode(), self.reactor.seconds() - began)

    async def load(self, texts: Iterable[str], at_once: int = 12, **fields: Any) -> list[Answered]:
        """Requests about these, spread over the daemons in turn, so many at a time."""
        found: list[Answered] = []
        numbered = enumerate(texts)

        async def work() -> None:
            for number, text in numbered:
                found.append(await self.chat(self.daemons[number % len(self.daemons)], text, **fields))

        await gatherResults([Deferred.fromCoroutine(work()) for _ in range(at_once)])
        return found

    def accounts_of(self, text: str) -> set[str]:
        """The tokens that Google saw with requests about this."""
        return {token for _, token, about in self.simulator.arrivals if about == text}

    async def stop(self) -> None:
        """Ends all."""
        await self._pool.closeCachedConnections()
        for daemon in self.daemons:
            if daemon.process.poll() is None:
                daemon.process.send_signal(signal.SIGTERM)
        for daemon in self.daemons:
            await in_thread(daemon.process.wait, 20)


def _about(received: Received) -> str:
    try:
        text: str = received.json["request"]["contents"][0]["parts"][0]["text"]
    except (KeyError, IndexError, TypeError):
        return ""
    return text


@asynccontextmanager
async def farm(
    directory: Path,
    daemons: int,
    accounts: int,
    expires_at: float = FAR,
    token_fault: Fault | None = None,
    **settings: str,
) -> AsyncIterator[Farm]:
    """A farm in a directory; ``settings`` are environment variables of all, tokens end at ``expires_at``."""
    from twisted.internet import reactor

    simulator = Google(reactor)
    simulator.start()
    simulator.token_fault = token_fault
    volume = write_volume(directory / "volume", accounts=0, api_key=KEY)
    for number in range(accounts):
        volume.add(number, expires_at=expires_at)
    with redis_server(directory) as redis:
        running = Farm(simulator, volume, redis, directory)
        running.settings = settings
        try:
            await running.start(daemons)
            await running.together()
            yield running
        finally:
            await running.stop()
            await simulator.stop()
