"""Function names there and back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity_proxy.generatecontent.names import NameMap

VALID = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")


@pytest.mark.parametrize("name", ["get_weather", "mcp.server:tool-1", "_", "a" * 64])
def test_a_good_name_stays(name: str) -> None:
    names = NameMap([name])
    assert not names.changed
    assert names.there(name) == names.back(name) == name


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("get weather", "get_weather"),
        ("wetter/größe", "wetter_gr__e"),
        ("2nd", "_2nd"),
        ("-x", "_-x"),
        ("", "_"),
        ("ünder", "_nder"),
    ],
)
def test_a_bad_name_is_rewritten_and_restored(name: str, sent: str) -> None:
    names = NameMap([name])
    assert names.changed
    assert names.there(name) == sent
    assert names.back(sent) == name


def test_a_long_name_keeps_its_beginning() -> None:
    first, second = "x" * 70 + "1", "x" * 70 + "2"
    names = NameMap([first, second])
    assert len(names.there(first)) == 64
    assert names.there(first)[:56] == "x" * 55 + "_"
    assert names.there(first) != names.there(second)


def test_a_rewritten_name_never_meets_another() -> None:
    taken = NameMap(["a b", "a_b"]).there("a b")
    assert taken.startswith("a_b_")
    # even the name that the collision is avoided with may be taken
    names = NameMap(["a b", "a_b", taken])
    assert len({names.there(name) for name in ("a b", "a_b", taken)}) == 3
    assert names.there("a_b") == "a_b"


def test_an_unknown_name_is_delivered_as_it_came() -> None:
    assert NameMap(["a b"]).back("never declared") == "never declared"


@given(st.lists(st.text(max_size=80) | st.sampled_from(["a b", "a_b", "a-b", "a/b", "x" * 65]), max_size=8))
def test_every_name_is_valid_different_and_comes_back(names: list[str]) -> None:
    mapped = NameMap(names)
    sent = {name: mapped.there(name) for name in names}
    assert all(VALID.fullmatch(name) for name in sent.values())
    assert len(set(sent.values())) == len(sent)
    assert all(mapped.back(there) == name for name, there in sent.items())
