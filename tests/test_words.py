"""Plain English: habits of another language are refused in documents, docstrings, comments and messages."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.matrix import BEGIN, END

ROOT = Path(__file__).parents[1]
#: a pattern, and what to write instead
HABITS = {
    r"(?<!`)\banew\b(?!`)": "again; for a quota: resets",
    r"\bis none (?:of|that)\b": "is not a …",
    r"(?<!there )(?<!here )\b(?:is|are|was|were|be) no (?:json|text|number|list|object|table|toml|form|file|directory"
    r"|image|fault|socket|key|name|certificate|https?|string|secret|account|member|part|setting)s?\b": "is not a …",
    r"\b(?:tells?|told) (?:the log|of each|of the|its|anew|apart)\b": "log, report, call, distinguish",
    r"\bserves? on\b": "stays in use, goes on",
    r"\bnonsense\b": "invalid",
    r"\bso (?:many|much|often) (?!as\b|that\b)\w+": "this many; or name the parameter",
    r"\bmend(?:s|ed)?\b": "fix, correct",
    r"\bwhat (?:came|comes) of\b": "the outcome of",
    r"\bas it is(?=[.,:;)]|$)": "unchanged",
    r"\bgone on with\b": "continued",
    r"\bthe way to (?:google|upstream)\b": "the connection to …",
    r"\bis (?:thrown|done) anew\b": "is repeated",
    r"\b(?:has|have) somebody\b": "has an account, a credential",
    r"\ball (?:that|which) (?:is|are) (?:said|told)\b": "the text of",
}
#: tables of measurements that tests write
_WRITTEN = re.compile(re.escape(BEGIN) + r".*?" + re.escape(END), re.S)


def documents() -> dict[str, list[tuple[int, str]]]:
    paths = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
    paths += sorted((ROOT / "docs").rglob("*.md"))
    found = {}
    for path in paths:
        text = _WRITTEN.sub(lambda match: "\n" * match[0].count("\n"), path.read_text())
        found[str(path.relative_to(ROOT))] = [*enumerate(text.split("\n"), 1)]
    return found


def prose(source: str) -> Iterator[tuple[int, str]]:
    """Comments, docstrings and other texts of a module, by line."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            for index, line in enumerate(node.value.split("\n")):
                yield node.lineno + index, line


def habits(lines: list[tuple[int, str]]) -> list[str]:
    return [
        f"line {number}: {found[0]!r}: better {instead}"
        for number, line in lines
        for pattern, instead in HABITS.items()
        for found in re.finditer(pattern, line, re.I)
    ]


@pytest.mark.parametrize("name", documents())
def test_documents_are_in_plain_english(name: str) -> None:
    assert habits(documents()[name]) == []


def test_the_package_is_in_plain_english() -> None:
    found = {
        str(path.relative_to(ROOT)): wrong
        for path in sorted((ROOT / "antigravity_proxy").rglob("*.py"))
        if (wrong := habits([*prose(path.read_text())]))
    }
    assert found == {}


def test_a_habit_is_found() -> None:
    source = '"""Begun anew."""\n# it is no JSON\nraise ValueError(f"{name} is no file")\n'
    assert len(habits([*prose(source)])) == 3
