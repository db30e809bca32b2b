"""Lines of a TOML file."""

from __future__ import annotations

import pytest

from antigravity_proxy.settings.toml_lines import line_of

TEXT = """a = [
  [1],
]
[one."x.y"]
z = 2
'q' = 1
[[two]]
[[two]]  # the second
z.w = 3
"""


@pytest.mark.parametrize(
    ("table", "number", "field", "line"),
    [
        (("one", "x.y"), 0, "", 4),
        (("one", "x.y"), 0, "z", 5),
        (("one", "x.y"), 0, "q", 6),
        (("one", "x.y"), 0, "missing", 4),
        (("two",), 0, "z", 7),
        (("two",), 1, "z", 9),
        (("two",), 2, "z", 7),
        (("a",), 0, "", 1),
        (("nowhere",), 0, "", 1),
    ],
)
def test_a_line(table: tuple[str, ...], number: int, field: str, line: int) -> None:
    assert line_of(TEXT, table, number, field) == line
