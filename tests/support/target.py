"""The daemon as a process of its own, to be attacked over sockets; it blocks, as its attackers do."""

from __future__ import annotations

import http.client
import json
import os
import re
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from processes import Process, free_port, get
from support.stack import KEY, Answer

from antigravity_proxy.demo import TWISTD
from antigravity_proxy.simulator.consent import CLIENT_ID, CLIENT_SECRET
from antigravity_proxy.simulator.volume import VolumeWriter, write_volume

CHAT, MESSAGES, GENERATE = "/v1/chat/completions", "/v1/messages", "/v1beta/models/gemini-3-flash:generateContent"
STREAM = "/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse"
MIB = 1 << 20
_KEPT = ("PATH", "HOME", "LANG", "VIRTUAL_ENV", "PYTHONPATH", "COVERAGE_PROCESS_START")


def body(path: str, *, stream: bool = False, text: str = "Hello") -> dict[str, Any]:
    """A request's body for a path."""
    if "models/" in path:
        return {"contents": [{"role": "user", "parts": [{"text": text}]}]}
    found: dict[str, Any] = {"model": "gemini-3-flash", "messages": [{"role": "user", "content": text}]}
    if path == MESSAGES:
        found["max_tokens"] = 100
    return found | ({"stream": True} if stream else {})


def post(path: str, content: bytes, *lines: str, key: str = KEY) -> bytes:
    """A request as bytes."""
    head = [f"POST {path} HTTP/1.1", "Host: x", *([f"x-api-key: {key}"] if key else []), *lines]
    return "\r\n".join([*head, f"Content-Length: {len(content)}", "", ""]).encode("latin-1") + content


class Target:
    """A running daemon, and its volume."""

    def __init__(
        self,
        directory: Path,
        upstream: str,
        accounts: int = 2,
        key: str = KEY,
        before: tuple[str, ...] = (),
        **settings: str,
    ) -> None:
        self.port = free_port()
        self.volume: VolumeWriter = write_volume(directory / "volume", accounts=accounts, api_key=key)
        self.log_path = directory / "daemon.log"
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self.environment = (
            kept
            | {
                "ANTIGRAVITY_DATA_DIR": str(self.volume.directory),
                "READONLY_MODE": "true",
                "PROXY_PORT": str(self.port),
                "OAUTH_LISTEN_PORT": "0",
                "PROXY_INTERNAL_BASE_URLS": upstream,
                "GOOGLE_TOKEN_URL": f"{upstream}/token",
                "GOOGLE_USERINFO_URL": f"{upstream}/userinfo",
                "GOOGLE_AUTH_URL": f"{upstream}/auth",
                "GOOGLE_CLIENT_ID": CLIENT_ID,
                "GOOGLE_CLIENT_SECRET": CLIENT_SECRET,
                "LOG_LEVEL": "info",
            }
            | settings
        )
        self.before = before
        self.process = self.start()

    def start(self) -> Process:
        """Starts the daemon; ``before`` is what runs it."""
        argv = [*self.before, sys.executable, *TWISTD]
        url = f"http://127.0.0.1:{self.port}/health/live"
        return Process(argv, url, self.environment, self.log_path)

    @property
    def log(self) -> str:
        """Everything it has logged."""
        return self.log_path.read_text()

    def connect(self, timeout: float = 10.0) -> socket.socket:
        """A connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def talk(self, sent: bytes, timeout: float = 5.0, *, patience: float = 0.0, enough: bytes = b"") -> bytes:
        """What comes back until the connection is closed, ``enough`` has come, or nothing more comes.

        With ``patience`` the daemon is told after so many seconds of silence that nothing more will be sent.
        """
        got, told = b"", not patience
        with self.connect(timeout) as s, suppress(OSError):
            s.sendall(sent)
            while not (enough and enough in got):
                if not told and not select.select([s], [], [], patience)[0]:
                    s.shutdown(socket.SHUT_WR)
                    told = True
                if not (piece := s.recv(65536)):
                    break
                got += piece
        return got

    def ask(self, method: str, path: str, content: Any = None, *, timeout: float = 20.0, **headers: str) -> Answer:
        """One request with the right key (``x_api_key=""`` for none) on a connection of its own."""
        sent = {"x-api-key": KEY} | {name.replace("_", "-"): value for name, value in headers.items()}
        data = content if isinstance(content, bytes | None) else json.dumps(content).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, data, {name: value for name, value in sent.items() if value})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def chat(self, path: str = CHAT, **options: Any) -> Answer:
        """One request for an answer."""
        return self.ask("POST", path, body(path, **options))

    def well(self) -> bool:
        """Whether it serves."""
        return self.chat().status == 200


@contextmanager
def target(directory: Path, upstream: str, **settings: Any) -> Iterator[Target]:
    """A daemon on an upstream; it must live to the end, with no traceback in its log."""
    running = Target(directory, upstream, **settings)
    try:
        yield running
        assert running.process.status is None, running.log[-2000:]
        assert "Traceback" not in running.log, running.log[-4000:]
    finally:
        running.process.stop()


class Upstream:
    """The simulated service in a process of its own, with constant answers; counts what arrives."""

    def __init__(self, directory: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        argv = [sys.executable, "-m", "antigravity_proxy.simulator", "--port", str(port)]
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        self.process = Process(argv, f"{self.url}/__stats", environment, directory / "upstream.log")

    def control(self, **knobs: int) -> None:
        """Sets the answers."""
        get(f"{self.url}/__control?" + "&".join(f"{name}={value}" for name, value in knobs.items()))

    def stats(self) -> dict[str, int]:
        """What arrived and left."""
        found: dict[str, int] = json.loads(get(f"{self.url}/__stats", 10))
        return found

    @property
    def requests(self) -> int:
        """Requests for answers so far."""
        return self.stats()["requests"]

    @contextmanager
    def left_alone(self) -> Iterator[None]:
        """Fails if a request arrives meanwhile."""
        before = self.requests
        yield
        assert self.requests == before


class Peak:
    """Watches a process's memory while a block runs: ``grown`` is its highest growth in MiB."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._over = threading.Event()
        self.grown = 0.0

    def __enter__(self) -> Peak:
        self._before = self._process.rss_kb()
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            self._look()
        self._look()

    def _look(self) -> None:
        self.grown = max(self.grown, (self._process.rss_kb() - self._before) / 1024)


def until(condition: Callable[[], bool], seconds: float) -> float:
    """Waits until something is so; gives the seconds that took, or fails."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not so within {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - began


def statuses(answer: bytes) -> list[int]:
    """The statuses of the answers in what came back, interim ones left out."""
    return [status for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer) if (status := int(found)) >= 200]
