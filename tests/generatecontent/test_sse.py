"""The decoder gives the same events however the bytes are cut."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity_proxy.canonical.wire import EventTooLargeError
from antigravity_proxy.generatecontent.sse import SSEDecoder

STREAM = (
    ": a comment\r\n"
    'data: {"a":"Tromsø"}\r\n\r\n'
    "event: ping\n"
    "data:no space\n"
    "data: second line\n"
    "\n"
    "id: 7\rdata: with CR\r\r"
    "\n\n"
    "data: \n\n"
    'data: {"last":"without an empty line …"}'
).encode()
EVENTS = [
    '{"a":"Tromsø"}'.encode(),
    b"no space\nsecond line",
    b"with CR",
    b"",
    '{"last":"without an empty line …"}'.encode(),
]


def decode(pieces: list[bytes]) -> list[bytes]:
    decoder = SSEDecoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.close()


def test_all_line_ends_comments_and_fields_are_understood() -> None:
    assert decode([STREAM]) == EVENTS


def test_byte_by_byte_gives_the_same() -> None:
    assert decode([STREAM[i : i + 1] for i in range(len(STREAM))]) == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_any_cut_gives_the_same(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    assert decode([STREAM[a:b] for a, b in itertools.pairwise(edges)]) == EVENTS


@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=40), max_size=6),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.integers(1, 9),
)
def test_any_events_survive_any_line_end(texts: list[str], line_end: str, size: int) -> None:
    stream = "".join(f"data: {text}{line_end}{line_end}" for text in texts).encode()
    assert decode([stream[i : i + size] for i in range(0, len(stream), size)]) == [text.encode() for text in texts]


PLAIN = st.lists(st.binary(max_size=40).map(lambda text: text.translate(None, b"\r\n")), max_size=6)
ODD = st.sampled_from(
    [b"", b": comment\r\n", b"data:x\r\n\r\n", b"data: 1\r\ndata: 2\r\n\r\n", b"data: a\nb\r\n\r\n", b"\r\n"]
)


@given(PLAIN, ODD, PLAIN, st.lists(st.integers(0, 600), max_size=4))
def test_whole_events_of_one_line_give_the_same_as_their_bytes(
    before: list[bytes], odd: bytes, after: list[bytes], cuts: list[int]
) -> None:
    stream = odd.join(b"".join(b"data: " + text + b"\r\n\r\n" for text in texts) for texts in (before, after))
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    byte_by_byte = decode([stream[i : i + 1] for i in range(len(stream))])
    assert decode([stream[a:b] for a, b in itertools.pairwise(edges)]) == byte_by_byte
    if not odd:
        assert byte_by_byte == before + after


def test_an_event_is_returned_as_soon_as_its_empty_line_is_there() -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b"data: 1\n\nda") == [b"1"]
    assert decoder.feed(b"ta: 2\n") == []
    assert decoder.feed(b"\n") == [b"2"]


def test_an_empty_feed_between_cr_and_lf_changes_nothing() -> None:
    decoder = SSEDecoder()
    assert decoder.feed(b"data: 1\r") == []
    assert decoder.feed(b"") == []
    assert decoder.feed(b"\n\r\n") == [b"1"]


@pytest.mark.parametrize(
    "pieces", [[b"data: " + b"x" * 201], [b"x" * 100, b"x" * 100], [b"data: " + b"x" * 100 + b"\n"] * 2]
)
def test_a_line_or_event_without_end_is_refused(pieces: list[bytes]) -> None:
    decoder = SSEDecoder(limit=200)
    for piece in pieces[:-1]:
        decoder.feed(piece)
    with pytest.raises(EventTooLargeError, match="200 bytes"):
        decoder.feed(pieces[-1])
    assert decoder.close() == []  # what was refused is not kept


def test_the_limit_is_per_event_not_per_stream() -> None:
    decoder = SSEDecoder(limit=200)
    for _ in range(50):
        assert decoder.feed(b"data: " + b"x" * 80 + b"\n") == []
        assert decoder.feed(b"\n") == [b"x" * 80]


def test_lines_without_content_count() -> None:
    decoder = SSEDecoder(limit=1000)
    for _ in range(20):
        decoder.feed(b"data:\n")
    with pytest.raises(EventTooLargeError):
        decoder.feed(b"data:\n")


def _cost(pieces: list[bytes]) -> float:
    """Seconds of CPU, the best of three, that the pieces take."""
    taken = []
    for _ in range(3):
        decoder = SSEDecoder()
        begin = time.process_time()
        for piece in pieces:
            decoder.feed(piece)
        taken.append(time.process_time() - begin)
    return min(taken)


@pytest.mark.parametrize("line", [b"x" * 1024, b"data: " + b"x" * 2017 + b"\n", b"data:\n" * 8, b": " + b"x" * 1022])
def test_a_large_event_in_small_pieces_costs_its_size(line: bytes) -> None:
    small, large = ([b"data: ", *[line] * count, b"\n\n"] for count in (2 * 1024, 16 * 1024))
    # what is scanned or copied again at each piece costs 64 times as much; page faults of larger memory, five times 8
    assert _cost(large) < 5 * 8 * _cost(small)
