"""What calls itself pure is held to it by an import contract."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_SAYS_SO = re.compile(r"\bPure\b")
_CONTRACT = "pure code does no I/O"


def _held() -> tuple[str, ...]:
    """The modules and packages that the contract is about."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (found,) = (contract for contract in contracts if contract["name"] == _CONTRACT)
    return tuple(found["source_modules"])


def _named(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _pure() -> list[str]:
    """The modules whose docstring says that they are."""
    paths = sorted((ROOT / "antigravity_proxy").rglob("*.py"))
    return [_named(path) for path in paths if _SAYS_SO.search(ast.get_docstring(ast.parse(path.read_text())) or "")]


@pytest.mark.parametrize("module", _pure())
def test_what_calls_itself_pure_stands_in_the_contract(module: str) -> None:
    assert any(module == held or module.startswith(f"{held}.") for held in _held())
