"""The connection to upstream ends in every phase of an answer, softly or hard: nothing half ever looks whole."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from support.cut import Then, upstream
from support.deferreds import deferred, in_thread
from support.sdks import DIALECTS, Told
from support.stack import stack

_EVENT = b'data: {"response":{"candidates":[{"content":{"role":"model","parts":[{"text":"%b"}]}%b}]}}\r\n\r\n'
_PIECES = ["Grüß".encode(), " dich, 世".encode(), "界!".encode()]
TEXT = b"".join(_PIECES).decode()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def _chunks() -> Iterator[bytes]:
    """The body's chunks; the second event lies in two of them, cut within a character."""
    first, second, last = (
        _EVENT % (piece, b',"finishReason":"STOP"' if piece is _PIECES[-1] else b"") for piece in _PIECES
    )
    middle = second.index("世".encode()) + 1
    for chunk in (first, second[:middle], second[middle:], last):
        yield b"%x\r\n%b\r\n" % (len(chunk), chunk)
    yield b"0\r\n\r\n"


PARTS = [HEAD, *_chunks()]
WHOLE = b"".join(PARTS)
#: where the first event is complete, and where the one with the finish reason is
_ENDS = [sum(map(len, PARTS[:count])) for count in range(1, len(PARTS) + 1)]
BEGUN, FINISHED = _ENDS[1] - 2, _ENDS[4] - 2
_CHUNKS = [place for start, end in pairwise(_ENDS) for place in (start, start + 1, start + 40, end - 1)]
#: nothing, within the status line, within and after the head; before, in and after every chunk, its size line too
PHASES = sorted({0, 5, 20, len(HEAD) - 1, *_CHUNKS})


@pytest.mark.row("broken before", "broken within")
@pytest.mark.parametrize("then", ["closes", "resets"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
@deferred(60)
async def test_a_connection_that_ends_in_each_phase(tmp_path: Path, dialect: str, stream: bool, then: Then) -> None:
    async with upstream(WHOLE, then) as far, stack(tmp_path, PROXY_INTERNAL_BASE_URLS=far.url) as running:
        with DIALECTS[dialect](running.url) as ask:
            for place in PHASES:
                far.answer = WHOLE[:place]
                far.requests.clear()
                told = await in_thread(ask, stream)
                if place >= FINISHED:
                    assert (told.text, told.status, bool(told.end), len(far.generating)) == (TEXT, None, True, 1), place
                elif stream and place >= BEGUN:
                    assert (told.status, told.end, len(far.generating)) == (0, "", 1), place
                    assert told.text, place
                    assert TEXT.startswith(told.text), place
                else:
                    judge_untold(told, place)
                    assert len(far.generating) == 3, place
                assert all(not state.in_flight for state in running.daemon.pool.states)


def judge_untold(told: Told, place: int) -> None:
    """Nothing has left before it was tried three times."""
    assert (told.text, told.status, told.end) == ("", 502, ""), place


@deferred()
async def test_a_connection_that_ends_within_the_request(tmp_path: Path) -> None:
    """Upstream hangs up before it has read what it was sent."""
    far = upstream(b"", "resets", before_body=True)
    async with far as deaf, stack(tmp_path, PROXY_INTERNAL_BASE_URLS=deaf.url) as running:
        for stream in (False, True):
            answer = await running.chat("x" * 3_000_000, stream=stream)
            assert answer.status == 502
