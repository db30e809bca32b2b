"""What a request costs the daemon through a key of the Gemini API, beside the same request through an account.

    python benchmarks/by_key.py [--rounds 15]

One daemon has both, and the model's prefix says which serves. Both ways take turns, the same requests each; the
daemon's CPU time is read from /proc. Prints the medians of the rounds and of their ratios.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from bench import MODEL, Bench

from antigravity_proxy.demo import SIMULATED_KEY

WAYS = ("accounts", "gemini")


def by(bench: Bench, way: str, requests: int) -> float:
    """CPU-ms of a JSON request, 16 at a time."""
    seen = bench.load(stream=False, model=f"{way}/{MODEL}", connections=16, requests=requests)
    return float(seen["cpu_ms"] / seen["ok"])


def events_by(bench: Bench, way: str, requests: int) -> float:
    """CPU-ms of 1,000 events, in bursts."""
    seen = bench.load(stream=True, model=f"{way}/{MODEL}", connections=16, requests=max(1, requests // 10))
    return float(seen["cpu_ms"] * 1000 / seen["events"])


#: figure → how it is measured, and the events of an answer
FIGURES: dict[str, tuple[Callable[[Bench, str, int], float], int]] = {
    "JSON request, 16 at a time": (by, 2),
    "1,000 events, burst": (events_by, 200),
}


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--requests", type=int, default=100, help="of each of 16 connections in a round")
    given = parser.parse_args()
    print("| CPU-ms | by an account | by a key | ratio |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(Path(directory))
        try:
            upstream = f"http://127.0.0.1:{bench.upstream_port}"
            bench.restart(GEMINI_API_KEYS=SIMULATED_KEY, PROXY_GEMINI_BASE_URL=upstream)
            for name, (measure, events) in FIGURES.items():
                bench.control(events=events, bytes=200, delay_ms=0)
                for way in WAYS:
                    measure(bench, way, given.requests)  # warm
                found = [[measure(bench, way, given.requests) for way in WAYS] for _ in range(given.rounds)]
                account, key = (statistics.median(each) for each in zip(*found, strict=True))
                ratio = statistics.median(key / account for account, key in found)
                print(f"| {name} | {account:.3f} | {key:.3f} | {ratio:.2f} |", flush=True)
        finally:
            bench.stop()


if __name__ == "__main__":
    main()
