"""HTTP/1.1 messages, strictly: what is taken, what is refused, and that cuts make no difference."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity_proxy.http1.bodies import MAX_CHUNK_LINE, MAX_TRAILERS, Body, ChunkedBody, LengthBody, UntilClose
from antigravity_proxy.http1.fields import ReceivedFields
from antigravity_proxy.http1.parser import (
    HeadReader,
    Malformed,
    RequestHead,
    TooLong,
    announced_length,
    is_chunked,
    origin_form,
    request_head,
    request_length,
    response_head,
    tokens,
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(places)]


def read_all(body: Body, data: bytes, cuts: list[int]) -> tuple[bytes, bytes]:
    """The content, and what came behind the end."""
    content, rest = b"", b""
    for piece in pieces(data, cuts):
        if body.done:
            rest += piece
            continue
        content += body.feed(piece)
        rest = body.surplus
    return content, rest


def chunked(chunks: list[bytes], trailer: bytes = b"") -> bytes:
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks if chunk)
    return framed + b"0\r\n" + trailer + b"\r\n"


def test_a_response_head() -> None:
    head = response_head(b"HTTP/1.1 200 OK\r\nContent-Type: a\r\nX: 1\r\nx:\t2 \r\nEmpty:")
    assert (head.code, head.minor, head.persistent) == (200, 1, True)
    assert head.fields == {b"content-type": [b"a"], b"x": [b"1", b"2"], b"empty": [b""]}
    assert head.field(b"x") == "1"
    assert head.field(b"y") is None
    assert response_head(b"HTTP/1.1 204").code == 204
    assert not response_head(b"HTTP/1.0 200 OK").persistent
    assert not response_head(b"HTTP/1.1 200 OK\r\nConnection: Keep-Alive , Close").persistent


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"HTTP/2 200 OK",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1  200 OK",
        b"http/1.1 200 OK",
        b"ICY 200 OK",
        b"HTTP/1.1 200 O\x00K",
        b"HTTP/1.1 200 OK\r\nname",
        b"HTTP/1.1 200 OK\r\n: value",
        b"HTTP/1.1 200 OK\r\nna me: value",
        b"HTTP/1.1 200 OK\r\nname : value",
        b"HTTP/1.1 200 OK\r\na: b\r\n folded",
        b"HTTP/1.1 200 OK\r\na: b\nc: d",
        b"HTTP/1.1 200 OK\r\na: b\rc",
        b"HTTP/1.1 200 OK\r\na: \x00",
        b"HTTP/1.1 200 OK\r\na: \x7f",
        b"HTTP/1.1 200 OK\r\n\xc3\xa4: b",
    ],
)
def test_a_response_head_that_is_malformed(block: bytes) -> None:
    with pytest.raises(Malformed):
        response_head(block)


def test_a_request_head() -> None:
    head = request_head(b"POST /v1/x?y=\xc3\xa4 HTTP/1.1\r\nHost: h")
    assert head == RequestHead(1, ReceivedFields({b"host": [b"h"]}), b"POST", b"/v1/x?y=\xc3\xa4")


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"GET /",
        b"GET  / HTTP/1.1",
        b"GET / HTTP/1.2",
        b"GET / HTTP/1.1 ",
        b" GET / HTTP/1.1",
        b"GET /a b HTTP/1.1",
        b"G(T / HTTP/1.1",
        b"GET /\t HTTP/1.1",
        b"M" * 33 + b" / HTTP/1.1",
        b"GET / http/1.1",
    ],
)
def test_a_request_line_that_is_malformed(line: bytes) -> None:
    with pytest.raises(Malformed):
        request_head(line)


@given(st.lists(st.integers(0, 10_000), max_size=8))
def test_a_head_in_pieces(cuts: list[int]) -> None:
    data = b"GET / HTTP/1.1\r\nHost: h\r\n\r\nrest\r\n\r\n"
    reader, found = HeadReader(100), None
    for piece in pieces(data, cuts):
        found = reader.feed(piece) if found is None else (found[0], found[1] + piece)
    assert found == (b"GET / HTTP/1.1\r\nHost: h", b"rest\r\n\r\n")


def test_a_head_is_bounded_and_its_first_line_is_seen_early() -> None:
    reader = HeadReader(20)
    assert reader.first_line is None
    assert reader.feed(b"GET / HTTP") is None
    assert reader.first_line is None
    assert reader.feed(b"/1.1\r\nA") is None
    assert reader.first_line == b"GET / HTTP/1.1"
    with pytest.raises(TooLong):
        reader.feed(b": 12345678")
    with pytest.raises(TooLong):
        HeadReader(3).feed(b"abcd\r\n\r\n")
    reader = HeadReader(3)
    assert reader.feed(b"abc\r\n") is None
    assert reader.feed(b"\r\n") == (b"abc", b"")
    reader = HeadReader(3)
    assert reader.feed(b"abcd") is None
    with pytest.raises(TooLong):
        reader.feed(b"\r\n\r\n")


def test_a_head_byte_by_byte_is_linear() -> None:
    def cost(size: int) -> float:
        reader, began = HeadReader(1 << 20), time.process_time()
        for _ in range(size):
            reader.feed(b"x")
        return time.process_time() - began

    cost(1000)
    assert cost(80_000) < 16 * cost(20_000) + 0.05


def test_a_target_in_absolute_form() -> None:
    fields = {b"host": [b"h"]}
    assert origin_form(b"/a?b", fields) == b"/a?b"
    assert origin_form(b"*", fields) == b"*"
    assert origin_form(b"HTTP://h/a?b", fields) == b"/a?b"
    assert origin_form(b"http://h", fields) == b"/"
    assert origin_form(b"http://h?a", fields) == b"/?a"
    with pytest.raises(Malformed):
        origin_form(b"http://other/a", fields)


@pytest.mark.parametrize("value", [b"", b"+1", b"-1", b"1 2", b"0x1", b"1_0", b"1,1", b"1" * 16, b"\xb2"])
def test_a_length_that_is_malformed(value: bytes) -> None:
    with pytest.raises(Malformed):
        announced_length({b"content-length": [value]})


def test_framing() -> None:
    assert announced_length({}) is None
    assert announced_length({b"content-length": [b"007"]}) == 7
    with pytest.raises(Malformed):
        announced_length({b"content-length": [b"1", b"1"]})
    assert not is_chunked({})
    assert is_chunked({b"transfer-encoding": [b"Chunked"]})
    for values in ([b"gzip, chunked"], [b"chunked", b"chunked"], [b"identity"], [b""]):
        with pytest.raises(Malformed):
            is_chunked({b"transfer-encoding": values})
    with pytest.raises(Malformed):
        is_chunked({b"transfer-encoding": [b"chunked"], b"content-length": [b"1"]})
    assert tokens({b"connection": [b"a, ,B", b"c"]}, b"connection") == [b"a", b"b", b"c"]
    assert tokens({}, b"connection") == []


@given(st.binary(max_size=50), st.binary(max_size=10), st.lists(st.integers(0, 10_000), max_size=6))
def test_a_body_of_a_known_length(content: bytes, rest: bytes, cuts: list[int]) -> None:
    body = LengthBody(len(content))
    assert body.done is (not content)
    assert read_all(body, content + rest, cuts) == (content, rest)
    assert body.done


def test_a_body_until_the_end_of_the_connection() -> None:
    body = UntilClose()
    assert read_all(body, b"abc", [1]) == (b"abc", b"")
    assert not body.done


@given(
    st.lists(st.binary(max_size=40), max_size=6),
    st.sampled_from([b"", b"X-Sum: 1\r\n", b"A: 1\r\nB: 2\r\n"]),
    st.binary(max_size=10),
    st.lists(st.integers(0, 10_000), max_size=12),
)
def test_a_chunked_body(chunks: list[bytes], trailer: bytes, rest: bytes, cuts: list[int]) -> None:
    body = ChunkedBody()
    assert read_all(body, chunked(chunks, trailer) + rest, cuts) == (b"".join(chunks), rest)
    assert body.done


@pytest.mark.parametrize("line", [b"5;ext", b"5 ;ext=1", b"00005", b'5;a="b"'])
def test_extensions_are_dropped(line: bytes) -> None:
    assert ChunkedBody().feed(line + b"\r\nhello\r\n") == b"hello"


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n",
        b"5\n",
        b"x\r\n",
        b"+5\r\n",
        b"-5\r\n",
        b"0x5\r\n",
        b"5_0\r\n",
        b" 5\r\n",
        b"5 \r\n",
        b"5;\x01\r\n",
        b"f" * 16 + b"\r\n",
        b"1\r\nab\r\n",
        b"1\r\na\n\n",
        b"0\r\nno colon\r\n\r\n",
        b"0\r\n folded: x\r\n\r\n",
        b"1;" + b"x" * MAX_CHUNK_LINE + b"\r\n",
        b"0\r\n" + b"a: " + b"x" * MAX_TRAILERS + b"\r\n\r\n",
        b"0\r\n" + b"a: b\r\n" * (MAX_TRAILERS // 5),
    ],
)
@pytest.mark.parametrize("bytewise", [False, True])
def test_a_chunked_body_that_is_malformed(data: bytes, bytewise: bool) -> None:
    with pytest.raises(Malformed):
        read_all(ChunkedBody(), data + b"\r\n", list(range(len(data))) if bytewise else [])


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=6))
def test_junk_never_raises_anything_else(junk: bytes, cuts: list[int]) -> None:
    body = ChunkedBody()
    try:
        for piece in pieces(junk, cuts):
            body.feed(piece)
    except Malformed:
        pass
    for read in (response_head, request_head):
        with contextlib.suppress(Malformed):
            read(junk)


def test_how_a_request_is_framed() -> None:
    def framed(*fields: bytes, minor: int = 1) -> int | None:
        lines = b"".join(b"\r\n" + field for field in fields)
        return request_length(request_head(b"POST / HTTP/1.%d" % minor + lines))

    assert framed(b"Host: h", b"Transfer-Encoding: chunked") is None
    assert framed(b"Host: h") == 0
    assert framed(b"Host: h", b"Content-Length: 1") == 1
    assert framed(minor=0) == 0
    for wrong in ((), (b"Host: h", b"Host: h")):
        with pytest.raises(Malformed):
            framed(*wrong)
    with pytest.raises(Malformed):
        framed(b"Host: h", b"Transfer-Encoding: chunked", minor=0)


_TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CONTROLS = bytes({*range(32), 127} - {9})


def line_by_line(block: bytes) -> tuple[tuple[bytes, ...], dict[bytes, list[bytes]]] | str:
    """A head as the RFC tells it, without any pattern for the fields: its first line and they, or what is wrong."""
    first, *lines = block.split(b"\r\n")
    if found := re.fullmatch(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: .*)?", first):
        if set(first) & set(_CONTROLS):
            return "the status line is malformed"
    elif not (found := re.fullmatch(rb"([^ ]{1,32}) ([^ ]+) HTTP/1\.([01])", first)) or (
        found[1].translate(None, _TOKEN) or set(found[2]) & {*_CONTROLS, 9}
    ):
        return "the status line is malformed" if first.startswith(b"HTTP/") else "the request line is malformed"
    fields: dict[bytes, list[bytes]] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not name or name.translate(None, _TOKEN):
            return "a field's name is malformed"
        if set(value) & set(_CONTROLS):
            return "a field's value holds a control character"
        fields.setdefault(name.lower(), []).append(value.strip(b" \t"))
    return found.groups(), fields


def whole(block: bytes) -> tuple[tuple[bytes, ...], dict[bytes, list[bytes]]] | str:
    try:
        if block.startswith(b"HTTP/"):
            answer = response_head(block)
            return (b"%d" % answer.minor, b"%d" % answer.code), answer.fields
        asked = request_head(block)
        return (asked.method, asked.target, b"%d" % asked.minor), asked.fields
    except Malformed as e:
        return str(e)


_text = st.text(alphabet=st.sampled_from("aA:-~ \t\r\n\0\x7f\xe9(,"), max_size=8).map(
    lambda text: text.encode("latin-1")
)
_field = st.one_of(
    _text,
    st.builds(lambda name, value: name + b": " + value, st.sampled_from([b"a", b"A", b"B-c", b"", b"a b"]), _text),
)
_first = st.sampled_from(
    [
        *(
            b"HTTP/1.1 200",
            b"HTTP/1.0 404 ",
            b"HTTP/1.1 200 O\tK",
            b"HTTP/1.1 200 O\nK",
            b"HTTP/1.1 099",
            b"HTTP/2 200",
        ),
        *(b"GET / HTTP/1.1", b"GET /\xe9 HTTP/1.0", b"GET  / HTTP/1.1", b"G(T / HTTP/1.1", b"GET / HTTP/1.2"),
        b"GET /\t HTTP/1.1",
    ]
)


@given(st.builds(lambda first, fields: b"\r\n".join([first, *fields]), _first, st.lists(_field, max_size=4)))
def test_a_head_read_at_once_is_what_it_is_line_by_line(block: bytes) -> None:
    assert whole(block) == line_by_line(block)


_framing = st.sampled_from(
    [
        *(b"Transfer-Encoding: chunked", b"transfer-encoding:\tCHUNKED ", b"Transfer-Encoding: gzip", b"X: chunked"),
        *(b"Content-Length: 5", b"X-Transfer-Encoding: chunked", b"X: Content-Length: 5", b"Transfer-Encoding:"),
        *(b"Connection: close", b"connection: keep-alive, Close", b"Connection: upgrade", b"x-connection: close"),
    ]
)


@given(st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/1.0 200"]), st.lists(_framing, max_size=3))
def test_a_responses_fields_are_the_same_as_they_came_and_read_one_by_one(first: bytes, fields: list[bytes]) -> None:
    def chunked(asked: Callable[[], bool]) -> bool | str:
        try:
            return asked()
        except Malformed as e:
            return str(e)

    head = response_head(b"\r\n".join([first, *fields]))
    read = ReceivedFields(head.fields)
    assert chunked(lambda: head.is_chunked) == chunked(lambda: is_chunked(read))
    assert head.persistent == (head.minor == 1 and b"close" not in tokens(read, b"connection"))
    for name in (b"transfer-encoding", b"content-length", b"connection", b"x", b"x-none", b"transfer"):
        assert head.field(name) == (read[name][0].decode() if name in read else None)
