"""Counts what a request costs exactly: system calls (by strace) and Python calls (by ``sys.setprofile``).

    make bench-counts               # or: python benchmarks/counts.py

Unlike times these figures hardly move with the machine's load, so they are gates: exit status 1 where one is over its
bound. Each is a difference of two runs, so that what the daemon does by itself drops out.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import bench

#: figure → its bound
BOUNDS = {
    "system calls a JSON request": 5.5,
    "system calls an event": 3.3,
    "Python calls a JSON request": 300,
}
TRIES = 3
CONNECTIONS, FEW, MANY = 16, 20, 120
STREAMS, EVENTS = 20, (20, 120)

#: the daemon, with a count of its Python calls; each SIGUSR2 appends the count to the file that it is given
COUNTED = """
import os, signal, sys
calls = 0
def count(frame, event, argument):
    global calls
    if event == "call":
        calls += 1
def tell(number, frame):
    with open(os.environ["COUNTS_FILE"], "a") as out:
        out.write(f"{calls}\\n")
from twisted.internet import reactor
reactor.callWhenRunning(lambda: (signal.signal(signal.SIGUSR2, tell), sys.setprofile(count)))
from twisted.scripts.twistd import run
run()
"""


def system_calls(running: bench.Bench, load: dict[str, int], *, stream: bool) -> tuple[int, int]:
    """The daemon's system calls while it is under load, and the number of what it was asked for."""
    tracer = subprocess.Popen(
        ["strace", "-f", "-c", "-U", "calls,name", "-p", str(running.daemon.pid)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while "TracerPid:\t0" in Path(f"/proc/{running.daemon.pid}/status").read_text():
        time.sleep(0.01)
    seen = running.load(stream=stream, **load)
    tracer.send_signal(signal.SIGINT)
    _, table = tracer.communicate(timeout=20)
    total = re.search(r"^ *(\d+) total$", table, re.M)
    if total is None:
        sys.exit(f"strace counted nothing:\n{table}")
    return int(total[1]), seen["events"] if stream else seen["ok"]


def python_calls(running: bench.Bench, counts: Path, requests: int) -> int:
    """The Python calls of so many requests on each connection."""

    def asked() -> int:
        known = len(counts.read_text().split()) if counts.exists() else 0
        running.daemon.send(signal.SIGUSR2)
        while not counts.exists() or len(counts.read_text().split()) == known:
            time.sleep(0.01)
        return int(counts.read_text().split()[-1])

    before = asked()
    running.load(stream=False, connections=CONNECTIONS, requests=requests)
    return asked() - before


def measure(directory: Path) -> dict[str, float]:
    """All figures."""
    found: dict[str, float] = {}
    running = bench.Bench(directory)
    try:
        running.control(events=2, bytes=200, delay_ms=0)
        running.load(stream=False, connections=CONNECTIONS, requests=FEW)
        if shutil.which("strace"):
            few, n_few = system_calls(running, {"connections": CONNECTIONS, "requests": FEW}, stream=False)
            many, n_many = system_calls(running, {"connections": CONNECTIONS, "requests": MANY}, stream=False)
            found["system calls a JSON request"] = (many - few) / (n_many - n_few)
            counted = []
            for events in EVENTS:
                running.control(events=events, delay_ms=50)
                counted.append(system_calls(running, {"connections": STREAMS, "requests": 1}, stream=True))
            (few, n_few), (many, n_many) = counted
            found["system calls an event"] = (many - few) / (n_many - n_few)
        else:
            print("no strace here: system calls are not counted", file=sys.stderr)
        counts = directory / "counts"
        running.restart(COUNTED, COUNTS_FILE=str(counts))
        running.control(events=2, bytes=200, delay_ms=0)
        python_calls(running, counts, FEW)
        few_calls, many_calls = python_calls(running, counts, FEW), python_calls(running, counts, MANY)
        found["Python calls a JSON request"] = (many_calls - few_calls) / (CONNECTIONS * (MANY - FEW))
    finally:
        running.stop()
    return found


def least() -> dict[str, float]:
    """All figures, the least of them: measured again while one is over its bound: other work only adds to them."""
    found: dict[str, float] = {}
    for _ in range(TRIES):
        with tempfile.TemporaryDirectory() as directory:
            for name, value in measure(Path(directory)).items():
                found[name] = min(value, found.get(name, value))
        if all(value <= BOUNDS[name] for name, value in found.items()):
            break
    return found


def main() -> None:
    found = least()
    print("| figure | measured | bound |\n|---|---|---|")
    for name, value in found.items():
        print(f"| {name} | {value:.2f} | {BOUNDS[name]} |")
    if any(value > BOUNDS[name] for name, value in found.items()):
        sys.exit(1)


if __name__ == "__main__":
    main()
