"""Every row of the official upstreams' decision table has its examples, and each is asked for through the stack."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
REFERENCE = TESTS.parent / "docs/reference/official-upstreams.md"
EXAMPLES = json.loads((TESTS / "data/official/errors.json").read_text())


def named(module: str) -> set[str]:
    """The examples that a module of tests speaks of."""
    tree = ast.parse((TESTS / "e2e" / module).read_text())
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return texts & EXAMPLES.keys()


def test_every_row_has_an_example_and_every_example_its_test() -> None:
    rows = re.findall(r"^\| (O\d+) \|", REFERENCE.read_text(), re.M)
    assert rows == [f"O{n}" for n in range(1, 34)]
    assert {example.partition("-")[0] for example in EXAMPLES} == set(rows)
    assert named("test_gemini_api.py") | named("test_vertex.py") == EXAMPLES.keys()


def test_each_upstream_is_asked_for_the_rows_that_it_has() -> None:
    """Those that the example of another upstream belongs to are that one's alone."""
    own = {"gemini": named("test_gemini_api.py"), "vertex": named("test_vertex.py")}
    for example, body in EXAMPLES.items():
        upstream = body.get("upstream", "gemini")
        assert example in own.get(upstream, own["vertex"]), example
