"""Measures the daemon: CPU milliseconds per request and per streamed event, memory per stream, start-up.

    make bench                      # or: python benchmarks/bench.py [--rounds 5] [--only-ratios]

Load generator, simulated upstream and daemon are processes of their own; only the daemon's CPU time and memory are
counted, read from /proc. Milliseconds depend on the machine, and on what else it does; so the daemon takes turns with
two floors (`floors`), and the ratios are what counts: medians over the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
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

from processes import Process, free_port, get, listens
from tools import Own, Tools, chosen

from antigravity_proxy.demo import TWISTD
from antigravity_proxy.simulator.volume import write_volume

HERE = Path(__file__).parent
KEY = "sk-benchmark"
MODEL = "gemini-3-flash"


class Bench:
    """One simulated upstream and one daemon, and what is asked of them. ``tools``: the project's own by default."""

    def __init__(self, directory: Path, tools: Tools | None = None) -> None:
        self._dir = directory
        self.tools: Tools = Own() if tools is None else tools
        volume = directory / "volume"
        write_volume(volume, accounts=3, api_key=KEY)
        self.upstream_port, self.port, self._tls_port = free_port(), free_port(), free_port()
        env = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "VIRTUAL_ENV", "PYTHONPATH")}
        upstream = f"http://127.0.0.1:{self.upstream_port}"
        self.upstream = Process(
            self.tools.upstream(self.upstream_port), f"{upstream}/__stats", env, directory / "upstream.log"
        )
        self._front: subprocess.Popen[bytes] | None = None
        self._env = env | {
            "ANTIGRAVITY_DATA_DIR": str(volume),
            "READONLY_MODE": "true",
            "PROXY_PORT": str(self.port),
            "OAUTH_LISTEN_PORT": "0",
            "PROXY_INTERNAL_BASE_URLS": upstream,
            "GOOGLE_TOKEN_URL": f"{upstream}/token",
        }
        self._is_floor = False
        self._events = 0  # of a stream, as the upstream was told
        self.daemon = self._start()

    def _start(self, program: str = TWISTD[1], **env: str) -> Process:
        self._is_floor = False
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

    def over_tls(self) -> None:
        """A fresh daemon whose upstream speaks TLS."""
        if self._front is None:
            argv = [sys.executable, str(HERE / "tls_front.py"), "--port", str(self._tls_port)]
            argv += ["--upstream", str(self.upstream_port), "--directory", str(self._dir)]
            self._front = subprocess.Popen(argv)
            while not listens(self._tls_port):
                time.sleep(0.01)
        url = f"https://localhost:{self._tls_port}"
        self.restart(PROXY_INTERNAL_BASE_URLS=url, UPSTREAM_CA_FILE=str(self._dir / "ca.pem"))

    def as_floor(self, kind: str) -> None:
        """Puts one of `floors` in the daemon's place."""
        self.daemon.stop()
        argv = [sys.executable, str(HERE / "floors.py"), kind, "--port", str(self.port)]
        argv += ["--upstream", str(self.upstream_port)]
        self.daemon = Process(argv, f"http://127.0.0.1:{self.port}/", self._env, self._dir / "daemon.log")
        self._is_floor = True

    def stop(self) -> None:
        """Ends all."""
        self.daemon.stop()
        self.upstream.stop()
        if self._front is not None:
            self._front.kill()
            self._front.wait()

    def control(self, *, events: int | None = None, bytes: int | None = None, delay_ms: int | None = None) -> None:
        """Sets the simulated upstream's knobs."""
        self._events = self._events if events is None else events
        get(f"http://127.0.0.1:{self.upstream_port}" + self.tools.knobs(events, bytes, delay_ms))

    def load(
        self,
        *,
        stream: bool,
        direct: bool = False,
        pad: int = 0,
        connections: int = 1,
        seconds: float | None = None,
        requests: int | None = None,
        ramp: float = 0,
        model: str = MODEL,
    ) -> dict[str, Any]:
        """Runs the load generator; adds the daemon's CPU-ms and its peak and initial memory in KiB."""
        body = self._dir / f"body-{stream}-{direct}-{pad}.json"
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
        argv = self.tools.load(
            port,
            path,
            body,
            "ya29.sim-0" if direct else KEY,
            connections=connections,
            seconds=seconds,
            requests=requests,
            ramp=ramp,
            events=self._events if stream else 0,
        )
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
        seen = self.tools.read(done.stdout)
        seen.update(cpu_ms=self.daemon.cpu_ms() - cpu, rss_kb=rss, peak_kb=peak[0])
        if seen["failed"]:
            print(f"  {seen['failed']} failed: {seen['first_error']}", file=sys.stderr)
        return seen

    def warm(self) -> None:
        """Lets whatever serves get into its stride."""
        self.control(events=2, bytes=200, delay_ms=0)
        self.load(stream=False, connections=16, seconds=0.7)
        self.load(stream=True, connections=16, seconds=0.7)


#: what is told of each
JSON, ALONE = "JSON request, 16 at a time", "JSON request, one at a time"
PACED, BURST = "1,000 events, paced", "1,000 events, burst"
FIRST_ALONE, FIRST_OF_MANY = "added first byte, one client, p50", "added first byte, 50 streams, p50"
#: figure → (unit, most of the lean floor's, most of the raw floor's)
RATIOS: dict[str, tuple[str, float, float | None]] = {
    JSON: ("CPU-ms", 4.5, 0.65),
    ALONE: ("CPU-ms", 2.2, None),
    PACED: ("CPU-ms", 1.2, None),
    BURST: ("CPU-ms", 0.7, None),
    FIRST_ALONE: ("ms", 1.3, None),
    FIRST_OF_MANY: ("ms", 3.5, None),
}
TLS_RATIO = 1.4
#: figure → (unit, bound), of the daemon alone
BOUNDS = {
    "start to first answer": ("s", 0.8),
    "idle memory": ("MB", 75),
    "1 MB request body": ("CPU-ms", 5),
    "3,000 open streams, memory each": ("KB", 11),
    "3,000 open streams, failures": ("", 0),
    "3,000 open streams, 1,000 events": ("CPU-ms", 130),
    "3,000 open streams over TLS, memory each": ("KB", 60),
    "3,000 open streams over TLS, failures": ("", 0),
}
Rounds = dict[str, dict[str, list[float]]]


def measure(bench: Bench) -> dict[str, float]:
    """The figures of RATIOS, of whatever serves; first bytes with the upstream's own."""
    bench.warm()
    seen = bench.load(stream=False, connections=16, seconds=2)
    found = {JSON: seen["cpu_ms"] / seen["ok"]}
    seen = bench.load(stream=False, connections=1, seconds=1.5)
    found[ALONE] = seen["cpu_ms"] / seen["ok"]
    bench.control(events=10)
    found[FIRST_ALONE] = bench.load(stream=True, connections=1, seconds=1)["first_byte_us_p50"] / 1000
    bench.control(events=20, delay_ms=50)
    seen = bench.load(stream=True, connections=50, ramp=50, seconds=3)
    found[PACED] = seen["cpu_ms"] * 1000 / seen["events"]
    found[FIRST_OF_MANY] = seen["first_byte_us_p50"] / 1000
    bench.control(events=200, delay_ms=0)
    seen = bench.load(stream=True, connections=100, requests=3)
    found[BURST] = seen["cpu_ms"] * 1000 / seen["events"]
    return found


def first_bytes(bench: Bench) -> dict[str, float]:
    """The upstream's own first bytes, in milliseconds."""
    bench.control(events=10, bytes=200, delay_ms=0)
    alone = bench.load(stream=True, direct=True, connections=1, seconds=1)["first_byte_us_p50"] / 1000
    bench.control(events=20, delay_ms=50)
    many = bench.load(stream=True, direct=True, connections=50, ramp=50, seconds=3)["first_byte_us_p50"] / 1000
    return {FIRST_ALONE: alone, FIRST_OF_MANY: many}


def measure_rounds(bench: Bench, rounds: int, report: Callable[[str], None]) -> Rounds:
    """The figures of daemon, floors, and daemon over TLS (of that JSON alone), in turn, for each round."""
    found: Rounds = {name: {} for name in RATIOS}
    for i in range(rounds):
        report(f"round {i + 1} of {rounds}")
        own = first_bytes(bench)
        for kind in ("daemon", "lean", "raw"):
            if kind == "daemon":
                bench.restart()
            else:
                bench.as_floor(kind)
            for name, value in measure(bench).items():
                found[name].setdefault(kind, []).append(value - own.get(name, 0.0))
        bench.over_tls()
        bench.warm()
        seen = bench.load(stream=False, connections=16, seconds=2)
        found[JSON].setdefault("TLS", []).append(seen["cpu_ms"] / seen["ok"])
    return found


def measure_streams(bench: Bench, count: int, where: str) -> dict[str, float]:
    """Many open streams at one event a second, on a fresh daemon."""
    bench.control(events=2, bytes=200, delay_ms=0)
    bench.load(stream=True, connections=4, requests=5)
    time.sleep(1)
    bench.control(events=20, delay_ms=1000)
    seen = bench.load(stream=True, connections=count, ramp=500, requests=1)
    return {
        f"{count:,} open streams{where}, memory each": (seen["peak_kb"] - seen["rss_kb"]) / count,
        f"{count:,} open streams{where}, failures": seen["failed"],
        f"{count:,} open streams{where}, 1,000 events": seen["cpu_ms"] * 1000 / max(seen["events"], 1),
    }


def measure_alone(bench: Bench, runs: int, report: Callable[[str], None]) -> dict[str, float]:
    """The figures of BOUNDS."""
    starts, bodies = [], []
    report("starts and large bodies")
    for _ in range(runs):
        starts.append(bench.restart().started)
        time.sleep(1)
        idle = bench.daemon.rss_kb() / 1024
        bench.warm()
        seen = bench.load(stream=False, connections=4, seconds=2, pad=1_000_000)
        bodies.append(seen["cpu_ms"] / seen["ok"])
    found = {
        "start to first answer": statistics.median(starts),
        "idle memory": idle,
        "1 MB request body": statistics.median(bodies),
    }
    report("3,000 open streams")
    bench.restart()
    found |= measure_streams(bench, 3000, "")
    report("3,000 open streams over TLS")
    bench.over_tls()
    return found | measure_streams(bench, 3000, " over TLS")


def _shown(value: float) -> str:
    return f"{value:.0f}" if value >= 20 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def ratios(found: Rounds) -> str:
    """The rounds' medians as a Markdown table, the ratios first: each the median of its rounds."""
    rows = ["| figure | to lean | bound | to raw | bound | daemon | lean | raw |", "|---|---|---|---|---|---|---|---|"]

    def to(name: str, one: str, other: str) -> str:
        pairs = zip(found[name][one], found[name][other], strict=True)
        return f"{statistics.median(mine / theirs for mine, theirs in pairs):.2f}"

    for name, (unit, lean, raw) in RATIOS.items():
        daemon, of_lean, of_raw = (_shown(statistics.median(found[name][kind])) for kind in ("daemon", "lean", "raw"))
        rows.append(
            f"| {name} | {to(name, 'daemon', 'lean')} | ≤ {lean} | {to(name, 'daemon', 'raw')} "
            f"| {'' if raw is None else f'≤ {raw}'} | {daemon} {unit} | {of_lean} | {of_raw} |"
        )
    rows += ["", f"A JSON request over TLS to one without: {to(JSON, 'TLS', 'daemon')} (bound {TLS_RATIO})."]
    return "\n".join(rows)


def table(figures: dict[str, float]) -> str:
    """The daemon's own figures as a Markdown table."""
    rows = ["| figure | measured | bound |", "|---|---|---|"]
    for name, (unit, bound) in BOUNDS.items():
        shown = str(figures[name]) if not unit else f"{_shown(figures[name])} {unit}"
        rows.append(f"| {name} | {shown} | ≤ {bound} {unit}".rstrip() + " |")
    return "\n".join(rows)


def main() -> None:
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--rounds", type=int, default=5, help="of the daemon and both floors in turn; 0: none")
    a.add_argument("--only-ratios", action="store_true")
    a.add_argument("--own-tools", action="store_true", help="load generator and upstream in Python, whatever is there")
    o = a.parse_args()
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def report(line: str) -> None:
        print(line, file=sys.stderr)

    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        bench = Bench(directory, Own() if o.own_tools else chosen(directory))
        try:
            if o.rounds:
                table_of_ratios = ratios(measure_rounds(bench, o.rounds, report))
                load = os.getloadavg()[0]
                print(f"Tools in {bench.tools.name}, Python {platform.python_version()}, load average {load:.1f}\n")
                print(f"{table_of_ratios}\n")
            if not o.only_ratios:
                print(table(measure_alone(bench, 3, report)))
        finally:
            bench.stop()


if __name__ == "__main__":
    main()
