"""docs/troubleshooting.md has a row for each error code and each message to the operator that the code has."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from antigravity_proxy import errors
from antigravity_proxy.accounts.reasons import OF_MANY
from antigravity_proxy.replicas import status
from antigravity_proxy.volume.threads import HANGS

ROOT = Path(__file__).parents[1]
PAGE = " ".join((ROOT / "docs/troubleshooting.md").read_text().split())
#: what builds messages for /health, `check` and the status page's headline, by module: functions, or exceptions raised
SOURCES = {
    "admin/headline.py": ("headline", "_failing"),
    "replicas/connection.py": ("_why", "close"),
    "replicas/connector.py": ("_why", "Lost"),
    "replicas/store.py": ("NO_KEY",),
    "volume/database.py": ("Damaged", "NotReady"),
    "volume/keys.py": ("KeyFinding", "words"),
    "volume/snapshot.py": ("_Moved", "_given_up", "_missing"),
    "web/warnings.py": ("warnings", "_refused", "_news", "_of_accounts"),
}
#: words of a message that a row has to begin with; shorter messages are parts of others
_WORDS, _FEWEST = 5, 3


def messages(source: str, places: tuple[str, ...]) -> list[str]:
    """The messages within functions, calls or values of these names; ``…`` stands for what varies."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef(name=name) if name in places:
                found += _texts([each for each in node.body if not _is_docstring(each)])
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in places:
                found += _texts(node.args)
            case ast.Assign(targets=[ast.Name(id=name)]) if name in places:
                found += _texts([node.value])
    return found


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _texts(nodes: list[ast.stmt] | list[ast.expr]) -> list[str]:
    out, parts = [], set()
    for node in (each for root in nodes for each in ast.walk(root)):
        if isinstance(node, ast.JoinedStr):
            parts |= {id(value) for value in node.values}
            out.append("".join(str(v.value) if isinstance(v, ast.Constant) else "…" for v in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            out.append(node.value)
    return out


def beginning(message: str) -> str:
    """What of a message a row has to have: the first words of its longest part that never varies; empty: too short."""
    part = max((text.strip(" .;:,()") for text in message.split("…")), key=lambda text: len(text.split())).split()
    return " ".join(part[:_WORDS]).rstrip(".;:,") if len(part) >= _FEWEST else ""


def test_every_error_code_has_its_row_with_its_status() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ProxyError)]
    rows = re.findall(r"\| (\d+) \| `([a-z_]+)` \| \S", PAGE)
    assert sorted(rows) == sorted({(str(kind.status), kind.code) for kind in kinds})


@pytest.mark.parametrize("module", SOURCES)
def test_every_message_has_its_row(module: str) -> None:
    source = (ROOT / "antigravity_proxy" / module).read_text()
    for place in SOURCES[module]:
        assert messages(source, (place,)), place
    missing = [text for text in messages(source, SOURCES[module]) if beginning(text) not in PAGE]
    assert missing == []


def test_every_reason_of_an_account_and_every_trouble_with_redis_has_its_row() -> None:
    told = [words.fact for words in OF_MANY.values()] + [*status._ERRORS.values(), status.NOT_YET, HANGS]
    assert [text for text in told if text not in PAGE] == []


def test_a_message_without_a_row_is_found() -> None:
    source = (
        'def warnings():\n    """Words that are not one."""\n    found.append(f"{n} things that nobody has described")'
    )
    (message,) = messages(source, ("warnings",))
    assert beginning(message) == "things that nobody has described"
    assert beginning(message) not in PAGE
