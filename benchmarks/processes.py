"""Starts the processes of a benchmark and reads what they cost from /proc (Linux)."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024


def free_port() -> int:
    """A port that nothing listens on at the moment."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def get(url: str, timeout: float = 2) -> bytes:
    """The body of a page; raises OSError."""
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        body: bytes = answer.read()
        return body


class Process:
    """A child process that listens; ``started`` is its time from spawn to first answer in seconds."""

    def __init__(self, argv: list[str], ready_url: str, env: dict[str, str], log: Path) -> None:
        began = time.perf_counter()
        with log.open("wb") as out:
            self._child = subprocess.Popen(
                argv, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
            )
        while True:
            try:
                get(ready_url)
                break
            except OSError:
                if self._child.poll() is not None or time.perf_counter() - began > 20:
                    sys.exit(f"{argv} did not start:\n{log.read_text()[-2000:]}")
                time.sleep(0.005)
        self.started = time.perf_counter() - began

    def cpu_ms(self) -> float:
        """CPU time used so far, user and system, in milliseconds."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * 1000 / TICKS

    def rss_kb(self) -> int:
        """Resident memory in KiB."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE_KB

    def descriptors(self) -> int:
        """Open descriptors."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    @property
    def pid(self) -> int:
        """Its id."""
        return self._child.pid

    @property
    def status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._child.poll()

    def send(self, number: int) -> None:
        """Sends it a signal."""
        self._child.send_signal(number)

    def stop(self) -> None:
        """Ends it."""
        self._child.terminate()
        try:
            self._child.wait(5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
