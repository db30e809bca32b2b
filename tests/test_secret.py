"""Secrets don't show themselves."""

from __future__ import annotations

import pickle

import pytest

from antigravity_proxy.secret import Secret, SecretBytes, masked


def test_neither_repr_nor_str_nor_format_shows_the_value() -> None:
    secret = Secret("hush")
    for shown in (repr(secret), str(secret), f"{secret}", f"{secret!r:>20}", repr([secret]), "%s" % secret):  # noqa: UP031
        assert "hush" not in shown
    assert secret.reveal() == "hush"


def test_the_length_can_not_be_told_from_outside() -> None:
    assert repr(Secret("a")) == repr(Secret("a" * 99))


def test_equality_and_hash_go_by_value() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def test_an_empty_one_is_false() -> None:
    assert not Secret("")
    assert Secret("a")


def test_a_key_is_bytes_that_hide() -> None:
    key = SecretBytes(b"hush")
    for shown in (repr(key), str(key), f"{key}", repr([key]), "%r" % key):  # noqa: UP031
        assert "hush" not in shown
    assert key == b"hush"
    assert len({key, b"hush"}) == 1


def test_it_can_not_be_pickled() -> None:
    with pytest.raises(TypeError, match="not to be pickled"):
        pickle.dumps(Secret("hush"))


@pytest.mark.parametrize(
    ("text", "hidden"),
    [("a@b", "a***@b"), ("@b", "***@b"), ("a@b@c", "a***@c"), ("Alice", "Alice"), ("", "")],
)
def test_masking(text: str, hidden: str) -> None:
    assert masked(text) == hidden
