"""What `make lint` is sure of: known vulnerabilities fail it, and no finding is silenced without a reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import audit_gate
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
