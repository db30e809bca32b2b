"""Signals to the real process: it drains, ends, re-reads, reopens, or takes no notice; never a traceback."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from support.process import TWISTD, Running, running
from support.stack import KEY

from antigravity_proxy.simulator.volume import write_volume


@contextmanager
def upstream() -> Iterator[int]:
    """An upstream that takes a connection and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


@contextmanager
def request_under_way(daemon: Running) -> Iterator[socket.socket]:
    """A request that waits for upstream."""
    body = json.dumps({"model": "gemini-3-flash", "messages": [{"role": "user", "content": "x"}]}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nx-api-key: {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=10) as s:
        s.sendall(head.encode() + body)
        deadline = time.monotonic() + 5
        while b"antigravity_requests_open 1.0" not in daemon.get("/metrics")[1]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield s


def test_hup_usr1_and_pipe_are_survived_and_a_second_term_ends_at_once(tmp_path: Path) -> None:
    with upstream() as port, running(tmp_path, PROXY_INTERNAL_BASE_URLS=f"http://127.0.0.1:{port}") as daemon:
        with request_under_way(daemon) as waiting:
            for name in ("SIGHUP", "SIGUSR1", "SIGPIPE"):
                daemon.signal(name)
            daemon.until("settings re-read")
            assert daemon.get("/health/live")[0] == 200
            daemon.signal("SIGTERM")
            daemon.until("draining")
            assert daemon.child.poll() is None
            daemon.signal("SIGTERM")
            assert daemon.end(5) == -signal.SIGTERM
            assert waiting.recv(100) == b""
        assert "Traceback" not in daemon.log


def test_one_term_ends_by_the_signal_and_so_does_ctrl_c(tmp_path: Path) -> None:
    for name in ("SIGTERM", "SIGINT"):
        with running(tmp_path) as daemon:
            daemon.signal(name)
            assert daemon.end() == -getattr(signal, name)
            assert "Traceback" not in daemon.log


def test_hup_re_reads_secrets_from_their_files_and_keeps_the_last_good_ones(tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text("sk-first")
    with running(tmp_path, PROXY_API_KEY_FILE=str(key_file)) as daemon:
        assert daemon.get("/v1/models", "sk-first")[0] == 200
        key_file.write_text("sk-second")
        daemon.signal("SIGHUP")
        daemon.until("settings re-read")
        assert daemon.get("/v1/models", "sk-second")[0] == 200
        assert daemon.get("/v1/models", "sk-first")[0] == 401
        key_file.write_text("")
        daemon.signal("SIGHUP")
        daemon.until("the settings were not changed")
        assert daemon.get("/v1/models", "sk-second")[0] == 200
        assert "sk-" not in daemon.log


@pytest.mark.parametrize("name", ["SIGHUP", "SIGUSR1"])
def test_the_log_file_is_opened_anew(tmp_path: Path, name: str) -> None:
    log = tmp_path / "log"
    with running(tmp_path, LOG_FILE=str(tmp_path / "out")) as daemon:
        (tmp_path / "out").rename(log)
        daemon.get("/v1/models")
        deadline = time.monotonic() + 5
        while "openai models 200" not in log.read_text():  # written behind the answer
            assert time.monotonic() < deadline
            time.sleep(0.02)
        daemon.signal(name)
        deadline = time.monotonic() + 5
        while not (tmp_path / "out").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        daemon.get("/v1/models")
        daemon.until("openai models 200")


@contextmanager
def held_at_its_start(directory: Path, *before: str) -> Iterator[subprocess.Popen[str]]:
    """The process while it reads its settings: a file that they name is a pipe which nobody fills."""
    pipe = directory / "key"
    os.mkfifo(pipe)
    write_volume(directory / "volume", accounts=1, api_key=KEY)
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(Path.cwd()),
        "ANTIGRAVITY_DATA_DIR": str(directory / "volume"),
        "PROXY_API_KEY_FILE": str(pipe),
    }
    child = subprocess.Popen(
        [*before, *TWISTD], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    writer = -1
    try:
        deadline = time.monotonic() + 20
        while writer < 0:
            assert time.monotonic() < deadline
            assert child.poll() is None
            with suppress(OSError):  # nobody reads it yet
                writer = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            time.sleep(0.02)
        yield child
    finally:
        child.kill()
        child.wait()
        if writer >= 0:
            os.close(writer)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_before_the_reactor_runs_ends_it_at_once_without_a_word(tmp_path: Path, name: str) -> None:
    with held_at_its_start(tmp_path) as child:
        os.kill(child.pid, getattr(signal, name))
        out, _ = child.communicate(timeout=5)
        assert (child.returncode, out) == (-getattr(signal, name), "")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_process_1_of_a_container_hears_it_too(tmp_path: Path, name: str) -> None:
    alone = ("unshare", "--pid", "--fork", "--kill-child")
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("no process namespaces here")
    with held_at_its_start(tmp_path, *alone) as child:
        first = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()[0]
        os.kill(int(first), getattr(signal, name))
        out, _ = child.communicate(timeout=5)
        assert (child.returncode, out) == (0, "")
