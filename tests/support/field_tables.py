"""The reference's tables of the vendors' fields, and the two spellings of Gemini's."""

from __future__ import annotations

import re
from pathlib import Path

REFERENCE = Path(__file__).parents[2] / "docs/reference"


def tables(vendor: str) -> dict[str, dict[str, str]]:
    """What becomes of each field, by section."""
    found: dict[str, dict[str, str]] = {}
    for line in (REFERENCE / f"fields-{vendor}.md").read_text().splitlines():
        if line.startswith("## "):
            section = found.setdefault(line[3:], {})
        elif row := re.match(r"\| `(\w+)` \| ([a-z ]+) \|", line):
            assert row[1] not in section
            section[row[1]] = row[2]
    return found


def official(vendor: str, section: str) -> set[str]:
    """The fields of a section that official upstreams alone are sent."""
    text = (REFERENCE / f"fields-{vendor}.md").read_text().partition(f"## {section}\n")[2].partition("\n## ")[0]
    return set(re.findall(r"\| `(\w+)` \| passed \| official upstreams alone", text))


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.title, rest))
