"""A process that is killed outright: what its ledger has of it, and that the next one goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from support.command import call
from support.deferreds import deferred, in_thread
from support.process import Running, running
from support.stack import KEY
from twisted.internet import reactor

from antigravity_proxy.simulator.server import Simulator

pytestmark = pytest.mark.hostile

BODY = json.dumps({"model": "gemini-3-flash", "messages": [{"role": "user", "content": "Hello"}]})
#: what may be lost, in seconds
LOST = 10.0


@contextmanager
def client(daemon: Running) -> Iterator[Any]:
    """Asks once, at each call."""
    connection = HTTPConnection("127.0.0.1", daemon.port, timeout=10)

    def ask() -> None:
        connection.request("POST", "/v1/chat/completions", BODY, {"authorization": f"Bearer {KEY}"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()

    try:
        yield ask
    finally:
        connection.close()


def killed(directory: Path, environment: dict[str, str]) -> list[float]:
    """How long before its death each request was answered, in seconds."""
    with running(directory, environment, PROXY_STATE_DIR=str(directory / "state")) as daemon, client(daemon) as ask:
        answered, began = [], time.monotonic()
        while time.monotonic() - began < 13:
            ask()
            answered.append(time.monotonic())
            time.sleep(0.05)
        daemon.signal("SIGKILL")
        died = time.monotonic()
        assert daemon.end() == -9
    return [died - at for at in answered]


def counted(directory: Path) -> int:
    """The requests that the ledger has."""
    told = call("usage", "--state-dir", directory / "state", "--json")
    assert told.exit_code == 0, told.output
    return int(json.loads(told.stdout)["total"]["requests"])


def goes_on(directory: Path, environment: dict[str, str]) -> None:
    """The next process writes to the same directory at once."""
    with running(directory, environment, PROXY_STATE_DIR=str(directory / "state")) as daemon, client(daemon) as ask:
        ask()
        assert b'"warnings":[]' in daemon.get("/health")[1]
        daemon.signal("SIGTERM")
        daemon.end()


@deferred(90)
async def test_a_process_that_is_killed_loses_ten_seconds_of_usage_at_most(tmp_path: Path) -> None:
    simulator = Simulator(reactor)
    simulator.start()
    try:
        ages: list[float] = await in_thread(killed, tmp_path, simulator.environment)
        kept = await in_thread(counted, tmp_path)
        assert sum(age > LOST for age in ages) <= kept <= len(ages)
        lost = ages[kept:] or [0.0]
        print(f"usage: {len(ages) - kept} of {len(ages)} requests lost, the oldest {lost[0]:.1f} s before the kill")
        await in_thread(goes_on, tmp_path, simulator.environment)
        assert await in_thread(counted, tmp_path) == kept + 1
    finally:
        await simulator.stop()
