"""Health tells the truth in every state, asks nobody for it, and is cheap."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.deferreds import deferred, in_thread, until
from support.stack import KEY, Stack, stack
from support.volumes import update
from twisted.internet import reactor

from antigravity_proxy.operator import check
from antigravity_proxy.simulator.faults import Fault
from antigravity_proxy.simulator.volume import write_volume
from antigravity_proxy.startup import epoch
from antigravity_proxy.volume import snapshot


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is broken here stays so."""
    monkeypatch.setattr(snapshot, "PATIENCE", 0.05)


async def told(running: Stack) -> tuple[str, dict[str, int]]:
    """The status, and the code of each page."""
    codes, status = {}, ""
    for page in ("health", "health/live", "health/ready"):
        answer = await running.request("GET", f"/{page}", authorization="")
        codes[page.removeprefix("health/")] = answer.status
        status = status or answer.json["status"]
    assert running.simulator.requests == running.simulator.refreshes == []
    return status, codes


def all_well(running: Stack) -> None:
    """Nothing happens."""


def all_cool(running: Stack) -> None:
    """Every account waits for its quota."""
    from support.judging import judge

    from antigravity_proxy.canonical.verdict import Failure

    limited = judge(Failure(429, reason="QUOTA_EXHAUSTED", delay=60.0))
    for state in running.daemon.pool.states:
        running.daemon.pool.penalise(state, "gemini-3-flash", limited)


def all_barred(running: Stack) -> None:
    """Google has barred every account."""
    for state in running.daemon.pool.states:
        state.barred = "barred"


def all_expired(running: Stack) -> None:
    """No account has a live token, nor a way to one."""
    for state in running.daemon.pool.states:
        state.expires_at, state.refresh_after = 0.0, 1e12


def drains(running: Stack) -> None:
    """The daemon was asked to end."""
    running.daemon.health.draining = True


def database(change: Callable[[Path], None]) -> Callable[[Stack], None]:
    """Something happens to the database."""

    def happens(running: Stack) -> None:
        for suffix in ("-wal", "-shm"):
            (running.volume.directory / f"cloud_accounts.db{suffix}").unlink(missing_ok=True)
        change(running.volume.directory / "cloud_accounts.db")

    return happens


def halved(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def config_broken(running: Stack) -> None:
    """The app is writing its settings."""
    (running.volume.directory / "gui_config.json").write_text('{"proxy"')


OK = {"health": 200, "live": 200, "ready": 200}


@pytest.mark.parametrize(
    ("happens", "status", "codes"),
    [
        (all_well, "healthy", OK),
        (all_cool, "healthy", OK),
        (all_barred, "degraded", OK | {"ready": 503}),
        (all_expired, "degraded", OK | {"ready": 503}),
        (drains, "healthy", OK | {"ready": 503}),
        (config_broken, "healthy", OK),
        (database(lambda path: path.unlink()), "degraded", OK),
        (database(halved), "degraded", OK),
        (database(lambda path: path.write_bytes(b"")), "degraded", OK),
        (database(lambda path: path.write_bytes(os.urandom(9000))), "degraded", OK),
    ],
    ids=["well", "cooling", "barred", "expired", "draining", "config", "deleted", "half", "empty", "noise"],
)
@deferred()
async def test_each_state_while_running(
    tmp_path: Path, no_leaks: list[Any], happens: Callable[[Stack], None], status: str, codes: dict[str, int]
) -> None:
    async with stack(tmp_path) as running:
        happens(running)
        await running.daemon.volume.read()
        assert await told(running) == (status, codes)
        assert running.daemon.pool.states
        running.daemon.health.draining = False
    assert {*no_leaks} <= {"the volume can't be read: {reason}"}
    no_leaks.clear()


def no_volume(directory: Path) -> None:
    (directory / "cloud_accounts.db").unlink()


def wrong_key(directory: Path) -> None:
    (directory / ".keys/master.key").write_text("0" * 64)


def no_key(directory: Path) -> None:
    (directory / ".keys/master.key").unlink()


@pytest.mark.parametrize(
    ("accounts", "happens"),
    [(2, no_volume), (2, wrong_key), (2, no_key), (0, lambda directory: None)],
    ids=["no volume", "wrong key", "no key", "no account"],
)
@deferred()
async def test_each_state_at_the_start(
    tmp_path: Path, no_leaks: list[Any], accounts: int, happens: Callable[[Path], None]
) -> None:
    """It is up and says what is wrong: no snapshot was ever read, no key opens a row, or there is no account."""
    async with stack(tmp_path, accounts=accounts, written=happens) as running:
        assert await told(running) == ("unhealthy", {"health": 503, "live": 200, "ready": 503})
    assert {*no_leaks} <= {"the volume can't be read: {reason}"}
    no_leaks.clear()


@deferred(120)
async def test_it_is_quick_with_500_streams_open(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        running.simulator.script(*[Fault(pause=600.0)] * 500)
        body = json.dumps({"model": "gemini-3-flash", "stream": True, "messages": [{"role": "user", "content": "x"}]})
        request = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nx-api-key: {KEY}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

        def open_all() -> list[socket.socket]:
            opened = [socket.create_connection(("127.0.0.1", running.port), timeout=10) for _ in range(500)]
            for each in opened:
                each.sendall(request)
            return opened

        opened = await in_thread(open_all)
        await until(lambda: running.daemon.ledger.stream_count == 500, 60)
        began = time.process_time()
        for path in ["/health", "/health/ready", "/metrics"] * 10:
            answer = await running.request("GET", path, authorization="")
            assert answer.status == 200
        taken = time.process_time() - began
        for each in opened:
            each.close()
        await until(lambda: running.daemon.ledger.stream_count == 0)
    assert taken < 30 * 0.05


@deferred()
async def test_rows_that_do_not_open_any_more_serve_on_and_health_is_degraded(tmp_path: Path) -> None:
    other = write_volume(tmp_path / "other", accounts=2)
    with closing(sqlite3.connect(other.directory / "cloud_accounts.db")) as db:
        sealed = [token for (token,) in db.execute("SELECT token_json FROM accounts ORDER BY id")]
    async with stack(tmp_path) as running:
        for number, token in enumerate(sealed):
            update(running.volume.directory, number, token_json=token)
        await until(lambda: running.daemon.state.kept == 2, 8.0)
        health = await running.request("GET", "/health", authorization="")
        assert (health.status, health.json["status"], health.json["usable"]) == (200, "degraded", 2)
        assert health.json["volume"] | {"age": 0} == {
            "age": 0,
            "open": 0,
            "sealed": 2,
            "broken": 0,
            "leaving": 0,
            "kept": 2,
            "paused": 0,
        }
        assert any("key export" in words for words in health.json["warnings"])
        assert (await running.chat()).status == 200
        shutil.copy(other.directory / ".keys" / "master.key", running.volume.directory / ".keys" / "new.key")
        await until(lambda: running.daemon.state.kept == 0, 8.0)
        assert (await running.request("GET", "/health", authorization="")).json["status"] == "healthy"


@pytest.mark.parametrize(
    ("words", "token", "columns"),
    [
        ("belong to a provider that is never used here", {}, {"provider": "anthropic"}),
        ("are marked as expired by the desktop app", {}, {"status": "expired"}),
        (
            "have an access token that has expired, and no refresh token",
            {"expires_at": 1000, "refresh_token": ""},
            {},
        ),
    ],
)
@deferred()
async def test_why_no_account_is_usable_is_said_to_the_client_in_health_and_by_check(
    tmp_path: Path, words: str, token: dict[str, Any], columns: dict[str, str]
) -> None:
    async with stack(tmp_path, accounts=0) as running:
        running.volume.add(0, **token)
        if columns:
            update(running.volume.directory, 0, **columns)
        await until(lambda: len(running.daemon.pool.states) == 1 and not running.daemon.pool.usable())
        answer = await running.chat()
        assert answer.status == 503
        assert f": 1 of 1 {words};" in answer.json["error"]["message"]
        health = (await running.request("GET", "/health", authorization="")).json
        assert health["status"] == "degraded"
        (warning,) = (each for each in health["warnings"] if words in each)
        environ = {"ANTIGRAVITY_DATA_DIR": str(running.volume.directory)}
        report = await check.check(reactor, {}, environ, offline=True, epoch=epoch)
        assert warning in [finding.message for finding in report.findings]


@deferred()
async def test_an_empty_volume_is_said(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=0) as running:
        await until(lambda: running.daemon.state.read_at is not None)
        health = (await running.request("GET", "/health", authorization="")).json
        assert health["status"] == "unhealthy"
        assert any(warning.startswith("The volume contains no account") for warning in health["warnings"])
