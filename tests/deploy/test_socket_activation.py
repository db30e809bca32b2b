"""Sockets that systemd holds: the daemon serves on them, and a restart under load refuses nobody."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from support.stack import free_port

from antigravity_proxy.simulator.volume import write_volume

KEY = "sk-test"
TWISTD = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", "-n", "--pidfile=", "antigravity"]
CHAT = json.dumps({"model": "gemini-3-flash", "messages": [{"role": "user", "content": "Hello"}]})


@pytest.fixture
def upstream() -> Iterator[str]:
    """A simulated Google in a process of its own."""
    port = free_port()
    argv = [sys.executable, "-m", "antigravity_proxy.simulator", "--port", str(port), "--events", "3"]
    running = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        yield running.stdout.readline().strip()
    finally:
        running.kill()
        running.communicate()


@pytest.fixture
def environment(tmp_path: Path, upstream: str) -> dict[str, str]:
    """The daemon's settings; the ports in them are wrong, so that only the sockets' can be right."""
    write_volume(tmp_path / "volume", accounts=3, api_key=KEY)
    return {
        "PATH": os.environ["PATH"],
        "ANTIGRAVITY_DATA_DIR": str(tmp_path / "volume"),
        "READONLY_MODE": "true",
        "PROXY_INTERNAL_BASE_URLS": upstream,
        "PROXY_PORT": "1",
        "OAUTH_LISTEN_PORT": "1",
        "OAUTH_CALLBACK_PORT": "1",
    }


@contextmanager
def listening() -> Iterator[socket.socket]:
    """A socket as systemd makes it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen(1024)
        yield held


def serve_on(held: list[socket.socket], environment: dict[str, str], names: str) -> subprocess.Popen[bytes]:
    """The daemon, with these sockets handed over as systemd does."""

    def hand_over() -> None:
        spare = [os.dup(each.fileno()) for each in held]  # a target may be one of the sources
        for number, descriptor in enumerate(spare, 3):
            os.dup2(descriptor, number)

    return subprocess.Popen(
        ["/bin/sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", *TWISTD],
        env=environment | {"LISTEN_FDS": str(len(held)), "LISTEN_FDNAMES": names},
        preexec_fn=hand_over,
        close_fds=False,
        stdout=subprocess.DEVNULL,
    )


def end(daemon: subprocess.Popen[bytes]) -> int:
    """Ends it as systemd does; gives its status."""
    daemon.send_signal(signal.SIGTERM)
    try:
        return daemon.wait(20)
    finally:
        if daemon.poll() is None:
            daemon.kill()
            daemon.wait()


def ask(port: int, method: str, path: str, body: str | None = None) -> int:
    """One request on a connection of its own; gives the answer's status."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request(method, path, body, {"Authorization": f"Bearer {KEY}"})
        answer = connection.getresponse()
        answer.read()
        return answer.status


@pytest.mark.parametrize("names", ["admin:api", "unnamed:unnamed"])
def test_the_daemon_serves_on_the_sockets_it_is_handed(environment: dict[str, str], names: str) -> None:
    """By their names, whatever their order; without names of ours, the API's comes first."""
    with listening() as first, listening() as second:
        api, admin = (second, first) if names == "admin:api" else (first, second)
        daemon = serve_on([first, second], environment, names)
        try:
            assert ask(api.getsockname()[1], "POST", "/v1/chat/completions", CHAT) == 200
            assert ask(api.getsockname()[1], "GET", "/health/live") == 200
            assert ask(admin.getsockname()[1], "GET", "/health/live") != 200
        finally:
            assert end(daemon) == -signal.SIGTERM


def test_a_socket_open_to_all_without_a_key_is_refused(environment: dict[str, str], tmp_path: Path) -> None:
    """The socket's own address counts, not PROXY_HOST."""
    (tmp_path / "volume/gui_config.json").write_text('{"proxy": {}}')
    with socket.socket() as held:
        held.bind(("0.0.0.0", 0))
        held.listen()
        assert serve_on([held], environment, "api").wait(20) == 1


def test_a_restart_under_load_refuses_no_connection_and_fails_no_request(environment: dict[str, str]) -> None:
    seen: Counter[str] = Counter()
    over = threading.Event()
    environment["OAUTH_LISTEN_PORT"] = "0"

    def load(port: int) -> None:
        while not over.is_set():
            try:
                seen[str(ask(port, "POST", "/v1/chat/completions", CHAT))] += 1
            except (OSError, http.client.HTTPException) as e:
                seen[f"{type(e).__name__}: {e}"] += 1

    with listening() as held:
        port = held.getsockname()[1]
        clients = [threading.Thread(target=load, args=(port,)) for _ in range(8)]
        daemon = serve_on([held], environment, "api")
        try:
            for client in clients:
                client.start()
            for _ in range(3):
                served = seen["200"]
                until(lambda enough=served + 40: seen["200"] >= enough)
                assert end(daemon) == -signal.SIGTERM
                daemon = serve_on([held], environment, "api")
            served = seen["200"]
            until(lambda: seen["200"] >= served + 40)
        finally:
            over.set()
            for client in clients:
                client.join()
            end(daemon)
    assert set(seen) == {"200"}, seen


def until(condition: object, seconds: float = 30.0) -> None:
    """Waits until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.01)


@pytest.mark.skipif(shutil.which("systemd-socket-activate") is None, reason="no systemd-socket-activate here")
def test_systemds_own_activation_starts_it_with_the_first_connection(environment: dict[str, str]) -> None:
    api, admin = free_port(), free_port()
    passed = [f"--setenv={name}={value}" for name, value in environment.items()]
    argv = ["systemd-socket-activate", "-l", f"127.0.0.1:{api}", "-l", f"127.0.0.1:{admin}", "--fdname=api:admin"]
    waiting = subprocess.Popen([*argv, *passed, *TWISTD], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: is_open(admin))  # this connection is what starts it
        assert ask(api, "POST", "/v1/chat/completions", CHAT) == 200
    finally:
        assert end(waiting) == -signal.SIGTERM


def is_open(port: int) -> bool:
    """Whether something listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
