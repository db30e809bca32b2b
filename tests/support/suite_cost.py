"""A plugin: what the tests cost. It prints the slowest, and fails a run whose CPU time is over ``--cpu-bound``.

CPU time is counted, of the tests' own process and of the programs that they start, since the time on the clock says how
busy a machine is. It is told in seconds of a machine of a certain speed: a fixed piece of work is timed throughout the
run, so that a slower machine, or one whose cores are shared, is no reason to fail.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

#: how often a test is followed by the fixed piece of work
_EVERY = 200
#: that work's CPU seconds on the machine in whose seconds the bound is given
_REFERENCE = 0.0055
_SHOWN = 15


def cpu_seconds() -> float:
    """What this process and its ended children have taken."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def reference_work(text: str) -> float:
    """CPU seconds of the fixed piece of work: in C, where coverage's tracer costs nothing."""
    began = time.process_time()
    json.loads(text)
    return time.process_time() - began


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cpu-bound",
        metavar="SECONDS",
        type=float,
        help="print the slowest tests, and fail if all processes together take more CPU time",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--cpu-bound") is not None:
        config.pluginmanager.register(_Cost(config), "suite-cost")


class _Cost:
    """Measures in the process that runs the tests, adds up and judges in the one that reports."""

    def __init__(self, config: pytest.Config) -> None:
        self._bound: float = config.getoption("--cpu-bound")
        self._output: dict[str, Any] | None = getattr(config, "workeroutput", None)
        self._work = json.dumps([{"name": str(n), "values": list(range(n % 7))} for n in range(12_000)])
        self._tests: list[tuple[float, float, str]] = []
        self._references: list[float] = []
        self._total = self._workers = 0.0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        if len(self._tests) % _EVERY == 0:
            self._references.append(reference_work(self._work))
        cpu, clock = cpu_seconds(), time.monotonic()
        result = yield
        self._tests.append((cpu_seconds() - cpu, time.monotonic() - clock, item.nodeid))
        return result

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        output = getattr(node, "workeroutput", {})
        self._tests += [tuple(each) for each in output.get("cost_tests", ())]
        self._references += output.get("cost_references", ())
        self._workers += output.get("cost_total", 0.0)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        # the processes that ran the tests are this one's children, some of them still running
        self._total = self._workers + time.process_time() if self._workers else cpu_seconds()
        if self._output is not None:
            self._output["cost_tests"] = sorted(self._tests, reverse=True)[:_SHOWN]
            self._output["cost_references"] = self._references
            self._output["cost_total"] = self._total
        elif self._seconds() > self._bound and session.exitstatus == 0:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("the slowest tests: CPU seconds here (seconds on the clock)")
        for cpu, clock, name in sorted(self._tests, reverse=True)[:_SHOWN]:
            terminalreporter.write_line(f"{cpu:7.2f} ({clock:.2f}) {name}")
        judged = "over" if self._seconds() > self._bound else "within"
        terminalreporter.write_line(
            f"all processes: {self._total:.0f} s of CPU here, which are {self._seconds():.0f} s of the reference "
            f"machine: {judged} the bound of {self._bound:.0f}"
        )

    def _seconds(self) -> float:
        """The whole run in seconds of the reference machine."""
        if not self._references:
            return 0.0
        return self._total * _REFERENCE * len(self._references) / sum(self._references)
