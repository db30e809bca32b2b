"""What a forge runs is what `make check` runs: every target that is named anywhere is there, and none is left out."""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path
from typing import Any

import check
import pytest
import yaml

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.M))
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
#: files that tell somebody or something to run make
NAMING = [
    *WORKFLOWS,
    *(ROOT / ".github").glob("*.md"),
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    ROOT / ".pre-commit-config.yaml",
    ROOT / ".ci/run",
]


def setup() -> configparser.ConfigParser:
    found = configparser.ConfigParser()
    found.read(ROOT / "setup.cfg")
    return found


def commands(workflow: Path) -> list[str]:
    """All that its jobs run."""
    jobs: dict[str, Any] = yaml.safe_load(workflow.read_text())["jobs"]
    return [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]


def code(path: Path) -> str:
    """What of a file is commands."""
    if path in WORKFLOWS:
        return "\n".join(commands(path))
    if path.suffix == ".md":
        return "\n".join(re.findall(r"^```\w*\n.*?^```|`[^`\n]+`", path.read_text(), re.M | re.S)).replace("`", "")
    return path.read_text()


def targets(text: str) -> set[str]:
    """The make targets that these commands name."""
    return set(re.findall(r"(?:^|&& |; |entry: |exec )make ([a-z][a-z-]*)", text, re.M))


@pytest.mark.parametrize("path", NAMING, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_target_that_is_named_is_there(path: Path) -> None:
    named = targets(code(path))
    assert named <= TARGETS
    assert named or path.suffix == ".md"


def test_a_forge_runs_every_part_of_the_check() -> None:
    assert targets(code(ROOT / ".github/workflows/check.yml")) == set(check.PARTS)
    assert set(check.PARTS) <= TARGETS


def test_the_pythons_that_are_tried_are_those_that_are_named() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/check.yml").read_text())["jobs"]
    tried = jobs["test"]["strategy"]["matrix"]["python"]
    assert tried == re.findall(r"Python :: (3\.\d+)", setup()["metadata"]["classifiers"])
    assert setup()["options"]["python_requires"] == f">={tried[0]}"


def test_a_phony_target_is_declared_and_has_its_line_of_help() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.M)
    assert phony is not None
    assert set(phony[1].split()) == TARGETS
    assert set(re.findall(r"^([a-z][a-z-]*):.* ## ", MAKEFILE, re.M)) == TARGETS


def test_where_the_project_lives_is_said_in_one_place() -> None:
    url = setup()["metadata"]["url"]
    forge = r"https?://[\w.-]*(?:github|gitlab|codeberg|ghcr)[\w.-]*/[\w./-]*antigravity-proxy"
    names = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).split("\n")
    elsewhere = [
        name
        for name in names
        if name not in ("", "setup.cfg", "CHANGELOG.md") and (ROOT / name).is_file()
        for text in [(ROOT / name).read_bytes().decode("utf-8", "replace")]
        if re.search(forge, text) or (url and url in text)
    ]
    assert elsewhere == []


def test_a_part_that_lacks_a_program_is_left_out_and_one_that_fails_is_told(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check, "PARTS", {"a": (), "b": ("no-such-program",), "c": ()})
    monkeypatch.setenv("MAKE", "false")
    assert check.main([]) == 1
    monkeypatch.setenv("MAKE", "true")
    assert check.main(["a", "b"]) == 0
    assert check.main(["d"]) == 2
    told = re.sub(r"in \d+ s", "in 0 s", capfd.readouterr().out)
    assert told.count("FAILED in 0 s") == 2
    assert "left out: no no-such-program here" in told
