"""An upstream that misbehaves: what is cut, what is told, and who is asked again."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.rawupstream import EVENT, RawUpstream, Reply, answer
from support.target import CHAT, GENERATE, MESSAGES, MIB, STREAM, Peak, Target, body, target, until

pytestmark = pytest.mark.hostile

Observe = Callable[[str], None]
DIALECTS = (CHAT, MESSAGES, GENERATE)
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
_TEXT = b'data: {"response":{"candidates":[{"content":{"role":"model","parts":[{"text":"Hel"}]}}]}}\r\n\r\n'


@pytest.fixture
def upstream() -> Iterator[RawUpstream]:
    """An upstream that says anything."""
    running = RawUpstream()
    yield running
    running.stop()


@pytest.fixture
def daemon(tmp_path: Path, upstream: RawUpstream) -> Iterator[Target]:
    """A daemon on it, for one test: accounts that are set aside must not disturb the next."""
    with target(tmp_path, upstream.url, PROXY_REQUEST_TIMEOUT="8") as running:
        yield running


def pouring(head: bytes, piece: bytes, count: int) -> Reply:
    """An answer that goes on and on."""

    def reply(s: socket.socket, _: bytes) -> None:
        s.sendall(head)
        for _ in range(count):
            s.sendall(piece)

    return reply


BOMBS = {
    "endless line": (pouring(_HEAD + b"data: ", b"x" * MIB, 512), 100),
    "endless event": (pouring(_HEAD, b"data: " + b"x" * MIB + b"\n", 512), 100),
    "gzip bomb": (
        answer(b"200 OK\r\nContent-Encoding: gzip", b"text/event-stream", gzip.compress(bytes(1 << 28), 6) * 4),
        100,
    ),
    "300 MB JSON": (pouring(_HEAD.replace(b"text/event-stream", b"application/json") + b'["', b"x" * MIB, 300), 150),
    "300 MB of error": (pouring(b"HTTP/1.1 500 X\r\nContent-Type: application/json\r\n\r\n", b"x" * MIB, 300), 100),
    "4 MB header": (pouring(b"HTTP/1.1 200 OK\r\nX-A: ", b"x" * MIB, 4), 60),
    "200,000 headers": (pouring(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 1000, 200), 60),
}


@pytest.mark.row("upstream bombs")
@pytest.mark.parametrize("name", BOMBS)
def test_answers_without_end_are_cut(daemon: Target, upstream: RawUpstream, observe: Observe, name: str) -> None:
    reply, bound = BOMBS[name]
    assert daemon.well()
    upstream.reply = reply
    began = time.monotonic()
    with Peak(daemon.process) as peak:
        found = daemon.ask("POST", CHAT, body(CHAT), timeout=60)
    seconds = time.monotonic() - began
    observe(f"{name}: {found.status}, memory +{peak.grown:.0f} MiB, {seconds:.1f} s")
    assert found.status in (502, 503, 500)
    assert peak.grown <= bound
    upstream.reply = answer()
    until(daemon.well, 40)


@pytest.mark.row("redirects")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(daemon: Target, upstream: RawUpstream, observe: Observe, status: int) -> None:
    elsewhere = RawUpstream()
    line = b"%d Moved\r\nLocation: %b/v1internal:streamGenerateContent" % (status, elsewhere.url.encode())
    upstream.reply = answer(line, b"text/plain", b"")
    assert daemon.chat().status in (502, 503)
    elsewhere.stop()
    observe("0 contacts")
    assert not elsewhere.requests


def _then(data: bytes, how: str) -> Reply:
    def reply(s: socket.socket, _: bytes) -> None:
        s.sendall(data)
        time.sleep(0.2)
        if how == "reset":
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")

    return reply


@pytest.mark.row("broken before")
@pytest.mark.parametrize("how", ["reset", "end"])
@pytest.mark.parametrize("path", DIALECTS)
def test_an_answer_that_breaks_before_its_first_byte_comes_from_another_account(
    daemon: Target, upstream: RawUpstream, path: str, how: str
) -> None:
    def reply(s: socket.socket, request: bytes) -> None:
        (_then(b"", how) if len(upstream.requests) == 1 else answer())(s, request)

    upstream.reply = reply
    assert daemon.chat(path).status == 200
    first, second = upstream.requests
    assert first.partition(b"Bearer ")[2][:12] != second.partition(b"Bearer ")[2][:12]


@pytest.mark.row("broken within")
@pytest.mark.parametrize("how", ["reset", "end"])
@pytest.mark.parametrize("path", [CHAT, MESSAGES, STREAM])
def test_an_answer_that_breaks_within_never_ends_cleanly(
    daemon: Target, upstream: RawUpstream, path: str, how: str
) -> None:
    upstream.reply = _then(b"%bContent-Length: 100000\r\n\r\n%b" % (_HEAD[:-2], _TEXT), how)
    found = daemon.chat(path, stream=True)
    assert b"Hel" in found.body
    assert b"error" in found.body
    assert not any(words in found.body for words in (b"[DONE]", b"message_stop", b'"finishReason"', b'"stop"'))
    assert len(upstream.requests) == 1


@pytest.mark.row("stalled upstream")
@pytest.mark.parametrize("data", [b"", _HEAD, _HEAD + _TEXT])
def test_an_upstream_that_falls_silent(daemon: Target, upstream: RawUpstream, observe: Observe, data: bytes) -> None:
    over = threading.Event()

    def reply(s: socket.socket, _: bytes) -> None:
        s.sendall(data)
        over.wait(40)

    upstream.reply = reply
    began = time.monotonic()
    found = daemon.ask("POST", CHAT, body(CHAT, stream=True), timeout=35)
    seconds = time.monotonic() - began
    over.set()
    where = "within" if _TEXT in data else "after the head" if data else "before the head"
    observe(f"silent {where}: ends after {seconds:.0f} s")
    assert found.status in (200, 502, 503, 504)
    assert b"error" in found.body
    assert seconds <= 30


@pytest.mark.row("unfinished")
@pytest.mark.parametrize("events", [_TEXT, _TEXT + b"data: garbage\r\n\r\ndata: [1]\r\n\r\n"])
@pytest.mark.parametrize("path", [CHAT, MESSAGES, STREAM])
def test_an_answer_without_a_finish_reason_ends(
    daemon: Target, upstream: RawUpstream, path: str, events: bytes
) -> None:
    upstream.reply = answer(body=events)
    found = daemon.chat(path, stream=True)
    assert b"error" in found.body
    assert b"[DONE]" not in found.body


@pytest.mark.row("cuts")
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_an_answer_cut_at_every_byte_is_whole(daemon: Target, upstream: RawUpstream, end: bytes) -> None:
    text = "Grüße, 世界 🎉"
    part = json.dumps({"text": text}, ensure_ascii=False)
    event = b'data: {"response":{"candidates":[{"content":{"role":"model","parts":[%b]}}]}}\n\n' % part.encode()
    stream = (b": a comment\n\n" + event * 2 + EVENT.replace(b"\r\n", b"\n")).replace(b"\n", end)

    def reply(s: socket.socket, _: bytes) -> None:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for place in range(len(_HEAD + stream)):
            s.sendall((_HEAD + stream)[place : place + 1])
            time.sleep(0.0005)

    upstream.reply = reply
    assert daemon.chat().json["choices"][0]["message"]["content"] == text * 2 + "Hello"


@pytest.mark.row("always failing")
@pytest.mark.parametrize("status", [500, 503])
def test_an_upstream_that_always_fails(daemon: Target, upstream: RawUpstream, observe: Observe, status: int) -> None:
    error = json.dumps({"error": {"code": status, "status": "INTERNAL", "message": "no"}}).encode()
    upstream.reply = answer(b"%d X" % status, b"application/json", error)
    began = time.monotonic()
    asking = [threading.Thread(target=daemon.chat) for _ in range(20)]
    for each in asking:
        each.start()
    for each in asking:
        each.join()
    seconds = time.monotonic() - began
    observe(f"{status}: {len(upstream.requests)} attempts for 20 requests, {seconds:.1f} s")
    assert len(upstream.requests) <= 60
    assert seconds <= 20


@pytest.mark.row("unreachable")
def test_an_upstream_that_is_not_there_and_comes_back(tmp_path: Path, observe: Observe) -> None:
    upstream = RawUpstream()
    with target(tmp_path, upstream.url) as daemon:
        assert daemon.well()
        upstream.stop()
        began = time.monotonic()
        found = [daemon.chat(path).status for path in DIALECTS]
        seconds = time.monotonic() - began
        again = RawUpstream(port=int(upstream.url.rpartition(":")[2]))
        back = until(daemon.well, 5)
        again.stop()
    observe(f"refused: {found} in {seconds:.1f} s; well again after {back:.1f} s")
    assert set(found) <= {502, 503}
    assert seconds <= 10
    with target(tmp_path / "name", "http://no-such-name.invalid") as daemon:
        began = time.monotonic()
        status = daemon.chat().status
        seconds = time.monotonic() - began
    observe(f"no such name: {status} in {seconds:.1f} s")
    assert status in (502, 503)
    assert seconds <= 15
