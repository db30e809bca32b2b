"""Upstream's answers that lead elsewhere, break off, or never say that they are over."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.farend import HEAD, Act, FarEnd, answer, event, far_end
from support.target import CHAT, GENERATE, MESSAGES, STREAM, Target, target

pytestmark = pytest.mark.hostile

Observe = Callable[[str], None]
_RESET = b"\x01\x00\x00\x00\x00\x00\x00\x00"


@pytest.fixture
def far() -> Iterator[FarEnd]:
    with far_end() as found:
        yield found


@pytest.fixture
def daemon(tmp_path: Path, far: FarEnd) -> Iterator[Target]:
    """A daemon for one test: accounts that are set aside must not disturb the next."""
    with target(tmp_path, far.url) as running:
        yield running


def breaks(data: bytes, how: str) -> Act:
    """An act: these bytes, and then the connection is reset, or just ends."""

    def act(s: socket.socket) -> None:
        s.sendall(data)
        time.sleep(0.2)
        if how == "reset":
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    return act


@pytest.mark.row("redirects")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(daemon: Target, far: FarEnd, observe: Observe, status: int) -> None:
    with far_end() as elsewhere:
        far.act = answer(
            b"%d Moved\r\nLocation: %b/v1internal:x" % (status, elsewhere.url.encode()), b"text/plain", b""
        )
        assert daemon.chat().status in (502, 503)
        assert not elsewhere.requests
    observe("0 contacts")


@pytest.mark.row("broken before")
@pytest.mark.parametrize("how", ["reset", "end"])
@pytest.mark.parametrize("path", [CHAT, MESSAGES, GENERATE])
def test_an_answer_that_breaks_before_its_first_byte_comes_from_another_account(
    daemon: Target, far: FarEnd, path: str, how: str
) -> None:
    far.act = lambda s: (breaks(b"", how) if far.requests == 1 else answer())(s)
    assert daemon.chat(path).status == 200
    first, second = (seen.partition(b"Bearer ")[2].partition(b"\r\n")[0] for seen in far.seen)
    assert first != second


@pytest.mark.row("broken within")
@pytest.mark.parametrize("how", ["reset", "end"])
@pytest.mark.parametrize("path", [CHAT, MESSAGES, STREAM])
def test_an_answer_that_breaks_within_never_ends_cleanly(daemon: Target, far: FarEnd, path: str, how: str) -> None:
    far.act = breaks(HEAD[:-2] + b"Content-Length: 100000\r\n\r\n" + event("Hel"), how)
    found = daemon.chat(path, stream=True)
    assert b"Hel" in found.body
    assert b"error" in found.body
    assert not any(words in found.body for words in (b"[DONE]", b"message_stop", b'"finishReason"', b'"stop"'))
    assert far.requests == 1


@pytest.mark.row("unfinished")
@pytest.mark.parametrize("garbage", [b"", b"data: garbage\r\n\r\ndata: [1]\r\n\r\n"])
@pytest.mark.parametrize("path", [CHAT, MESSAGES, STREAM])
def test_an_answer_without_a_finish_reason_ends(daemon: Target, far: FarEnd, path: str, garbage: bytes) -> None:
    far.act = answer(body=event("Hel") + garbage)
    found = daemon.chat(path, stream=True)
    assert b"error" in found.body
    assert b"[DONE]" not in found.body
