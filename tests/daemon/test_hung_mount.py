"""A data directory in a mount that hangs already at the start: the daemon is up, closed, says so, and recovers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from support.deferreds import deferred, until
from support.stack import KEY, Stack
from twisted.internet import reactor

from antigravity_proxy import startup
from antigravity_proxy.settings import limits
from antigravity_proxy.simulator.server import Simulator
from antigravity_proxy.simulator.volume import write_volume
from antigravity_proxy.volume import files
from antigravity_proxy.volume.reader import VolumeReader
from antigravity_proxy.volume.threads import HANGS, within


class Mount:
    """A mount in which every look at the volume hangs until ``mend``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._answers = Event()
        for name in ("read_config", "signature"):
            monkeypatch.setattr(VolumeReader, name, self._hanging(getattr(VolumeReader, name)))
        monkeypatch.setattr(files, "lies_in", self._hanging(files.lies_in))

    def mend(self) -> None:
        """Lets go of all who hang."""
        self._answers.set()

    def _hanging(self, look: Callable[..., Any]) -> Callable[..., Any]:
        def hang(*where: Any) -> Any:
            self._answers.wait(30)
            return look(*where)

        return hang


def test_work_is_waited_for_no_longer_than_that() -> None:
    assert within(5.0, lambda: "done") == "done"
    with pytest.raises(ZeroDivisionError):
        within(5.0, lambda: 1 / 0)


@deferred()
async def test_a_mount_that_hangs_holds_up_no_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FIRST_READ", 0.2)
    monkeypatch.setattr(limits, "SLOW_READ", 0.2)
    mount, volume = Mount(monkeypatch), write_volume(tmp_path / "volume", accounts=1, api_key=KEY)
    simulator = Simulator(reactor)
    simulator.start()
    environment = simulator.environment | {
        "ANTIGRAVITY_DATA_DIR": str(volume.directory),
        "READONLY_MODE": "true",
        "OAUTH_LISTEN_PORT": "0",
        "PROXY_STATE_DIR": str(tmp_path / "state"),
        "PROXY_CLIENT_KEYS_FILE": str(tmp_path / "keys.json"),
        "LOG_LEVEL": "error",
    }
    running = Stack(simulator, volume, environment)
    daemon = running.daemon
    daemon.privilegedStartService()
    daemon.startService()
    try:
        health = await running.request("GET", "/health")
        assert (health.status, health.json["status"], health.json["database"]) == (503, "unhealthy", HANGS)
        assert (await running.chat()).status == 401  # no key is known, so none opens it
        mount.mend()
        await until(lambda: daemon.state.config is not None and daemon.pool.usable() == 1, 8.0)
        assert (await running.chat()).status == 200
        assert (await running.request("GET", "/health")).json["status"] == "healthy"
    finally:
        await daemon.stopService()
        await simulator.stop()


def test_where_nothing_can_be_found_out_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert startup.is_writable(tmp_path)
    monkeypatch.setattr(limits, "FIRST_READ", 0.0)
    mended = Event()
    monkeypatch.setattr(os, "access", lambda path, mode: mended.wait())
    try:
        assert not startup.is_writable(tmp_path)
    finally:
        mended.set()
