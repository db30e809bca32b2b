"""The whole thing over real sockets: a simulated Google, a volume on disk, the daemon as its own assembly builds it."""

from __future__ import annotations

import http.client
import itertools
import json
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from support.deferreds import in_thread, until

from antigravity_proxy.daemon import service
from antigravity_proxy.simulator.server import Simulator
from antigravity_proxy.simulator.volume import VolumeWriter, write_volume

KEY = "sk-test"


#: below those that systems give to outgoing connections (Linux: 32,768 on), one of which could come before its use
_PORTS = range(10_000, 32_000)
_ports = itertools.cycle(random.SystemRandom().sample(_PORTS, len(_PORTS)))


def free_port() -> int:
    """A port that nothing listens on, and that is given to nobody else meanwhile."""
    for port in _ports:
        with socket.socket() as s, suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port
    raise AssertionError("the ports have no end")


class Answer:
    """An HTTP answer, read whole."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Stack:
    """A running stack."""

    def __init__(self, simulator: Simulator, volume: VolumeWriter, environment: dict[str, str]) -> None:
        self.simulator = simulator
        self.volume = volume
        self.port = free_port()
        self.environment = environment | {"PROXY_PORT": str(self.port)}
        self.daemon: Any = service.make({}, self.environment)
        self.url = f"http://127.0.0.1:{self.port}"

    async def request(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request with the right key (or ``authorization=""`` for none) on a connection of its own."""
        sent = {"authorization": f"Bearer {KEY}"} | {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in sent.items() if value}
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()

        def ask() -> Answer:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            try:
                connection.request(method, path, data, sent)
                return Answer(connection.getresponse())
            finally:
                connection.close()

        answer: Answer = await in_thread(ask)
        return answer

    async def chat(self, text: str = "Hello", **fields: Any) -> Answer:
        """One chat request."""
        body = {"model": "gemini-3-flash", "messages": [{"role": "user", "content": text}]} | fields
        return await self.request("POST", "/v1/chat/completions", body)


@asynccontextmanager
async def stack(
    directory: Path,
    accounts: int = 2,
    api_key: str = KEY,
    before: Callable[[Simulator], object] = lambda simulator: None,
    written: Callable[[Path], object] = lambda volume: None,
    **settings: str,
) -> AsyncIterator[Stack]:
    """A stack in a directory; ``settings`` are environment variables of the daemon, ``before`` happens before it.

    ``written`` may change the volume before the daemon starts.
    """
    from twisted.internet import reactor

    simulator = Simulator(reactor)
    simulator.start()
    before(simulator)
    volume = write_volume(directory / "volume", accounts=accounts, api_key=api_key)
    written(volume.directory)
    environment = simulator.environment | {
        "ANTIGRAVITY_DATA_DIR": str(volume.directory),
        "READONLY_MODE": "true",
        "OAUTH_LISTEN_PORT": "0",
        "LOG_LEVEL": "warn",
    }
    try:
        async with _served(Stack(simulator, volume, environment | settings)) as running:
            yield running
    finally:
        await simulator.stop()


@asynccontextmanager
async def replica(of: Stack, **settings: str) -> AsyncIterator[Stack]:
    """Another daemon beside this one: on the same volume, with the same settings but for these."""
    async with _served(Stack(of.simulator, of.volume, of.environment | settings)) as running:
        yield running


@asynccontextmanager
async def _served(running: Stack) -> AsyncIterator[Stack]:
    daemon = running.daemon
    daemon.privilegedStartService()
    daemon.startService()
    try:
        await until(lambda: daemon.state.read_at is not None or daemon.state.error != "")
        yield running
    finally:
        await daemon.stopService()
