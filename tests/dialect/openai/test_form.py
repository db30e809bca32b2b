"""Forms: what clients send is read, whatever else comes is a clear 400."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from support.forms import CONTENT_TYPE, Field, form

from antigravity_proxy.dialect.openai.form import Upload, is_form, read_form
from antigravity_proxy.errors import BadRequest


class Texts(Struct):
    text: str = ""
    number: int | float | None = None
    truth: bool | None = None
    word: Literal["a", "b"] | None = None
    words: list[str] = []


def read(*fields: tuple[str, Field]) -> Texts:
    return read_form(form(*fields), CONTENT_TYPE).fields(Texts)


def refused(body: bytes, content_type: str = CONTENT_TYPE) -> BadRequest:
    with pytest.raises(BadRequest) as caught:
        read_form(body, content_type)
    return caught.value


def test_texts_become_what_is_wanted() -> None:
    found = read(
        ("text", "Ä\r\n5"), ("number", "2"), ("truth", "true"), ("word", "b"), ("words[]", "x"), ("words[]", "")
    )
    assert found == Texts("Ä\r\n5", 2, True, "b", ["x"])
    assert read(("number", "0.5"), ("truth", "False"), ("words[]", "x"), ("words[]", "y")) == Texts(
        number=0.5, truth=False, words=["x", "y"]
    )


def test_what_is_empty_or_unknown_is_absent_and_of_a_repeated_name_the_last_counts() -> None:
    assert read(("number", ""), ("other", b"\xff"), ("text", "1"), ("text", "2"), ("", "x")) == Texts("2")
    assert read(("number", "null"), ("word", "null")) == Texts()


def test_a_text_may_come_as_a_file() -> None:
    assert read(("text", ("prompt.txt", b"Say", "text/plain"))) == Texts("Say")


@pytest.mark.parametrize(
    ("field", "param"),
    [
        (("number", "two"), "number"),
        (("number[]", "2"), "number"),
        (("truth", "maybe"), "truth"),
        (("word", "c"), "word"),
        (("words", "x"), "words"),
        (("text", b"\xff"), "text"),
    ],
)
def test_the_field_at_fault_is_named(field: tuple[str, Field], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read(field)
    assert caught.value.param == param


def test_files() -> None:
    data = b"--bound\r\n\0" * 1000
    found = read_form(
        form(("file", ("a.WAV", data, "Audio/WAV; x=1")), ("file[]", ("Ä.png", b"")), ("file", "bare")), CONTENT_TYPE
    )
    assert found.files("file") == [
        Upload("file", "a.WAV", "audio/wav", data),
        Upload("file[]", "Ä.png", "", b""),
        Upload("file", "", "", b"bare"),
    ]
    assert found.files("other") == []


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        (CONTENT_TYPE, True),
        ("Multipart/Form-Data", True),
        ("multipart/form-data;boundary=x", True),
        ("multipart/form-datax", False),
        ("application/json", False),
        ("", False),
    ],
)
def test_content_types(content_type: str, expected: bool) -> None:
    assert is_form(content_type) is expected


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (form(), "application/json"),
        (form(), ""),
        (form(), "multipart/form-data"),
        (form(("a", "b")), "multipart/form-data; boundary=other"),
        (b"", CONTENT_TYPE),
        (b"{}", CONTENT_TYPE),
        (form(("a", "b"))[:-20], CONTENT_TYPE),
        (form(*[("a", "b")] * 129), CONTENT_TYPE),
        (form(("a", ("x" * 5000, b"b"))), CONTENT_TYPE),
        (b"--boundary\r\nContent-Length: 5\r\n\r\nx\r\n--boundary--", CONTENT_TYPE),
        (b"--boundary\r\n\xff\r\n\r\nx\r\n--boundary--", CONTENT_TYPE),
    ],
)
def test_what_is_no_form_is_refused(body: bytes, content_type: str) -> None:
    assert refused(body, content_type).message


def test_an_empty_form_is_a_form() -> None:
    assert read_form(form(), CONTENT_TYPE).fields(Texts) == Texts()


PIECES = st.sampled_from(
    [
        b"--boundary",
        b"--",
        b"\r\n",
        b"\n",
        b" ",
        b"Content-Disposition: form-data",
        b"; name=",
        b'"text"',
        b'; filename="\xff"',
        b"Content-Type: x; charset=nonsense",
        b"Content-Length: ",
        b"9" * 5000,
        b"\0",
    ]
)


@given(
    st.lists(PIECES | st.binary(max_size=4), max_size=20).map(b"".join), st.text(max_size=30) | st.just(CONTENT_TYPE)
)
def test_no_bytes_raise_anything_else(body: bytes, content_type: str) -> None:
    for kind in (content_type, "multipart/form-data; boundary=" + content_type, CONTENT_TYPE):
        try:
            found = read_form(body, kind)
            found.fields(Texts)
        except BadRequest as e:
            assert e.message  # noqa: PT017 - what it says is checked elsewhere
