"""Bodies that are not what they should be: always a 400 that says where."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from antigravity_proxy.dialect.parse import complaint, convert, parse
from antigravity_proxy.errors import BadRequest


class Item(Struct):
    size: int


class Body(Struct):
    items: list[Item] = []
    more: Any = None


DECODER = msgspec.json.Decoder(Body)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", r"not JSON: .*\(byte 0\)"),
        (b'{"items":', r"not JSON: .*\(byte 9\)"),
        (b'{"items":[} ', r"not JSON: .*\(byte 10\)"),
        (b'{"more":NaN}', r"not JSON: .*\(byte 8\)"),
        (b'{"more":"\xff"}', r"not UTF-8 \(byte 9\)"),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}x", "not JSON"),
        (b'{"more":"\\ud83d"', "not JSON"),
        (b'{"more":"\\ud83d","items":NaN}', "not JSON"),
        ('{"more":1}'.encode("utf-16"), "not JSON"),
        (b'{"more":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b"[]", "Expected `object`, got `array`"),
        (b'{"more":1e400}', "out of range"),
        (b'{"more":' + b"9" * 5000 + b"}", "out of range"),
    ],
)
def test_a_body_that_is_not_json_is_told_where(body: bytes, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        parse(body, DECODER)


def test_a_wrong_type_is_told_with_its_path() -> None:
    with pytest.raises(BadRequest, match=r"Expected `int`, got `str` \(at items\[1\]\.size\)") as caught:
        parse(b'{"items":[{"size":1},{"size":"2"}]}', DECODER)
    assert caught.value.param == "items[1].size"


def test_a_value_converted_later_is_told_with_the_whole_path() -> None:
    assert convert({"size": 1}, Item, "a") == Item(1)
    for value, kind, param in (({"size": "x"}, Item, "a.size"), (["x"], list[int], "a[0]"), (5, Item, "a")):
        with pytest.raises(BadRequest) as caught:
            convert(value, kind, "a")
        assert caught.value.param == param


def test_a_complaint_without_a_place_has_no_param() -> None:
    assert complaint(msgspec.ValidationError("wrong")).param is None


@given(st.binary())
def test_no_bytes_do_harm(body: bytes) -> None:
    with contextlib.suppress(BadRequest):
        parse(body, DECODER)


@pytest.mark.parametrize(
    ("body", "more"),
    [
        (b'\xef\xbb\xbf{"more":1}', 1),
        (b'{"more":"\\ud83d"}', "\ufffd"),
        (b'{"more":"a\\udc00b\\ud83d\\ude00c\\ud83d\\ud83d\\ude00"}', "a\ufffdb\U0001f600c\ufffd\U0001f600"),
        (b'{"more":"\\\\ud83d \\ud83d"}', "\\ud83d \ufffd"),
    ],
)
def test_marks_and_half_characters_do_no_harm(body: bytes, more: Any) -> None:
    assert parse(body, DECODER).more == more
