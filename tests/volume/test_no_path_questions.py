"""pathlib's questions raise what they don't expect: a mount that died, a directory of another user (bpo-38671)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import antigravity_proxy

PACKAGE = Path(antigravity_proxy.__file__).parent
#: each gives an answer only for a missing file, and raises PermissionError, ENOTCONN and ESTALE
QUESTIONS = {"exists", "is_dir", "is_file", "is_symlink", "is_mount", "resolve", "samefile", "glob", "rglob", "iterdir"}


def asked(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of each question outside a ``try``; ``os.path``'s own never raise OSError."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Try):
            continue
        if isinstance(child, ast.Call) and isinstance(child.func, ast.Attribute) and child.func.attr in QUESTIONS:
            owner = ast.unparse(child.func.value)
            if owner != "os.path":
                yield child.lineno, f"{owner}.{child.func.attr}"
        yield from asked(child)


@pytest.mark.parametrize("package", ["cli", "credentials", "operator", "settings", "state", "volume"])
def test_no_path_is_asked_outside_a_try(package: str) -> None:
    found = [(path.name, *each) for path in sorted((PACKAGE / package).glob("*.py")) for each in asked(_parsed(path))]
    assert found == []


def test_a_question_is_found() -> None:
    assert list(asked(ast.parse("if path.is_dir():\n    pass"))) == [(1, "path.is_dir")]
    assert list(asked(ast.parse("try:\n    path.is_dir()\nexcept OSError:\n    pass\nos.path.exists(path)"))) == []


def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())
