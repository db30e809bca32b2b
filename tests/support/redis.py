"""A real redis-server of the test's own, on a free port."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hiredis
import pytest
from support.stack import free_port

SERVER = shutil.which("redis-server") or shutil.which("valkey-server")

#: what a test needs that needs Redis
needs_redis = pytest.mark.skipif(SERVER is None, reason="no redis-server here: apt-get install redis-server")


class RedisServer:
    """One server. ``arguments`` are its options beside those of every test."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.directory = directory
        self.port = free_port()
        self.arguments = arguments
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is, for a daemon."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        assert SERVER is not None
        options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(self.directory)]
        self.process = subprocess.Popen(
            [SERVER, "--port", str(self.port), *options, *self.arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(500):
            try:
                if self.ask("PING") is not None:
                    return
            except OSError:
                assert self.process.poll() is None, "redis-server has ended"
            time.sleep(0.01)
        raise AssertionError("redis-server never answered")

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """Ends it at once."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            self.process = None

    def ask(self, *words: str | bytes | int) -> Any:
        """The answer to a command, asked on a connection of its own; errors are returned."""
        reader = hiredis.Reader()
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(hiredis.pack_command(words))
            while (answer := reader.gets()) is False:
                data = connection.recv(1 << 20)
                if not data:
                    raise ConnectionResetError
                reader.feed(data)
        return answer

    def all_keys(self) -> list[bytes]:
        """All keys."""
        found: list[bytes] = self.ask("KEYS", "*")
        return sorted(found)


@contextmanager
def redis_server(directory: Path, *arguments: str) -> Iterator[RedisServer]:
    """A running server."""
    server = RedisServer(directory, *arguments)
    server.start()
    try:
        yield server
    finally:
        server.kill()
