"""What a volume costs by its number of accounts: reading it, noticing a change, memory, and how long the reactor waits.

Each size runs in a process of its own, with the daemon's own service around the reader; prints a table.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from antigravity_proxy.simulator.volume import FAR, VolumeWriter

SIZES = (10, 1_000, 100_000)
#: seconds between two looks at the clock in the reactor
BEAT = 0.001


def fill(directory: Path, count: int) -> None:
    """A volume of ``count`` accounts, with tokens of a usual length."""
    writer = VolumeWriter(directory)
    writer.configure(api_key="sk-bench")
    with closing(sqlite3.connect(directory / "cloud_accounts.db")) as db, db:
        db.executemany(
            "INSERT INTO accounts (id, provider, email, name, token_json, created_at, last_used)"
            " VALUES (?, 'google', ?, ?, ?, 1, ?)",
            (
                (
                    f"00000000-0000-4000-8000-{number:012}",
                    f"account-{number}@example.com",
                    f"Account {number}",
                    writer.seal(
                        {
                            "access_token": f"ya29.sim-{number}" + "x" * 180,
                            "refresh_token": f"1//sim-{number}" + "y" * 80,
                            "expiry_timestamp": FAR,
                            "project_id": f"project-{number}",
                        }
                    ),
                    number,
                )
                for number in range(count)
            ),
        )


def change(directory: Path) -> None:
    """One account's row, as the desktop app would write it, when a line comes in."""
    sys.stdin.readline()
    with closing(sqlite3.connect(directory / "cloud_accounts.db")) as db, db:
        db.execute("UPDATE accounts SET name = 'changed' WHERE id LIKE '%-000000000003'")


def measure(directory: Path) -> dict[str, Any]:
    """In a process of its own: the daemon over the volume, from its start to the change in effect."""
    from twisted.internet import reactor

    from antigravity_proxy.daemon import service
    from antigravity_proxy.volume.reader import VolumeReader

    found: dict[str, Any] = {"read": [], "look": [], "lag": 0.0}

    def timed(name: str, into: str) -> None:
        real = getattr(VolumeReader, name)

        def run(reader: VolumeReader) -> Any:
            began = time.perf_counter()
            try:
                return real(reader)
            finally:
                found[into].append((time.perf_counter() - began) * 1000)

        setattr(VolumeReader, name, run)

    timed("read", "read")
    timed("signature", "look")
    environment = {
        "ANTIGRAVITY_DATA_DIR": str(directory),
        "READONLY_MODE": "true",
        "PROXY_PORT": "18045",
        "OAUTH_LISTEN_PORT": "0",
        "LOG_LEVEL": "error",
    }
    daemon: Any = service.make({}, environment)
    # begun now: to fork a process of half a gigabyte would itself hold up the reactor
    changer = subprocess.Popen([sys.executable, __file__, "change", str(directory)], stdin=subprocess.PIPE, text=True)
    last = time.perf_counter()

    def beat() -> None:
        nonlocal last
        now = time.perf_counter()
        found["lag"] = max(found["lag"], (now - last - BEAT) * 1000)
        last = now
        if len(found["read"]) == 1 and not found.get("changed"):
            found["changed"] = True
            assert changer.stdin is not None
            changer.stdin.write("now\n")
            changer.stdin.flush()
        if len(found["read"]) >= 2:
            reactor.callLater(0.5, done)
            return
        reactor.callLater(BEAT, beat)

    def done() -> None:
        began = time.perf_counter()
        daemon.health.now()
        found["health"] = (time.perf_counter() - began) * 1000
        found["memory"] = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
        print(json.dumps(found), flush=True)
        os._exit(0)

    def start() -> None:
        nonlocal last
        daemon.privilegedStartService()
        daemon.startService()
        last = time.perf_counter()
        beat()

    reactor.callWhenRunning(start)
    reactor.run()
    return found


def main() -> None:
    """Prints the table."""
    print("| accounts | database | first read | one changed | a look | health | memory | reactor held up, most |")
    print("|---|---|---|---|---|---|---|---|")
    for size in SIZES:
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            fill(directory, size)
            megabytes = (directory / "cloud_accounts.db").stat().st_size / 1e6
            run = subprocess.run(
                [sys.executable, __file__, "measure", name], capture_output=True, text=True, check=True
            )
        found = json.loads(run.stdout)
        first, second = found["read"][:2]
        print(
            f"| {size:,} | {megabytes:.1f} MB | {first:,.0f} ms | {second:,.0f} ms | {min(found['look']):.2f} ms "
            f"| {found['health']:.1f} ms | {found['memory']:.0f} MB | {found['lag']:.0f} ms |"
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["measure"]:
        measure(Path(sys.argv[2]))
    elif sys.argv[1:2] == ["change"]:
        change(Path(sys.argv[2]))
    else:
        main()
