"""Measures the daemon: CPU milliseconds per request and per streamed event, memory per stream, start-up.

    make bench                      # or: python benchmarks/bench.py [--runs 3] [--out docs/performance.md]

Load generator, simulated upstream and daemon are processes of their own; only the daemon's CPU time and memory are
counted, read from /proc. So the figures say what the daemon costs, not how fast this machine's cores were at the time;
still they move by some 10 % between runs (bursts by more), so the median of several runs is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from processes import Process, free_port, get

from antigravity_proxy.demo import TWISTD
from antigravity_proxy.simulator.volume import write_volume

HERE = Path(__file__).parent
KEY = "sk-benchmark"
MODEL = "gemini-3-flash"

#: figure → (unit, goal); the goals are those of docs/performance.md
GOALS = {
    "start to first answer": ("s", 0.8),
    "idle memory": ("MB", 75),
    "JSON request, 16 at a time": ("CPU-ms", 0.40),
    "1,000 events, paced": ("CPU-ms", 170),
    "1,000 events, burst": ("CPU-ms", 17),
    "1 MB request body": ("CPU-ms", 5),
    "added first byte, one client, p50": ("ms", 0.9),
    "added first byte, 50 streams, p50": ("ms", 1.4),
    "1,000 open streams, memory each": ("KB", 16),
    "3,000 open streams, memory each": ("KB", 16),
    "3,000 open streams, failures": ("", 0),
    "3,000 open streams, 1,000 events": ("CPU-ms", 130),
}


class Bench:
    """One simulated upstream and one daemon, and what is asked of them."""

    def __init__(self, directory: Path) -> None:
        self._dir = directory
        volume = directory / "volume"
        write_volume(volume, accounts=3, api_key=KEY)
        self.upstream_port, self.port = free_port(), free_port()
        env = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "VIRTUAL_ENV", "PYTHONPATH")}
        self.upstream = Process(
            [sys.executable, "-m", "antigravity_proxy.simulator", "--port", str(self.upstream_port)],
            f"http://127.0.0.1:{self.upstream_port}/__stats",
            env,
            directory / "upstream.log",
        )
        self._env = env | {
            "ANTIGRAVITY_DATA_DIR": str(volume),
            "READONLY_MODE": "true",
            "PROXY_PORT": str(self.port),
            "OAUTH_LISTEN_PORT": "0",
            "PROXY_INTERNAL_BASE_URLS": f"http://127.0.0.1:{self.upstream_port}",
            "GOOGLE_TOKEN_URL": f"http://127.0.0.1:{self.upstream_port}/token",
        }
        self.daemon = self._start()

    def _start(self, program: str = TWISTD[1], **env: str) -> Process:
        return Process(
            [sys.executable, TWISTD[0], program, *TWISTD[2:]],
            f"http://127.0.0.1:{self.port}/health/ready",
            self._env | env,
            self._dir / "daemon.log",
        )

    def restart(self, program: str = TWISTD[1], **env: str) -> Process:
        """A fresh daemon, run by ``program`` with more in its environment."""
        self.daemon.stop()
        self.daemon = self._start(program, **env)
        return self.daemon

    def as_floor(self, kind: str) -> None:
        """Puts one of `floors` in the daemon's place."""
        self.daemon.stop()
        argv = [sys.executable, str(HERE / "floors.py"), kind, "--port", str(self.port)]
        argv += ["--upstream", f"http://127.0.0.1:{self.upstream_port}"]
        self.daemon = Process(argv, f"http://127.0.0.1:{self.port}/", self._env, self._dir / "daemon.log")

    def stop(self) -> None:
        """Ends both."""
        self.daemon.stop()
        self.upstream.stop()

    def control(self, **knobs: int) -> None:
        """Sets the simulated upstream's knobs."""
        get(f"http://127.0.0.1:{self.upstream_port}/__control?" + "&".join(f"{k}={v}" for k, v in knobs.items()))

    def load(
        self, *, stream: bool, direct: bool = False, pad: int = 0, model: str = MODEL, **options: float
    ) -> dict[str, Any]:
        """Runs the load generator; adds the daemon's CPU-ms and its peak and initial memory in KiB."""
        body = self._dir / f"body-{stream}-{pad}.json"
        content = "Hello, say something. " + "x" * pad
        payload: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": content}]}
        path, port = "/v1/chat/completions", self.port
        if direct:
            payload = {
                "project": "p",
                "model": model,
                "requestId": "agent-1",
                "userAgent": "bench",
                "requestType": "agent",
                "request": {"contents": [{"role": "user", "parts": [{"text": content}]}]},
            }
            path, port = "/v1internal:streamGenerateContent?alt=sse", self.upstream_port
        elif stream:
            payload["stream"] = True
        body.write_text(json.dumps(payload))
        argv = [sys.executable, str(HERE / "load.py"), "--port", str(port), "--path", path, "--body", str(body)]
        argv += ["--key", "ya29.sim-0" if direct else KEY] + (["--stream"] if stream and not direct else [])
        for name, value in options.items():
            argv += [f"--{name}", str(value)]
        cpu, rss = self.daemon.cpu_ms(), self.daemon.rss_kb()
        peak, over = [rss], threading.Event()

        def watch() -> None:
            while not over.wait(0.2):
                peak[0] = max(peak[0], self.daemon.rss_kb())

        watcher = threading.Thread(target=watch)
        watcher.start()
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        over.set()
        watcher.join()
        seen: dict[str, Any] = json.loads(done.stdout)
        seen.update(cpu_ms=self.daemon.cpu_ms() - cpu, rss_kb=rss, peak_kb=peak[0])
        if seen["failed"]:
            print(f"  {seen['failed']} failed: {seen['first_error']}", file=sys.stderr)
        return seen


def measure(bench: Bench) -> dict[str, float]:
    """One run of everything that is worth repeating."""
    found: dict[str, float] = {}
    bench.control(events=2, bytes=200, delay_ms=0)
    bench.load(stream=False, connections=16, seconds=1.0)
    bench.load(stream=True, connections=16, seconds=1.0)
    seen = bench.load(stream=False, connections=16, seconds=3)
    found["JSON request, 16 at a time"] = seen["cpu_ms"] / seen["ok"]
    seen = bench.load(stream=False, connections=4, seconds=3, pad=1_000_000)
    found["1 MB request body"] = seen["cpu_ms"] / seen["ok"]
    bench.control(events=20, delay_ms=50)
    seen = bench.load(stream=True, connections=50, ramp=50, seconds=5)
    found["1,000 events, paced"] = seen["cpu_ms"] * 1000 / seen["events"]
    direct = bench.load(stream=True, direct=True, connections=50, ramp=50, seconds=3)
    found["added first byte, 50 streams, p50"] = (seen["first_byte_us_p50"] - direct["first_byte_us_p50"]) / 1000
    bench.control(events=200, delay_ms=0)
    seen = bench.load(stream=True, connections=100, requests=2)
    found["1,000 events, burst"] = seen["cpu_ms"] * 1000 / seen["events"]
    bench.control(events=10, delay_ms=0)
    seen = bench.load(stream=True, connections=1, seconds=2)
    direct = bench.load(stream=True, direct=True, connections=1, seconds=2)
    found["added first byte, one client, p50"] = (seen["first_byte_us_p50"] - direct["first_byte_us_p50"]) / 1000
    return found


def measure_streams(bench: Bench, count: int) -> dict[str, float]:
    """Many open streams at one event a second, on a fresh daemon."""
    bench.restart()
    bench.control(events=2, bytes=200, delay_ms=0)
    bench.load(stream=True, connections=4, requests=5)
    time.sleep(1)
    bench.control(events=20, delay_ms=1000)
    seen = bench.load(stream=True, connections=count, ramp=500, requests=1)
    found = {
        f"{count:,} open streams, memory each": (seen["peak_kb"] - seen["rss_kb"]) / count,
        f"{count:,} open streams, failures": seen["failed"],
        f"{count:,} open streams, 1,000 events": seen["cpu_ms"] * 1000 / max(seen["events"], 1),
    }
    return {name: value for name, value in found.items() if name in GOALS}


def run(runs: int, report: Callable[[str], None]) -> dict[str, float]:
    """Everything, ``runs`` times; the medians."""
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(Path(directory))
        try:
            starts = []
            for _ in range(max(3, runs)):
                starts.append(bench.restart().started)
                time.sleep(1)
            results = [{"start to first answer": s, "idle memory": bench.daemon.rss_kb() / 1024} for s in starts]
            for i in range(runs):
                report(f"run {i + 1} of {runs}")
                results.append(measure(bench))
            for count in (1000, 3000):
                report(f"{count} open streams")
                results.append(measure_streams(bench, count))
        finally:
            bench.stop()
    return {name: statistics.median(r[name] for r in results if name in r) for name in GOALS}


#: figure → its goal as a ratio to the lean floor, and to the raw one
RATIOS = {
    "JSON request, 16 at a time": (4.5, 0.65),
    "JSON request, one at a time": (2.2, None),
    "1,000 events, paced": (1.2, None),
    "1,000 events, burst": (0.7, None),
}


def measure_pairs(rounds: int, report: Callable[[str], None]) -> dict[str, dict[str, float]]:
    """The figures of RATIOS for the daemon and both floors, in turn; medians."""
    found: dict[str, dict[str, list[float]]] = {name: {} for name in RATIOS}
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(Path(directory))
        try:
            for i in range(rounds):
                report(f"round {i + 1} of {rounds}")
                for kind in ("daemon", "lean", "raw"):
                    if kind == "daemon":
                        bench.restart()
                    else:
                        bench.as_floor(kind)
                    for name, value in _pair(bench).items():
                        found[name].setdefault(kind, []).append(value)
        finally:
            bench.stop()
    return {name: {kind: statistics.median(v) for kind, v in kinds.items()} for name, kinds in found.items()}


def _pair(bench: Bench) -> dict[str, float]:
    bench.control(events=2, bytes=200, delay_ms=0)
    bench.load(stream=False, connections=16, seconds=0.5)
    bench.load(stream=True, connections=16, seconds=0.5)
    many = bench.load(stream=False, connections=16, seconds=2)
    one = bench.load(stream=False, connections=1, seconds=2)
    bench.control(events=20, delay_ms=50)
    paced = bench.load(stream=True, connections=50, ramp=50, seconds=3)
    bench.control(events=200, delay_ms=0)
    burst = bench.load(stream=True, connections=100, requests=2)
    return {
        "JSON request, 16 at a time": many["cpu_ms"] / many["ok"],
        "JSON request, one at a time": one["cpu_ms"] / one["ok"],
        "1,000 events, paced": paced["cpu_ms"] * 1000 / paced["events"],
        "1,000 events, burst": burst["cpu_ms"] * 1000 / burst["events"],
    }


def ratios(figures: dict[str, dict[str, float]]) -> str:
    """The pairs as a Markdown table."""
    rows = [
        "| CPU-ms | daemon | lean floor | raw floor | to lean | goal | to raw | goal |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, (lean, raw) in RATIOS.items():
        kinds = figures[name]
        mine = kinds["daemon"]
        rows.append(
            f"| {name} | {mine:.3f} | {kinds['lean']:.3f} | {kinds['raw']:.3f} | {mine / kinds['lean']:.2f} | ≤ {lean} "
            f"| {mine / kinds['raw']:.2f} | {f'≤ {raw}' if raw else ''} |"
        )
    return "\n".join(rows)


def table(figures: dict[str, float]) -> str:
    """The figures as a Markdown table."""
    rows = ["| figure | measured | goal |", "|---|---|---|"]
    for name, (unit, goal) in GOALS.items():
        value = figures[name]
        shown = f"{value:.0f}" if value >= 20 else f"{value:.2f}"
        rows.append(f"| {name} | {shown} {unit}".rstrip() + f" | ≤ {goal} {unit}".rstrip() + " |")
    return "\n".join(rows)


def main() -> None:
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--runs", type=int, default=3)
    a.add_argument("--rounds", type=int, default=5, help="of the daemon and both floors in turn; 0: none")
    a.add_argument("--only-ratios", action="store_true")
    o = a.parse_args()
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def report(line: str) -> None:
        print(line, file=sys.stderr)

    if o.rounds:
        print(ratios(measure_pairs(o.rounds, report)), end="\n\n")
    if not o.only_ratios:
        print(table(run(o.runs, report)))


if __name__ == "__main__":
    main()
