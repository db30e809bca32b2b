"""Takes snapshot after snapshot of a database that a writer never leaves alone, and judges every one.

Run as a program: ``support.hammer DIRECTORY STYLE SNAPSHOTS [MOUNT]``. With MOUNT the snapshots are taken through a
read-only bind mount there; that takes a mount namespace of its own. Prints one line of JSON.
"""

from __future__ import annotations

import json
import mmap
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

WRITER = """
import mmap, sqlite3, struct, sys, time
path, published, style = sys.argv[1:]
with open(published, "r+b") as file:
    board = mmap.mmap(file.fileno(), 8)
def connect():
    db = sqlite3.connect(path, isolation_level=None, timeout=30)
    db.execute("PRAGMA synchronous=OFF")
    if style != "rollback":
        db.execute("PRAGMA journal_mode=WAL")
    return db
held = None if style == "app" else connect()
number = 0
while True:
    number += 1
    db = held or connect()
    db.execute("UPDATE accounts SET name = ?", (str(number),))
    if style == "vacuum" and number % 20 == 0:
        db.execute("VACUUM")
    if held is None:
        db.close()
    board[:8] = struct.pack("<Q", number)
    if style in ("rollback", "checkpoints", "vacuum"):
        time.sleep(0.003)  # a journal has no generations: a reader needs a moment of rest
"""

CHECKPOINTS = """
import itertools, sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
for mode in itertools.cycle(("PASSIVE", "FULL", "RESTART", "TRUNCATE")):
    try:
        db.execute(f"PRAGMA wal_checkpoint({mode})")
    except sqlite3.OperationalError:
        pass
    time.sleep(0.002)
"""

#: ``app`` opens, commits and closes as the desktop app does; the others hold their connection
STYLES = ("app", "flat out", "checkpoints", "vacuum", "rollback")


def hammer(directory: Path, style: str, snapshots: int, seen_at: Path) -> dict[str, Any]:
    """Takes the snapshots, through ``seen_at``; gives how many were wrong, stale or given up, and what it took."""
    from support.volumes import make_database, snapshot_of

    from antigravity_proxy.volume.database import rows
    from antigravity_proxy.volume.snapshot import NotReady

    path, published = directory / "cloud_accounts.db", directory / "published"
    make_database(path, 64, journal_mode="delete" if style == "rollback" else "wal").close()
    published.write_bytes(bytes(8))
    programs = [[WRITER, str(path), str(published), style]]
    if style in ("checkpoints", "vacuum"):
        programs.append([CHECKPOINTS, str(path)])
    running = [subprocess.Popen([sys.executable, "-c", *program]) for program in programs]
    found = {"taken": 0, "wrong": 0, "stale": 0, "gave up": 0}
    last, slowest = 0, 0.0
    with published.open("r+b") as file, mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ) as board:

        def committed() -> int:
            return int(struct.unpack("<Q", board[:8])[0])

        while not committed():
            assert running[0].poll() is None
        while found["taken"] + found["gave up"] < snapshots:
            floor, began = committed(), time.monotonic()
            try:
                numbers = {int(row["name"]) for row in rows(snapshot_of(seen_at))}
            except NotReady:
                found["gave up"] += 1  # no moment of rest in two seconds: giving up is right, being wrong is not
                continue
            slowest = max(slowest, time.monotonic() - began)
            found["taken"] += 1
            found["wrong"] += len(numbers) != 1
            found["stale"] += max(numbers) < max(floor, last)
            last = max(numbers)
        alive = all(program.poll() is None for program in running)
        commits = committed()
    for program in running:
        program.kill()
        program.wait()
    return found | {"commits": commits, "writers lived": alive, "slowest ms": round(slowest * 1000)}


def main(directory: str, style: str, snapshots: str, mount: str = "") -> None:
    """As a program."""
    source, seen_at = Path(directory), Path(mount or directory)
    if mount:
        seen_at.mkdir()
        subprocess.run(["mount", "--bind", source, seen_at], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", seen_at], check=True)
    print(json.dumps(hammer(source, style, int(snapshots), seen_at)))


if __name__ == "__main__":
    main(*sys.argv[1:])
