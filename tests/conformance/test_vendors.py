"""The vendors' own tests of their Python packages against the daemon: strict, synchronous and not (clients.md 12.9).

The sources are fetched and pinned by ``make test-conformance``. What can't pass stands in a list beside this file, one
reason each.
"""

from __future__ import annotations

import re
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from support.deferreds import deferred
from support.programs import run
from support.stack import stack

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "conformance"

pytestmark = pytest.mark.conformance


def short(case: ElementTree.Element, folder: str) -> str:
    """A test's name in the list: by its file and what it tries, in whatever way it does."""
    module = re.sub(r"\.Test\w+$", "", case.attrib["classname"].rpartition(folder.replace("/", ".") + ".")[2])
    name = re.sub(r"^test_(raw_response|streaming_response|method)_", "test_", case.attrib["name"].partition("[")[0])
    return f"{module.replace('.', '/')}.py::{name}"


def google(listed: dict[str, Any], url: str, replays: Path) -> dict[str, str]:
    """What the plugin for google-genai's tests and their own set-up read; no answer is recorded in ``replays``."""
    return {
        "PYTHONPATH": f"{BUILD / ('google_genai-' + listed['version'])}:{HERE}",
        "GOOGLE_GEMINI_BASE_URL": url,
        "GOOGLE_API_KEY": listed["key"],
        "GOOGLE_GENAI_REPLAYS_DIRECTORY": str(replays),
    }


@pytest.mark.parametrize("vendor", ["openai", "anthropic", "google-genai"])
@deferred(400)
async def test_a_vendors_own_tests(tmp_path: Path, vendor: str) -> None:
    listed: dict[str, Any] = tomllib.loads((HERE / f"{vendor}.toml").read_text())
    source = BUILD / listed.get("source", f"{vendor}-{listed['version']}")
    if not source.exists():
        pytest.skip("`make test-conformance` fetches the sources")
    report = tmp_path / "report.xml"
    folder = listed.get("folder", "tests/api_resources")
    argv = [
        str(BUILD / "venv" / "bin" / "python"), "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts=",
        "-o", "filterwarnings=", "-k", listed.get("select", "strict"), "--tb=line", f"--junitxml={report}",
        *listed.get("arguments", ()),
        *(f"{folder}/{name}" for name in listed["tests"]),
    ]  # fmt: skip
    async with stack(tmp_path, accounts=3, api_key=listed["key"]) as running:
        url = f"{running.url}{listed['path']}"
        ended = await run(argv, source, seconds=380, TEST_API_BASE_URL=url, **google(listed, url, tmp_path))
    assert report.exists(), ended.everything
    passed: set[str] = set()
    failed: dict[str, str] = {}
    count = 0
    for case in ElementTree.parse(report).iter("testcase"):
        name = short(case, folder)
        problem = case.find("failure") if case.find("failure") is not None else case.find("error")
        if problem is not None:
            failed[name] = problem.attrib.get("message", "")[:300]
        elif case.find("skipped") is None:
            passed.add(name)
            count += 1
    print(f"{vendor} {listed['version']}: {count} pass")
    assert {name: why for name, why in failed.items() if name not in listed["fails"]} == {}
    assert sorted(set(listed["fails"]) - failed.keys()) == [], "these pass now: take them out of the list"
    assert count > 0
