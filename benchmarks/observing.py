"""Measures what it costs to watch: CPU microseconds per request for record and observers, and per look at metrics.

python benchmarks/observing.py
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from choosing import pool_of
from msgspec.structs import replace
from twisted.internet.task import Clock

from antigravity_proxy.canonical.credential import ACCOUNTS
from antigravity_proxy.canonical.model_file import BUNDLED
from antigravity_proxy.daemon import gauges
from antigravity_proxy.logs import Output
from antigravity_proxy.startup import epoch
from antigravity_proxy.state.store import StateStore
from antigravity_proxy.state.usage import UsageLedger
from antigravity_proxy.telemetry.access import AccessLog
from antigravity_proxy.telemetry.metrics import Figure, Metrics, single
from antigravity_proxy.telemetry.record import Attempt, Ledger, Observer
from antigravity_proxy.telemetry.why import WhyLog

#: CPU microseconds that record and metrics may take of a request, without the access line
GOAL = 20.0
REQUESTS = 50_000


def per_request(*observers: Observer) -> float:
    """CPU microseconds for one request's record and what these do with it; the best of three."""
    ledger = Ledger(time.monotonic, epoch)
    for observer in observers:
        ledger.observe_later(observer)
    return min(_requests(ledger) for _ in range(3))


def _requests(ledger: Ledger) -> float:
    began = time.process_time()
    for _ in range(REQUESTS):
        record = ledger.open("req_0123456789abcdef01234567", "POST", "openai", "chat")
        record.asked = record.model = "gemini-3-flash"
        record.family, record.status, record.bytes_out = "gemini", 200, 400
        record.first_byte, record.tokens_in, record.tokens_out = 0.01, 10, 100
        record.attempts.append(
            Attempt("00000000-0000-4000-8000-000000000001", 0.001, 0.01, reason="", upstream=ACCOUNTS)
        )
        ledger.close(record)
    return (time.process_time() - began) / REQUESTS * 1e6


def per_look(accounts: int) -> float:
    """CPU milliseconds for one look at metrics, with every model asked for and half the accounts cooling."""
    pool, metrics = pool_of(accounts, 0.5), Metrics()
    for model in BUNDLED.accounts:
        pool.lease(model)
        pool.free_in(model)
    for status in (200, 429, 503):
        for dialect in ("openai", "anthropic", "gemini"):
            record = Ledger(time.monotonic).open("req", "POST", dialect, "chat")
            record.status, record.family = status, "gemini"
            metrics(record)
    usable = Figure("antigravity_accounts_usable", "As the health page counts them.", single(pool.usable))
    metrics.watch([*gauges.of_pools({ACCOUNTS: pool}), usable, replace(usable, name="antigravity_accounts_out_of_use")])
    began = time.process_time()
    for _ in range(20):
        metrics.render("")
    return (time.process_time() - began) / 20 * 1e3


def main() -> int:
    """Prints the figures; status 1 when the goal is missed."""
    devnull = Output(os.devnull)
    kinds: dict[str, Callable[[], float]] = {
        "the record alone": per_request,
        "record and metrics": lambda: per_request(Metrics()),
        "record and access line": lambda: per_request(AccessLog(devnull, "text", epoch)),
        "record, usage ledger and why": lambda: per_request(
            UsageLedger(StateStore(Clock(), epoch, None), epoch), WhyLog()
        ),
    }
    print("| per request | CPU-µs |\n|---|---|")
    found = {name: measure() for name, measure in kinds.items()}
    for name, cost in found.items():
        print(f"| {name} | {cost:.1f} |")
    print("\n| a look at `/metrics` | CPU-ms |\n|---|---|")
    for accounts in (10, 10_000):
        print(f"| {accounts:,} accounts | {per_look(accounts):.1f} |")
    return 1 if found["record and metrics"] > GOAL else 0


if __name__ == "__main__":
    sys.exit(main())
