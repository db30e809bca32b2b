"""Sealed texts: for one key alone, and nothing else opens as one."""

from __future__ import annotations

import base64
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity_proxy.responses.seal import Seal

MOST = 1000


@given(st.text(max_size=MOST), st.binary())
def test_what_is_sealed_opens_for_its_key_alone(text: str, key: bytes) -> None:
    sealed = Seal(key, MOST).seal(text)
    assert Seal(key, MOST).open(sealed) == text.encode("utf-8", "replace").decode()
    assert Seal(key + b"x", MOST).open(sealed) is None
    assert text not in sealed or len(text) < 4


def test_no_two_are_the_same() -> None:
    seal = Seal(b"k", MOST)
    assert seal.seal("x") != seal.seal("x")


@pytest.mark.parametrize("sealed", ["", "agpc1.", "agpc1.!!!!", "agpc1.AAAA", "gAAAAABo", "agpc2.AAAA", "agpc1.ü"])
def test_what_is_foreign_or_broken_does_not_open(sealed: str) -> None:
    assert Seal(b"k", MOST).open(sealed) is None


@given(st.data())
def test_a_changed_one_does_not_open(data: st.DataObject) -> None:
    seal = Seal(b"k", MOST)
    sealed = seal.seal("a summary")
    at = data.draw(st.integers(len("agpc1."), len(sealed) - 1))
    other = data.draw(st.sampled_from("ABCDwxyz0189-_"))
    changed = sealed[:at] + other + sealed[at + 1 :]
    decoded = base64.urlsafe_b64decode(changed[6:] + "=" * (-len(changed[6:]) % 4))
    if decoded != base64.urlsafe_b64decode(sealed[6:] + "=" * (-len(sealed[6:]) % 4)):
        assert seal.open(changed) is None


def test_one_that_unpacks_to_much_does_not_open() -> None:
    seal = Seal(b"k", MOST)
    assert seal.open(seal.seal("x" * 4 * MOST)) is not None
    assert len(zlib.compress(b"x" * 40 * MOST)) < 1000
    assert seal.open(seal.seal("x" * 40 * MOST)) is None
    assert seal.open("agpc1." + "A" * 7 * MOST) is None
