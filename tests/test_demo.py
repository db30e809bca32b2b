"""The demo, as a newcomer runs it: the printed lines are executed as they are printed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.deferreds import deferred
from support.stack import free_port

from antigravity_proxy.demo import daemon_environment
from antigravity_proxy.simulator.server import Simulator

COMMAND = [sys.executable, "-m", "antigravity_proxy.cli", "demo"]


def start(port: int, directory: Path, arguments: tuple[str, ...] = (), **settings: str) -> subprocess.Popen[str]:
    """Starts the demo with its temporary files below a directory of ours, as a process group of its own."""
    environment = {"PATH": "/usr/bin:/bin", "TMPDIR": str(directory), "PYTHONPATH": str(Path.cwd())} | settings
    return subprocess.Popen(
        [*COMMAND, "--port", str(port), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """What it prints, up to a line with these words."""
    assert process.stdout is not None
    printed = ""
    while words not in printed:
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        printed += line
    return printed


def is_listening(printed: str) -> bool:
    url = re.search(r"http://127.0.0.1:(\d+)$", printed, re.M)
    assert url is not None
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(url[1]))) == 0


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running demo, and what it printed. A setting of the user's own must not matter."""
    process = start(free_port(), tmp_path, PROXY_API_KEY="another", PROXY_HOST="nonsense", HTTP_PROXY="http://nowhere")
    try:
        yield process, read_until(process, "Ctrl-C")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_the_printed_lines_work_and_ctrl_c_leaves_nothing_behind(
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
    snippet = "\n".join(re.findall(r"^  (from openai.*|stream = .*|for chunk in .*)$", printed, re.M))
    answer = subprocess.run([sys.executable, "-c", snippet], capture_output=True, text=True, timeout=30, check=True)
    assert answer.stdout.strip() == "Hello from the simulated model. You said: Hello"
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    assert not list(tmp_path.iterdir())
    assert not is_listening(printed)


@pytest.mark.parametrize("model", ["gemini/gemini-3.8-flash", "vertex/claude-sonnet-4-6", "vertex/gemini-3.8-flash"])
def test_the_printed_models_of_official_credentials_answer(demo: tuple[subprocess.Popen[str], str], model: str) -> None:
    url = re.search(r"^  URL  (.*)$", demo[1], re.M)
    assert url is not None
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello"}]}).encode()
    headers = {"Authorization": "Bearer sk-demo", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url[1]}/v1/chat/completions", body, headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.headers["X-Antigravity-Upstream"] == model.partition("/")[0]
        assert b"Hello from the simulated model" in answer.read()


def test_official_credentials_alone(tmp_path: Path) -> None:
    """Without a volume: the model that is printed is served by the key, and nothing is degraded."""
    process = start(free_port(), tmp_path, ("--official",), HOME=str(tmp_path))
    try:
        printed = read_until(process, "Ctrl-C")
        assert "No account is there" in printed
        snippet = "\n".join(re.findall(r"^  (from openai.*|stream = .*|for chunk in .*)$", printed, re.M))
        asked = subprocess.run([sys.executable, "-c", snippet], capture_output=True, text=True, timeout=30, check=True)
        assert asked.stdout.strip() == "Hello from the simulated model. You said: Hello"
        url = re.search(r"^  URL  (.*)$", printed, re.M)
        assert url is not None
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url[1]}/health", timeout=10) as told:
            health = json.load(told)
        assert (health["status"], health["database"]) == ("healthy", "none")
        assert health["credentials"] == {"gemini": 1, "vertex": 1}
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=10)
    assert not list(tmp_path.iterdir())


def test_the_printed_status_page_is_there(demo: tuple[subprocess.Popen[str], str]) -> None:
    page = re.search(r"^Status page: (http://localhost:\d+/)", demo[1], re.M)
    assert page is not None
    request = urllib.request.Request(page[1], headers={"x-api-key": "sk-demo"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        body = answer.read().decode()
    assert "All is well" in body
    assert "Add an account" in body
    assert body.count(">Pause<") == 3


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_end_it_too(demo: tuple[subprocess.Popen[str], str], tmp_path: Path, end: signal.Signals) -> None:
    process, printed = demo
    process.send_signal(end)
    assert process.wait(10) == 0
    assert not list(tmp_path.iterdir())
    assert not is_listening(printed)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_further_signals_while_it_ends_change_nothing(
    demo: tuple[subprocess.Popen[str], str], tmp_path: Path, end: signal.Signals
) -> None:
    """One a millisecond, from the first until it is gone: at whatever moment of its end."""
    process, printed = demo
    deadline = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < deadline:
        process.send_signal(end)
        time.sleep(0.001)
    assert process.stderr is not None
    assert (process.returncode, process.stderr.read()) == (0, "")
    assert not list(tmp_path.iterdir())
    assert not is_listening(printed)


def test_a_mapped_port_is_printed_as_the_host_sees_it(tmp_path: Path) -> None:
    process = start(free_port(), tmp_path, arguments=("--url=http://127.0.0.1:21066/",))
    try:
        printed = read_until(process, "Ctrl-C")
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=10)
    assert printed.count("http://127.0.0.1:21066/v1") == 3
    assert str(process.args[-2]) not in printed  # type: ignore[index]


def test_ctrl_c_in_a_terminal_reaches_the_daemon_too_and_is_no_failure(
    demo: tuple[subprocess.Popen[str], str], tmp_path: Path
) -> None:
    process, _ = demo
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=10)
    assert (process.returncode, said) == (0, "")
    assert not list(tmp_path.iterdir())


def test_a_daemon_that_dies_is_told_with_its_last_lines(
    demo: tuple[subprocess.Popen[str], str], tmp_path: Path
) -> None:
    process, _ = demo
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():  # a kernel without it: the child is asked of ps
        told = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True).stdout
    else:
        told = children.read_text()
    os.kill(int(told.split()[0]), signal.SIGKILL)
    _, said = process.communicate(timeout=10)
    assert process.returncode == 1
    assert said.startswith("antigravity-proxy demo: the daemon died")
    assert "serving on" in said
    assert not list(tmp_path.iterdir())


def test_a_taken_port_is_one_line_and_status_1(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = start(taken.getsockname()[1], tmp_path)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert said.count("\n") == 1
    assert "choose another with --port" in said
    assert not list(tmp_path.iterdir())


@deferred()
async def test_the_daemon_gets_the_way_to_its_programs_and_no_setting_of_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from twisted.internet import reactor

    monkeypatch.setenv("PROXY_API_KEY", "mine")
    monkeypatch.setenv("https_proxy", "http://elsewhere")
    monkeypatch.setenv("PATH", "/bin")
    simulator = Simulator(reactor)
    simulator.start()
    environment = daemon_environment(simulator, tmp_path, 1234)
    await simulator.stop()
    assert environment["PATH"] == "/bin"
    assert environment["PROXY_PORT"] == "1234"
    assert environment["OAUTH_LISTEN_PORT"] == "0"
    assert environment["PROXY_INTERNAL_BASE_URLS"].startswith("http://127.0.0.1:")
    assert not {"PROXY_API_KEY", "https_proxy"} & environment.keys()
