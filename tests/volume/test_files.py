"""What is made of files is made again only when one of them has changed, whatever the change is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from antigravity_proxy.volume import files


class Bad(Exception):
    """The file says so."""


class Making:
    """Reads ``first``, and the file that it names; counts how often."""

    def __init__(self, directory: Path) -> None:
        self.first, self.second = directory / "first", directory / "second"
        self.first.write_text("second")
        self.second.write_text("one")
        self.times = 0
        self.derived = files.Derived(self.make)

    def make(self, read: files.Read) -> str:
        self.times += 1
        try:
            name = read(self.first, 100).decode()
            found = read(self.first.parent / name, 100).decode()
        except OSError as e:
            raise Bad(e.strerror) from None
        if found == "bad":
            raise Bad("it says so")
        return found

    def look(self) -> str:
        """What it comes to, in words."""
        try:
            return self.derived.read()
        except Bad as e:
            return f"! {e}"


def other(making: Making) -> None:
    making.second.write_text("two")


def named(making: Making) -> None:
    (making.first.parent / "third").write_text("three")
    making.first.write_text("third")


def mode(making: Making) -> None:
    making.second.chmod(0o600)


def gone(making: Making) -> None:
    making.second.unlink()


def large(making: Making) -> None:
    making.second.write_text("x" * 200)


def refused(making: Making) -> None:
    making.second.write_text("bad")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (other, "two"),
        (named, "three"),
        (mode, "one"),
        (gone, "! No such file or directory"),
        (large, "! it is larger than the 1 MiB that are read at most"),
        (refused, "! it says so"),
    ],
)
def test_it_is_made_again_for_a_change_alone(tmp_path: Path, change: Callable[[Making], None], found: str) -> None:
    making = Making(tmp_path)
    assert [making.look() for _ in range(3)] == ["one"] * 3
    assert making.times == 1
    change(making)
    assert [making.look() for _ in range(3)] == [found] * 3
    assert making.times == (4 if found.startswith("!") else 2), "what can't be used is tried again"
    making.second.unlink(missing_ok=True)
    making.first.write_text("second")
    making.second.write_text("one again")
    assert making.look() == "one again"
