"""The reference (`docs/reference/`): what points there finds its section, and all that the code has has a row."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs/reference"

#: "upstream.md 6.3 row 9", "translation.md 2.1, 2.3", "credential-volume.md 1.2 to 1.5", "upstream.md 4, 8"
_NUMBER = r"\d+(?:\.\d+)*"
_REFERENCE = re.compile(
    rf"\b([a-z][a-z-]*)\.md ({_NUMBER}(?:(?:, | to | and |, and ){_NUMBER})*)"
    rf"(?:,? rows? (\d+(?:(?:, | to | and )\d+)*))?(?:,? \"([^\"]+)\")?"
)
_HEADING = re.compile(rf"^#+ ({_NUMBER})\.? ", re.M)
#: a number without a document, as in "the table of 6.3 there"
_VAGUE = re.compile(rf"\b{_NUMBER} there\b")
_PLACES = ("antigravity_proxy", "benchmarks", "deploy", "docs", "tests", "twisted")
_KINDS = {".md", ".mjs", ".py", ".toml", ".yaml", ".yml"}


class Reference(NamedTuple):
    """One reference: where it is, and what it names. ``rows`` of the section's table, ``quoted`` words of its text."""

    place: str
    document: str
    section: str
    rows: tuple[str, ...] = ()
    quoted: str = ""


def _texts() -> dict[Path, str]:
    """The text of every file that may refer, its comment signs and line breaks taken out."""
    files = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "setup.cfg", "pyproject.toml")]
    for place in _PLACES:
        files += [path for path in (ROOT / place).rglob("*") if path.suffix in _KINDS and path.is_file()]
    here = Path(__file__)
    # the comment signs and the line breaks of a reference that goes over two lines
    return {path: re.sub(r"\s*\n\s*(?:#:? ?)?", " ", path.read_text()) for path in files if path != here}


def references(place: str, text: str) -> list[Reference]:
    """What a text refers to, one for each section that it names."""
    out = []
    for document, numbers, rows, quoted in _REFERENCE.findall(text):
        *others, last = re.findall(_NUMBER, numbers)
        out += [Reference(place, document, number) for number in others]
        out.append(Reference(place, document, last, tuple(re.findall(r"\d+", rows)), quoted))
    return out


def sections(document: str) -> dict[str, str]:
    """The numbered sections of a document of the reference with their texts, a section's subsections included."""
    text = (REFERENCE / f"{document}.md").read_text()
    marks = [*_HEADING.finditer(text)]
    found = {}
    for at, mark in enumerate(marks):
        within = (other for other in marks[at + 1 :] if not other[1].startswith(mark[1] + "."))
        end = next(within, None)
        found[mark[1]] = text[mark.start() : end.start() if end else len(text)]
    return found


def unresolved(all_references: list[Reference]) -> list[Reference]:
    """Those that name a document, section, row or heading that isn't there."""
    known = {path.stem: sections(path.stem) for path in REFERENCE.glob("*.md")}
    out = []
    for each in all_references:
        text = known.get(each.document, {}).get(each.section)
        rows = text is not None and all(re.search(rf"^\| {row} \|", text, re.M) for row in each.rows)
        if not rows or each.quoted not in (text or ""):
            out.append(each)
    return out


@pytest.fixture(scope="module")
def texts() -> dict[Path, str]:
    return _texts()


def test_every_reference_resolves(texts: dict[Path, str]) -> None:
    found = [each for path, text in texts.items() for each in references(str(path.relative_to(ROOT)), text)]
    assert len(found) > 200
    assert unresolved(found) == []


def test_a_reference_to_nowhere_is_found() -> None:
    text = (
        'upstream.md 6.3 row 9, upstream.md 4.3, 6.3 rows 8, 99, upstream.md 6.3, "Rules around it"; upstream.md 77.1'
    )
    found = unresolved(references("here", text))
    assert [(each.section, each.rows) for each in found] == [("6.3", ("8", "99")), ("77.1", ())]


def test_no_reference_leaves_its_document_out(texts: dict[Path, str]) -> None:
    vague = [(str(path.relative_to(ROOT)), found[0]) for path, text in texts.items() for found in _VAGUE.finditer(text)]
    assert vague == []


def test_section_numbers_are_unique_and_a_document_mentions_its_own_sections_only() -> None:
    for path in REFERENCE.glob("*.md"):
        text = path.read_text()
        numbers = _HEADING.findall(text)
        assert len(numbers) == len(set(numbers)), path.name
        for number in re.findall(rf"\bsections? ({_NUMBER})", text):
            assert number in numbers, (path.name, number)
