"""What every test has: no test leaves a timer behind, or an error in the log that it did not expect."""

from __future__ import annotations

import gc
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from twisted.internet import reactor
from twisted.logger import LogEvent, LogLevel, globalLogPublisher

from antigravity_proxy.daemon.process import keep_monotonic_time

#: marks of the rows that a test proves, and their table; what the tests cost
pytest_plugins = ("support.matrix", "support.suite_cost")

DATA = Path(__file__).parent / "data"

# a shell's background job ignores Ctrl-C and hands that on to the programs that tests start and interrupt
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# as the daemon has it, before anything waits
keep_monotonic_time(reactor)

# the same examples on every machine and at every run, however slow it is; `make fuzz` looks for new ones
settings.register_profile(
    "test",
    max_examples=100,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
    report_multiple_bugs=False,
)
settings.register_profile("fuzz", max_examples=20_000, deadline=None, print_blob=True)
settings.load_profile("test")


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[list[Any]]:
    """Fails a test that leaves delayed calls or logs an error; gives the errors, for tests that expect some."""
    from twisted.internet import reactor

    before, errors = set(reactor.getDelayedCalls()), []

    def observe(event: LogEvent) -> None:
        if event.get("log_failure") is not None or event.get("log_level", LogLevel.info) >= LogLevel.error:
            errors.append(event.get("log_failure") or event.get("log_format"))

    globalLogPublisher.addObserver(observe)
    try:
        yield errors
    finally:
        gc.collect()
        gc.freeze()  # what outlives a test is not looked through after each later one: that took a third of the suite
        globalLogPublisher.removeObserver(observe)
    left = [call for call in reactor.getDelayedCalls() if call not in before and call.active()]
    told = [str(call) for call in left]
    for call in left:
        call.cancel()
    assert not told, f"delayed calls left behind: {told}"
    assert not errors, f"errors logged: {errors}"


def pytest_collection_finish() -> None:
    """What stands before the first test is never garbage: without it each test's collection takes a tenth."""
    gc.collect()
    gc.freeze()


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Long values don't name a test: some are random, and processes side by side must agree on the names."""
    return argname if isinstance(val, str | bytes) and len(val) > 24 else None


@pytest.fixture
def golden() -> Callable[[str], bytes]:
    """Reads a golden file."""
    return lambda name: (DATA / "golden" / name).read_bytes()
