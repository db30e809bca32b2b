"""What stands against a release, and what a release says of itself."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import release

from antigravity_proxy import __version__

ROOT = Path(__file__).parents[1]
CHANGES = "# Changes\n\n## 0.2.0 (2026-11-28)\n\nwords\n"


@pytest.mark.parametrize(
    ("version", "status", "tags", "words"),
    [
        ("0.2.0", "", [], ""),
        ("0.2.0", "", ["v0.2.0", "nightly"], ""),
        ("0.2.0", " M README.md", [], "the work tree has changes"),
        ("0.2.1", "", [], "no section of 0.2.1"),
        ("0.2", "", [], "no section of 0.2:"),
        ("0.2.0", "", ["v0.3.0"], "tagged v0.3.0"),
    ],
)
def test_a_release_is_refused_in_one_line(version: str, status: str, tags: list[str], words: str) -> None:
    reason = release.refuse(version, CHANGES, status, tags)
    assert words in reason
    assert bool(reason) == bool(words)
    assert "\n" not in reason


@pytest.mark.parametrize("url", ["", "https://forge.example/p"])
def test_the_statement_names_files_commit_and_locks(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_RUN_ID", raising=False)
    told: dict[str, Any] = json.loads(
        release.provenance({"b": "02", "a": "01"}, {"lock": "03"}, "c0ffee", url, ["then", "now"])
    )
    assert told["subject"] == [{"name": name, "digest": {"sha256": sha}} for name, sha in (("a", "01"), ("b", "02"))]
    source, lock = told["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert source["digest"] == {"gitCommit": "c0ffee"}
    assert source.get("uri") == (f"git+{url}" if url else None)
    assert lock == {"name": "lock", "digest": {"sha256": "03"}}
    assert told["predicate"]["runDetails"]["builder"]["id"] == "urn:antigravity-proxy:make"


def test_what_names_this_release_names_its_version() -> None:
    """Manifests and documents can't take it from the package."""
    example = (ROOT / "deploy/kubernetes/overlays/example/kustomization.yaml").read_text()
    named = re.findall(r"newTag: (\S+)", example)
    for page in (ROOT / "docs").glob("*.md"):
        named += re.findall(r"antigravity-proxy[:/](\d+\.\d+\.\d+)\b", page.read_text())
    assert len(named) > 2
    assert set(named) == {__version__}
