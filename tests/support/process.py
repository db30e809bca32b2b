"""The daemon as a process of its own, by ``twistd``: for what concerns the process as a whole."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.stack import KEY, free_port

from antigravity_proxy.simulator.volume import write_volume

TWISTD = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", "-n", "--pidfile=", "antigravity"]


class Running:
    """A daemon that serves, and what it has logged. ``end`` waits for its end."""

    def __init__(self, child: subprocess.Popen[bytes], port: int, directory: Path) -> None:
        self.child = child
        self.port = port
        self._log = directory / "out"

    @property
    def log(self) -> str:
        """All that came out of it."""
        return self._log.read_text()

    def get(self, path: str, key: str = KEY, **headers: str) -> tuple[int, bytes]:
        """Status and body of a page."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path, headers={"authorization": f"Bearer {key}"} | headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def signal(self, name: str) -> None:
        """Sends it a signal."""
        os.kill(self.child.pid, getattr(signal, name))

    def until(self, words: str, count: int = 1, seconds: float = 30) -> None:
        """Waits until its log has these words so often."""
        deadline = time.monotonic() + seconds
        while self.log.count(words) < count:
            assert time.monotonic() < deadline, self.log
            assert self.child.poll() is None, self.log
            time.sleep(0.02)

    def end(self, seconds: float = 10) -> int:
        """Its status, once it has ended; negative: by that signal."""
        return self.child.wait(seconds)


@contextmanager
def running(directory: Path, environment: dict[str, str] | None = None, **settings: str) -> Iterator[Running]:
    """A daemon on a volume of its own below a directory; ``settings`` and ``environment`` win over the usual ones."""
    volume = directory / "volume"
    if not volume.exists():
        write_volume(volume, accounts=2, api_key=KEY)
    port = free_port()
    usual = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(Path.cwd()),
        "ANTIGRAVITY_DATA_DIR": str(volume),
        "READONLY_MODE": "true",
        "PROXY_PORT": str(port),
        "OAUTH_LISTEN_PORT": "0",
        "PROXY_INTERNAL_BASE_URLS": "http://127.0.0.1:9",
    }
    with (directory / "out").open("wb") as out:
        child: subprocess.Popen[Any] = subprocess.Popen(
            TWISTD, env=usual | (environment or {}) | settings, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        daemon = Running(child, port, directory)
        daemon.until("the volume has 2 accounts")
        yield daemon
    finally:
        child.kill()
        child.wait()
