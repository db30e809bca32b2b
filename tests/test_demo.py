"""The demo, as a newcomer runs it: the printed lines are executed as they are printed."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.stack import free_port

COMMAND = [sys.executable, "-m", "antigravity_proxy.cli", "demo"]


def start(port: int, directory: Path) -> subprocess.Popen[str]:
    """Starts the demo with its temporary files below a directory of ours."""
    environment = {"PATH": "/usr/bin:/bin", "TMPDIR": str(directory), "PYTHONPATH": str(Path.cwd())}
    return subprocess.Popen(
        [*COMMAND, "--port", str(port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running demo, and what it printed."""
    process = start(free_port(), tmp_path)
    assert process.stdout is not None
    printed = ""
    while "Ctrl-C" not in printed:
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        printed += line
    yield process, printed
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_the_printed_lines_work_and_nothing_stays_behind(
    demo: tuple[subprocess.Popen[str], str], tmp_path: Path
) -> None:
    process, printed = demo
    assert list(tmp_path.iterdir())
    curl = re.search(r"^  (curl .*)$", printed, re.M)
    assert curl is not None
    if shutil.which("curl"):
        streamed = subprocess.run(["sh", "-c", curl[1]], capture_output=True, text=True, timeout=20, check=True).stdout
        assert streamed.count("data: ") > 4
        assert streamed.rstrip().endswith("data: [DONE]")
    snippet = "\n".join(re.findall(r"^  (from openai.*|client = .*|print\(client.*)$", printed, re.M))
    answer = subprocess.run([sys.executable, "-c", snippet], capture_output=True, text=True, timeout=30, check=True)
    assert "Hello from the simulated model. You said: Hello" in answer.stdout
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    assert not list(tmp_path.iterdir())


def test_sigterm_ends_it_too(demo: tuple[subprocess.Popen[str], str], tmp_path: Path) -> None:
    process, printed = demo
    url = re.search(r"http://127.0.0.1:(\d+)$", printed, re.M)
    assert url is not None
    process.send_signal(signal.SIGTERM)
    process.wait(10)
    assert not list(tmp_path.iterdir())
    deadline = time.monotonic() + 5
    with socket.socket() as probe:
        while probe.connect_ex(("127.0.0.1", int(url[1]))) == 0:
            assert time.monotonic() < deadline


def test_a_taken_port_is_one_line_and_status_1(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = start(taken.getsockname()[1], tmp_path)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert said.count("\n") == 1
    assert "choose another with --port" in said
