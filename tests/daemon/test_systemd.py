"""What systemd hears: readiness, signs of life, the end; over its real kind of socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.deferreds import deferred, until
from support.stack import stack
from twisted.internet.task import Clock

from antigravity_proxy.daemon.systemd import Notifier, Sockets, sockets


class Manager:
    """systemd's end."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + path[1:] if path.startswith("@") else path)
        self._socket.setblocking(False)
        self.environment = {"NOTIFY_SOCKET": path}

    def heard(self) -> list[str]:
        """What came since the last time, without its STATUS."""
        found = []
        try:
            while True:
                found.append(self._socket.recv(4096).decode().partition("\n")[0])
        except BlockingIOError:
            return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["file", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    found = Manager(f"@antigravity-test-{os.getpid()}" if request.param == "abstract" else str(tmp_path / "notify"))
    yield found
    found.close()


def test_a_sign_of_life_comes_twice_in_the_watchdogs_time_until_the_very_end(manager: Manager) -> None:
    clock = Clock()
    notifier = Notifier(clock, manager.environment | {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())})
    notifier.startService()
    notifier.ready()
    clock.pump([15, 15])
    assert manager.heard() == ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]
    notifier.stopping()
    clock.advance(15)
    assert manager.heard() == ["STOPPING=1", "WATCHDOG=1"]
    notifier.stopService()
    clock.advance(60)
    assert manager.heard() == []


@pytest.mark.parametrize("asked", [{}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}])
def test_without_a_watchdog_for_this_process_there_is_no_sign_of_life(manager: Manager, asked: dict[str, str]) -> None:
    clock = Clock()
    notifier = Notifier(clock, manager.environment | asked)
    notifier.startService()
    clock.advance(60)
    assert manager.heard() == []
    notifier.stopService()


def test_nobody_listens_and_nothing_happens(tmp_path: Path) -> None:
    """Neither without systemd, nor when its socket is gone."""
    for environment in ({}, {"NOTIFY_SOCKET": str(tmp_path / "gone"), "WATCHDOG_USEC": "2000000"}):
        clock = Clock()
        notifier = Notifier(clock, environment)
        notifier.startService()
        notifier.ready()
        clock.advance(1)
        notifier.stopping()
        notifier.stopService()
        assert not clock.getDelayedCalls()


@deferred()
async def test_the_daemon_is_ready_when_its_accounts_are_known(tmp_path: Path) -> None:
    manager = Manager(str(tmp_path / "notify"))
    heard: list[str] = []

    def came(word: str) -> bool:
        heard.extend(manager.heard())
        return word in heard

    try:
        async with stack(tmp_path, **manager.environment) as running:
            await until(lambda: came("READY=1"))
            assert (await running.chat()).status == 200
        assert came("STOPPING=1")
        assert heard == ["READY=1", "STOPPING=1"]
    finally:
        manager.close()


def test_nothing_is_handed_over_without_systemd() -> None:
    from twisted.internet import reactor

    assert sockets(reactor) == Sockets()
