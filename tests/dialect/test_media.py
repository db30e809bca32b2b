"""Media in requests: what becomes inline data, and what is refused."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity_proxy.canonical.content import Blob, FileData, Part
from antigravity_proxy.dialect import media
from antigravity_proxy.errors import BadRequest

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(40))).decode()


def blob(part: Part) -> Blob:
    assert part.inline_data is not None
    return part.inline_data


@pytest.mark.parametrize(
    ("url", "mime"),
    [
        (f"data:image/png;base64,{PNG}", "image/png"),
        (f"data:image/png;charset=utf-8;base64,{PNG}", "image/png"),
        (f"DATA:IMAGE/PNG;BASE64,{PNG}", "image/png"),
        (f"data:image/jpg;base64,{PNG}", "image/jpeg"),
        (f"data:image/webp;base64,{PNG}", "image/webp"),
        (f"data:image/*;base64,{PNG}", "image/png"),
        (f"data:;base64,{PNG}", "image/png"),
        (f"data:application/octet-stream;base64,{PNG}", "image/png"),
    ],
)
def test_a_data_url_becomes_inline_data(url: str, mime: str) -> None:
    assert blob(media.from_url(url, "p")) == Blob(mime, PNG)


@pytest.mark.parametrize(
    ("head", "mime"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"%PDF-1.7", "application/pdf"),
        (b"RIFF\x00\x00\x00\x00WAVE", "application/octet-stream"),
        (b"?", "application/octet-stream"),
    ],
)
def test_a_type_that_is_not_told_is_read_from_the_first_bytes(head: bytes, mime: str) -> None:
    data = base64.b64encode(head + bytes(100)).decode()
    assert blob(media.inline("", data, "p")).mime_type == mime


def test_an_unreadable_general_type_stays_as_it_was_told() -> None:
    assert blob(media.inline("image/*", "AAAA", "p")).mime_type == "image/*"


def test_percent_encoded_data_urls_are_encoded_anew() -> None:
    assert blob(media.from_url("data:text/plain,a%20b", "p")) == Blob("text/plain", base64.b64encode(b"a b").decode())
    assert blob(media.from_url("data:,x", "p")).mime_type == "text/plain"


def test_what_upstream_reads_by_itself_is_passed_on() -> None:
    assert media.from_url("gs://bucket/a.png", "p").file_data == FileData("gs://bucket/a.png")
    for url in ("https://www.youtube.com/watch?v=x", "https://youtu.be/x"):
        assert media.from_url(url, "p").file_data == FileData(url, "video/*")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://example.com/a.png", "data URL"),
        ("HTTP://169.254.169.254/latest/meta-data", "data URL"),
        ("https://youtube.com.example.org/x", "data URL"),
        ("file:///etc/passwd", "data:"),
        ("/etc/passwd", "data:"),
        ("file-abc123", "data:"),
        ("", "data:"),
        ("data:image/png;base64", "data:"),
        ("data:image/png;base64,", "empty"),
        ("data:image/png;base64,****", "base64"),
        ("data:image/png;base64,AAAAA", "base64"),
        ("data:image/png;base64,AAé=", "base64"),
        ("data:image/png;base64,AA=A", "base64"),
    ],
)
def test_everything_else_is_refused_and_the_field_named(url: str, words: str) -> None:
    with pytest.raises(BadRequest, match=words) as caught:
        media.from_url(url, "messages[0].content[1].image_url")
    assert caught.value.param == "messages[0].content[1].image_url"


@given(st.binary(min_size=1), st.booleans(), st.booleans(), st.booleans())
def test_base64_in_any_spelling_becomes_the_same_standard_form(
    raw: bytes, url_safe: bool, padded: bool, broken_into_lines: bool
) -> None:
    data = (base64.urlsafe_b64encode if url_safe else base64.b64encode)(raw).decode()
    data = data if padded else data.rstrip("=")
    data = "\r\n".join(data[i : i + 5] for i in range(0, len(data), 5)) if broken_into_lines else data
    assert blob(media.inline("image/png", data, "p")).data == base64.b64encode(raw).decode()


def test_standard_base64_is_not_copied() -> None:
    assert blob(media.inline("image/png", PNG, "p")).data is PNG


def test_a_text_file_becomes_text_under_its_title() -> None:
    part = media.inline("text/plain", base64.b64encode("größe".encode()).decode(), "p")
    assert media.readable(part, "").text == "größe"
    assert media.readable(part, 'a"b.txt').text == '<document title="a&quot;b.txt">\ngröße\n</document>'


def test_other_files_stay_as_they_are() -> None:
    for part in (media.inline("application/pdf", "AAAA", "p"), Part(file_data=FileData("gs://x"))):
        assert media.readable(part, "a.pdf") is part


@pytest.mark.parametrize(
    ("mime", "data", "expected"),
    [
        ("image/png", b"x", "image/png"),
        ("image/jpg", b"x", "image/jpeg"),
        ("", b"RIFF....WEBP", "image/webp"),
        ("image/*", b"x", "image/*"),
        ("", b"x", "application/octet-stream"),
    ],
)
def test_bytes_become_inline_data(mime: str, data: bytes, expected: str) -> None:
    assert blob(media.inline_bytes(mime, data)) == Blob(expected, base64.b64encode(data).decode())


@pytest.mark.parametrize(
    ("mime", "is_text"),
    [
        ("text/x-python", True),
        ("application/json", True),
        ("application/xml", True),
        ("application/x-yaml", True),
        ("application/ld+json", True),
        ("application/javascript", True),
        ("application/pdf", False),
        ("application/octet-stream", False),
        ("image/svg+xml", False),
    ],
)
def test_a_file_of_text_is_read_whatever_its_type_is_called(mime: str, is_text: bool) -> None:
    part = media.readable(media.inline(mime, base64.b64encode(b"{}").decode(), "p"), "a.json")
    assert (part.text == '<document title="a.json">\n{}\n</document>') is is_text
