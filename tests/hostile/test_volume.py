"""A volume that is locked, broken, late or gone: what was good serves on, and nothing opens a closed proxy."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from processes import free_port
from support.mounting import UNSHARE, may_mount
from support.stack import KEY
from support.target import Peak, Target, Upstream, target, until
from support.volumes import trace

from antigravity_proxy.demo import TWISTD

pytestmark = pytest.mark.hostile

Observe = Callable[[str], None]


def status(daemon: Target) -> str:
    found: str = daemon.ask("GET", "/health").json["status"]
    return found


@pytest.mark.row("volume changes")
def test_changes_are_in_effect_and_nothing_fails_between(tmp_path: Path, upstream: Upstream, observe: Observe) -> None:
    with target(tmp_path, upstream.url, accounts=1) as daemon:

        def accounts(count: int) -> bool:
            assert daemon.well()
            found: int = daemon.ask("GET", "/health").json["accounts"]
            return found == count

        until(lambda: accounts(1), 5)
        daemon.volume.add(1)
        added = until(lambda: accounts(2), 3)
        daemon.volume.remove(1)
        removed = until(lambda: accounts(1), 6)
        database = daemon.volume.directory / "cloud_accounts.db"
        daemon.volume.add(1)
        daemon.volume.add(2)
        with closing(sqlite3.connect(database)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        until(lambda: accounts(3), 5)
        shutil.copy(database, tmp_path / "copy.db")
        with closing(sqlite3.connect(tmp_path / "copy.db")) as db, db:
            db.execute("DELETE FROM accounts WHERE id LIKE '%2'")
            db.execute("PRAGMA journal_mode=DELETE")
        os.replace(tmp_path / "copy.db", database)
        renamed = until(lambda: accounts(2), 6)
    observe(
        f"added {added:.1f} s, removed {removed:.1f} s (confirmed twice), renamed over {renamed:.1f} s; none failed"
    )


@pytest.mark.row("exclusive lock")
def test_an_exclusive_lock_of_eight_seconds(tmp_path: Path, upstream: Upstream, observe: Observe) -> None:
    with target(tmp_path, upstream.url) as daemon:
        until(daemon.well, 5)
        with closing(sqlite3.connect(daemon.volume.directory / "cloud_accounts.db", isolation_level=None)) as db:
            db.execute("PRAGMA locking_mode=EXCLUSIVE")
            db.execute("BEGIN EXCLUSIVE")
            db.execute("UPDATE accounts SET name = 'locked'")
            began, slowest, count = time.monotonic(), 0.0, 0
            while time.monotonic() - began < 8:
                asked = time.monotonic()
                assert daemon.well()
                slowest, count = max(slowest, time.monotonic() - asked), count + 1
                time.sleep(0.05)
            db.execute("ROLLBACK")
    observe(f"{count} answered, the slowest in {slowest * 1000:.0f} ms")
    assert slowest <= 1


@pytest.mark.row("broken volume")
def test_a_volume_that_breaks_while_it_runs(tmp_path: Path, upstream: Upstream, observe: Observe) -> None:
    with target(tmp_path, upstream.url) as daemon:
        until(lambda: status(daemon) == "healthy", 5)
        database = daemon.volume.directory / "cloud_accounts.db"
        for name in ("cloud_accounts.db-wal", "cloud_accounts.db-shm"):
            (daemon.volume.directory / name).unlink(missing_ok=True)
        good = database.read_bytes()
        broken: dict[str, Callable[[], object]] = {
            "noise": lambda: database.write_bytes(os.urandom(len(good))),
            "half": lambda: database.write_bytes(good[: len(good) // 2]),
            "0 bytes": lambda: database.write_bytes(b""),
            "a header alone": lambda: database.write_bytes(good[:100]),
            "text": lambda: database.write_text("<html>"),
            "deleted": database.unlink,
        }
        slowest = 0.0
        for name, change in broken.items():
            change()
            until(lambda: status(daemon) == "degraded", 8)
            assert daemon.well(), name
            database.write_bytes(good)
            slowest = max(slowest, until(lambda: status(daemon) == "healthy", 8))
    observe(f"{len(broken)}/6 served meanwhile, degraded; well again <= {slowest:.1f} s")


@pytest.mark.row("hostile volume")
def test_a_volume_that_somebody_made_to_do_harm(tmp_path: Path, upstream: Upstream, observe: Observe) -> None:
    with target(tmp_path, upstream.url) as daemon:
        until(lambda: status(daemon) == "healthy", 5)
        directory = daemon.volume.directory
        with closing(sqlite3.connect(directory / "cloud_accounts.db")) as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("CREATE TABLE other (x)")
            logged = (directory / "cloud_accounts.db-wal").read_bytes()
        good = {name: (directory / name).read_bytes() for name in ("cloud_accounts.db", "gui_config.json")}

        def restore() -> None:
            (directory / "cloud_accounts.db-wal").unlink(missing_ok=True)
            for name, content in good.items():
                (directory / name).write_bytes(content)

        def huge(name: str, content: bytes) -> None:
            (directory / name).write_bytes(content)
            os.truncate(directory / name, 100 << 30)

        def endless() -> None:
            (directory / "cloud_accounts.db").unlink()
            with closing(sqlite3.connect(directory / "cloud_accounts.db")) as db:
                db.execute(
                    "CREATE VIEW accounts AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
                    " SELECT i AS id, 'google' AS provider, '' AS email, '' AS token_json FROM n"
                )

        attacks: dict[str, Callable[[], object]] = {
            "database": lambda: huge("cloud_accounts.db", good["cloud_accounts.db"]),
            "log": lambda: huge("cloud_accounts.db-wal", logged),
            "configuration": lambda: huge("gui_config.json", good["gui_config.json"]),
            "view": endless,
        }
        slowest = waited = 0.0
        with Peak(daemon.process) as peak:
            for attack in (attack for attack in attacks.values() for _ in range(2)):
                attack()
                until(lambda: said(daemon), 8)
                for _ in range(20):
                    asked = time.monotonic()
                    assert daemon.well()
                    waited = max(waited, time.monotonic() - asked)
                restore()
                slowest = max(slowest, until(lambda: status(daemon) == "healthy" and not said(daemon), 8))
        log = daemon.log
    lines = [line for line in log.splitlines() if "can't be read" in line or "is not a table" in line]
    observe(
        f"{len(attacks)}/4 said, served meanwhile; others <= {waited * 1000:.0f} ms; memory +{peak.grown:.0f} MiB; "
        f"{len(lines)} lines, {log.count('Traceback')} tracebacks; well again <= {slowest:.1f} s"
    )
    assert peak.grown <= 64
    assert waited <= 0.5
    assert "Traceback" not in log
    assert len(lines) <= 2 * 2 * len(attacks)


def said(daemon: Target) -> bool:
    """Whether health says that something of the volume can't be read."""
    found = daemon.ask("GET", "/health").json
    return found["database"] != "connected" or any("can't be read" in words for words in found["warnings"])


@pytest.mark.row("late volume")
def test_a_volume_and_a_key_that_come_late(tmp_path: Path, upstream: Upstream, observe: Observe) -> None:
    with target(tmp_path, upstream.url) as daemon:
        directory, away = daemon.volume.directory, tmp_path / "away"
        daemon.process.stop()
        directory.rename(away)
        daemon.process = daemon.start()
        assert daemon.ask("GET", "/health").status == 503
        assert daemon.chat().status == 401  # not even the key is known
        shutil.copytree(away, directory, ignore=shutil.ignore_patterns(".keys"))
        until(lambda: daemon.chat().status == 503, 5)
        assert not (directory / ".keys").exists()
        shutil.copytree(away / ".keys", directory / ".keys")
        seconds = until(daemon.well, 5)
    observe(f"503 without a key file, none made; well {seconds:.1f} s after it came")


BROKEN = {
    "half": '{"proxy":{"api_key":"sk-',
    "empty": "",
    "noise": "\x00\x01garbage",
    "{}": "{}",
    "null": "null",
    "key null": '{"proxy":{"api_key":null}}',
    "key 7": '{"proxy":{"api_key":7}}',
    "deleted": None,
}


@pytest.mark.row("broken config")
def test_a_configuration_that_breaks_opens_nothing(tmp_path: Path, upstream: Upstream, observe: Observe) -> None:
    count = 0
    with target(tmp_path, upstream.url) as daemon:
        config = daemon.volume.directory / "gui_config.json"
        good = config.read_text()
        for name, content in BROKEN.items():
            write(config, content)
            time.sleep(1)
            assert daemon.ask("GET", "/v1/models", x_api_key="").status == 401, name
            assert daemon.ask("GET", "/v1/models").status == 200, name
            count += 1
            config.write_text(good)
            time.sleep(0.3)
    with target(tmp_path / "start", upstream.url) as daemon:
        config = daemon.volume.directory / "gui_config.json"
        daemon.process.stop()
        for name, content in BROKEN.items():
            write(config, content)
            with started(daemon.environment | {"PROXY_HOST": "0.0.0.0"}) as (port, process):
                listening = until_listening(port, process)
                if listening:
                    daemon.port = port
                    assert daemon.ask("GET", "/v1/models", x_api_key="").status == 401, name
                else:
                    assert process.wait(10) in (1, 2), name
            count += 1
        config.write_text(good)
        daemon.port = int(daemon.environment["PROXY_PORT"])
        daemon.process = daemon.start()
    observe(f"{count}/16 closed: 401, or no start")


def write(config: Path, content: str | None) -> None:
    if content is None:
        config.unlink(missing_ok=True)
    else:
        config.write_text(content)


@contextmanager
def started(environment: dict[str, str]) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A daemon that may refuse to start."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, *TWISTD],
        env=environment | {"PROXY_PORT": str(port)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield port, process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def until_listening(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Whether it listens; not if it ends before."""
    probe = Target.__new__(Target)
    probe.port = port
    while process.poll() is None:
        try:
            probe.connect(0.5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return True
    return False


@pytest.mark.row("full disk")
@pytest.mark.skipif(not may_mount(), reason="needs mounts of its own")
def test_nothing_is_writable(tmp_path: Path, upstream: Upstream, observe: Observe) -> None:
    """Every directory where a temporary file could go is a full file system, or none that takes any."""
    full = tmp_path / "full"
    full.mkdir()
    fill = f"mount -t tmpfs -o size=4k tmpfs {full} && dd if=/dev/zero of={full}/x bs=4k count=9 2>/dev/null"
    script = f'{fill}; export TMPDIR={full}; exec "$@"'
    with target(tmp_path, upstream.url, before=(*UNSHARE, "sh", "-c", script, "sh"), READONLY_MODE="false") as daemon:
        until(daemon.well, 5)
        large = daemon.chat(text="x" * 1_000_000)
        assert large.status == 200
    observe("up, 200, a body of 1 MB too")


@pytest.mark.row("untouched", "tokens in memory")
def test_a_whole_run_leaves_the_volume_as_it_was(tmp_path: Path, upstream: Upstream, observe: Observe) -> None:
    with target(tmp_path, upstream.url) as daemon:
        before = trace(daemon.volume.directory)
        for number in range(200):
            assert daemon.chat(stream=bool(number % 2)).status == 200
        for page in ("/health", "/metrics", "/v1/models", "/capacity"):
            assert daemon.ask("GET", page).status == 200
        assert daemon.ask("GET", "/v1/models", x_api_key=KEY + "x").status == 401
        time.sleep(3)
        after = trace(daemon.volume.directory)
    assert after == before
    observe(f"0 changes to {len(before)} files and directories, no new file")
