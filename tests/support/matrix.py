"""A plugin: which row of the matrix a test proves, what it observed, and the table at the end.

``@pytest.mark.row("lengths")`` stands at a test, wherever it is; the fixture ``observe`` takes the figure. Where a test
tells none, the table says how many of the row's tests passed.
"""

from __future__ import annotations

import os
import platform
import re
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pytest
from support.rows import ATTACKERS, SECTIONS

BEGIN, END = "<!-- matrix -->\n", "<!-- end of the matrix -->\n"
_NAMES = {row.name for rows in SECTIONS.values() for row in rows}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--matrix", metavar="FILE", help="put the table of the threats' matrix into FILE; every row must be there"
    )


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Table(config.getoption("--matrix")), "matrix-table")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Has each test carry its rows to wherever the reports are read."""
    for item in items:
        # each once: the table counts tests, not marks
        for name in dict.fromkeys(name for mark in item.iter_markers("row") for name in mark.args):
            if name not in _NAMES:
                raise pytest.UsageError(f"{item.nodeid}: there is no row {name!r}")
            item.user_properties.append(("row", name))


@pytest.fixture
def observe(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Takes what a test observed, in a few words, for the table."""
    return lambda words: record_property("observed", words)


class _Table:
    """Collects the reports."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._outcomes: dict[str, list[str]] = defaultdict(list)
        self._observed: dict[str, list[str]] = defaultdict(list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.passed:
            return
        for key, name in report.user_properties:
            if key == "row":
                self._outcomes[str(name)].append(report.outcome)
                self._observed[str(name)] += [
                    str(words) for kind, words in report.user_properties if kind == "observed"
                ]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._path is None:
            return
        if set(self._outcomes) != _NAMES and session.exitstatus == 0:
            session.exitstatus = 1
        path = Path(self._path)
        path.parent.mkdir(parents=True, exist_ok=True)
        before, found, rest = path.read_text().partition(BEGIN) if path.exists() else ("", "", "")
        after = rest.partition(END)[2] if found else ""
        path.write_text(f"{before}{BEGIN}{self._markdown()}{END}{after}")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._path is None:
            return
        terminalreporter.section("faults and attacks: row → bound → observed")
        for section, rows in SECTIONS.items():
            terminalreporter.write_line(section)
            for row in rows:
                terminalreporter.write_line(f"  {row.name}: {row.bound} → {self._words(row.name)}")

    def _markdown(self) -> str:
        versions = ", ".join(f"{name} {version(name)}" for name in ("Twisted", "cryptography", "msgspec"))
        lines = [
            f"{datetime.now(UTC):%Y-%m-%d}: antigravity-proxy {version('antigravity-proxy')}, "  # noqa: TID251
            f"Python {platform.python_version()}, {versions}; {platform.system()}, {os.cpu_count()} cores.",
        ]
        for section, rows in SECTIONS.items():
            lines += [
                "",
                f"**{section}**",
                "",
                f"Who: {ATTACKERS[section]}",
                "",
                "| fault or attack | bound | observed |",
                "|---|---|---|",
            ]
            lines += [f"| {row.fault} | {row.bound} | {self._words(row.name)} |" for row in rows]
        return "\n".join(lines) + "\n\n"

    def _words(self, name: str) -> str:
        outcomes, observed = self._outcomes[name], list(dict.fromkeys(self._observed[name]))
        if not outcomes:
            return "NOT TESTED"
        passed = outcomes.count("passed")
        words = "; ".join(observed) or f"{passed}/{len(outcomes)} tests hold"
        words = re.sub(r"[|\n]", " ", words)
        return words if passed == len(outcomes) else f"FAILED ({passed}/{len(outcomes)}): {words}"
