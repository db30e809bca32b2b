"""What `make lint` is sure of: known vulnerabilities fail it, and no finding is silenced without a reason."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import audit_gate
import coverage_gate
import private_access
import pytest

ROOT = Path(__file__).parents[1]
_VULNERABLE = {
    "name": "twisted",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2.0"], "description": "bad"}],
}
_SOUND: dict[str, Any] = {"name": "treq", "version": "1.0", "vulns": []}
_UNKNOWN = {"name": "klein", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "status", "words"),
    [
        ([_VULNERABLE, _SOUND], 1, "twisted 1.0: PYSEC-1, mended in 2.0"),
        ([_SOUND, _UNKNOWN], 0, "1 of 2 packages audited"),
        ([_UNKNOWN], 0, "nothing was audited"),
        ([], 0, "nothing was audited"),
    ],
)
def test_a_known_vulnerability_fails(packages: list[Any], status: int, words: str) -> None:
    found, told = audit_gate.judged({"dependencies": packages})
    assert found == status
    assert words in told


def test_an_ignored_one_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(audit_gate.IGNORED, "CVE-1", "a reason")
    assert audit_gate.judged({"dependencies": [_VULNERABLE]})[0] == 0


def test_every_silenced_finding_has_its_reason() -> None:
    silenced = [
        f"{path.name}:{number}"
        for folder in ("antigravity_proxy", "benchmarks", "twisted")
        for path in (ROOT / folder).rglob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(r"# noqa(?!: [A-Z]+\d+(?:, ?[A-Z]+\d+)* - \w)", line)
    ]
    assert silenced == []


def _rows(marks: list[ast.expr]) -> list[str]:
    """The names in ``pytest.mark.row(…)`` among decorators, or in a module's ``pytestmark``."""
    calls = [mark for mark in marks if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.row"]
    return [ast.unparse(name) for call in calls for name in call.args]


def test_no_test_bears_the_mark_of_a_row_twice() -> None:
    """Else the table of docs/security.md would claim more tests than there are."""
    doubled = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text())
        everywhere = [
            name
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
            for name in _rows(node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else [node.value])
        ]
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                names = everywhere + _rows(node.decorator_list)
                doubled += [f"{path.name}: {node.name}: {name}" for name in set(names) if names.count(name) > 1]
    assert doubled == []


def test_tests_reach_for_nothing_private_that_they_did_not_before() -> None:
    found, allowed = private_access.counts(), private_access.ALLOWED
    more = {name: count for name, count in found.items() if count > allowed.get(name, 0)}
    assert not more, f"use a public way: {more}"
    fewer = {name: found.get(name, 0) for name, count in allowed.items() if found.get(name, 0) < count}
    assert not fewer, f"well done; correct tests/private_access.py: {fewer}"


def test_what_counts_as_private() -> None:
    source = """
from antigravity_proxy.x import _one, two
self._mine, cls._ours, other._three, other.__dunder__, other.self._four
monkeypatch.setattr(module, "_five", 1)
monkeypatch.setattr("antigravity_proxy.x._six", 1)
monkeypatch.setattr(module, "seven", "_eight")
"""
    assert sorted(private_access.accesses(source)) == [
        "_five", "_one", "antigravity_proxy.x._six", "other._three", "other.self._four",
    ]  # fmt: skip


def test_a_file_is_covered_whole_or_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    def file(percent: float) -> dict[str, Any]:
        return {"summary": {"percent_covered": percent}, "missing_lines": [3], "missing_branches": [[2, 3]]}

    def told(total: float, **files: float) -> list[str]:
        found = {f"antigravity_proxy/{name}.py": file(percent) for name, percent in files.items()}
        return coverage_gate.findings({"files": found, "totals": {"percent_covered": total}})

    monkeypatch.setattr(coverage_gate, "INCOMPLETE", frozenset({"listed.py"}))
    assert told(99.0, listed=90.0, other=100.0) == []
    assert told(99.0, listed=90.0, other=99.9) == ["other.py: lines [3], branches ['2->3'] are not covered"]
    assert told(99.0, listed=100.0) == []
    assert coverage_gate.whole({"files": {"antigravity_proxy/listed.py": file(100.0)}}) == ["listed.py"]
    assert "listed.py is not there" in told(99.0, other=100.0)[0]
    assert "less than" in told(50.0, listed=90.0)[0]


def test_the_list_of_files_that_are_not_covered_whole_names_files() -> None:
    assert [name for name in coverage_gate.INCOMPLETE if not (ROOT / "antigravity_proxy" / name).is_file()] == []


@pytest.mark.parametrize(("bound", "status"), [("1000", 0), ("0", 1)])
def test_a_suite_that_takes_more_than_its_bound_fails(tmp_path: Path, bound: str, status: int) -> None:
    (tmp_path / "test_it.py").write_text("def test_it():\n    sum(range(1_000_000))\n")
    plugin = ["-p", "support.suite_cost", "-p", "no:anyio", f"--cpu-bound={bound}"]
    command = [sys.executable, "-m", "pytest", "-c", "/dev/null", *plugin, str(tmp_path)]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT / "tests")}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "test_it.py::test_it" in done.stdout.partition("the slowest tests")[2]
