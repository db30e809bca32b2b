"""What upstream may do to the daemon: be away, fall silent, break off, flood it; and what clients are told of that."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.farend import HEAD, FarEnd, event, far_end
from support.stack import Answer
from support.target import CHAT, GENERATE, MESSAGES, MIB, STREAM, Peak, Target, body, post, target, until

pytestmark = pytest.mark.hostile

Observe = Callable[[str], None]
#: a path for each dialect, and the one that streams
DIALECTS = {CHAT: CHAT, MESSAGES: MESSAGES, GENERATE: STREAM}
#: what ends a stream well, by the path that streams
ENDS = {CHAT: b"data: [DONE]\n\n", MESSAGES: b"event: message_stop", STREAM: b'"finishReason":"STOP"'}
#: what keeps a stream alive
KEEPALIVES = {CHAT: b": keep", MESSAGES: b"event: ping", STREAM: b""}


@pytest.fixture(scope="module")
def far() -> Iterator[FarEnd]:
    with far_end() as found:
        yield found


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, far: FarEnd) -> Iterator[Target]:
    """A daemon that many tests share."""
    with target(tmp_path_factory.mktemp("plain"), far.url, accounts=20) as running:
        yield running


def say(*pieces: bytes) -> Callable[[socket.socket], None]:
    """An act: these bytes, then the end."""

    def act(s: socket.socket) -> None:
        for piece in pieces:
            s.sendall(piece)

    return act


WELL = say(HEAD, event("Hello"), event("", last=True))


def streamed(path: str) -> bytes:
    """A request for a stream, as bytes."""
    content = json.dumps(body(path, stream=True)).encode()
    return post(path, content, "Connection: close")


def text(path: str, answer: Answer) -> str:
    """What the model said in a plain answer."""
    if path == CHAT:
        return str(answer.json["choices"][0]["message"]["content"])
    if path == MESSAGES:
        return "".join(block.get("text", "") for block in answer.json["content"])
    return "".join(part["text"] for part in answer.json["candidates"][0]["content"]["parts"])


@pytest.mark.row("unreachable")
def test_an_upstream_that_is_away(tmp_path: Path, observe: Observe) -> None:
    slowest, back = 0.0, 0.0
    with socket.create_server(("127.0.0.1", 0)) as placeholder:
        port = placeholder.getsockname()[1]
    with target(tmp_path / "one", f"http://127.0.0.1:{port}") as refused:
        for path in DIALECTS:
            began = time.monotonic()
            assert refused.chat(path).status in (502, 503)
            slowest = max(slowest, time.monotonic() - began)
        with socket.create_server(("127.0.0.1", port)) as listener:
            FarEnd(listener).act = WELL
            back = until(refused.well, 5.0)
    with target(tmp_path / "two", "http://no-such-host.invalid") as unknown:
        began = time.monotonic()
        assert unknown.chat().status in (502, 503)
        slowest = max(slowest, time.monotonic() - began)
    observe(f"502 within {slowest:.1f} s; well again after {back:.1f} s")
    assert slowest <= 15


@pytest.mark.row("stalled upstream")
def test_an_upstream_that_says_nothing_or_no_more(tmp_path: Path, far: FarEnd, observe: Observe) -> None:
    def stalls(s: socket.socket) -> None:
        s.sendall(HEAD + event("Hello"))
        far.wait_until_left(s)

    slowest = 0.0
    with target(tmp_path, far.url, PROXY_REQUEST_TIMEOUT="8") as running, ThreadPoolExecutor(8) as threads:
        for act in (far.wait_until_left, stalls):
            far.act = act

            def ask(path: str) -> tuple[float, Answer]:
                began = time.monotonic()
                answer = (
                    running.chat(path, stream=True) if path != GENERATE else running.ask("POST", STREAM, body(path))
                )
                return time.monotonic() - began, answer

            for took, answer in threads.map(ask, DIALECTS):
                slowest = max(slowest, took)
                # its head leaves with the first keep-alive, so the last of three attempts is told of in the stream
                assert answer.status == 200
                assert (b"Hello" in answer.body) == (act is stalls)
                assert b"error" in answer.body
                assert not any(end in answer.body for end in ENDS.values())
    observe(f"ends after {slowest:.0f} s at most")
    assert slowest <= 30


@pytest.mark.row("cuts")
def test_an_answer_in_pieces_of_a_byte(plain: Target, far: FarEnd, observe: Observe) -> None:
    """Whatever ends the lines, with comments between, and characters of several bytes."""
    said, whole = ["Grüß", " dich, ", "世界!"], 0
    for end in (b"\r\n\r\n", b"\n\n", b"\r\r"):
        stream = (
            b": a comment" + end + b"".join(event(piece, end=end) + b": x" + end[: len(end) // 2] for piece in said)
        )
        stream += event("", last=True, end=end)

        def act(s: socket.socket, stream: bytes = stream) -> None:
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            s.sendall(HEAD)
            for place in range(len(stream)):
                s.sendall(stream[place : place + 1])

        far.act = act
        for path in DIALECTS:
            assert text(path, plain.chat(path)) == "".join(said)
        whole += 1
    observe(f"{whole}/3 texts whole")


def endless(head: bytes, piece: bytes, size: int) -> Callable[[socket.socket], None]:
    """An act: a head, and a piece again and again, as long as somebody takes it."""

    def act(s: socket.socket) -> None:
        s.sendall(head)
        for _ in range(size // len(piece)):
            s.sendall(piece)

    return act


JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
ERROR = b"HTTP/1.1 500 Oops\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
GZIP = HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
#: what comes, and how much memory it may cost in MiB
BOMBS: dict[str, tuple[Callable[[socket.socket], None], int]] = {
    "endless line": (endless(HEAD + b"data: ", b"x" * MIB, 512 * MIB), 100),
    "gzip of 256 MB": (say(GZIP, gzip.compress(bytes(256 * MIB))), 100),
    "300 MB of JSON": (endless(JSON + b'{"response":{"x":"', b"x" * MIB, 300 * MIB), 150),
    "300 MB of an error": (endless(ERROR + b'{"error":"', b"x" * MIB, 300 * MIB), 60),
    "a header of 4 MB": (endless(b"HTTP/1.1 200 OK\r\nX: ", b"x" * MIB, 4 * MIB), 60),
    "200,000 headers": (endless(b"HTTP/1.1 200 OK\r\n", b"X-Header: some value\r\n" * 1000, 22 * 200_000), 60),
    "empty events": (endless(HEAD, b"data: {}\r\n\r\n" * 10_000, 64 * MIB), 60),
    "comments": (endless(HEAD, b": nothing\n" * 10_000, 64 * MIB), 60),
}


@pytest.mark.row("upstream bombs")
@pytest.mark.parametrize("kind", BOMBS)
def test_a_flood_is_cut(tmp_path: Path, far: FarEnd, kind: str, observe: Observe) -> None:
    far.act, bound = BOMBS[kind]
    with target(tmp_path, far.url, accounts=3) as running:
        running.ask("GET", "/health")
        with Peak(running.process) as peak:
            answer = running.ask("POST", CHAT, body(CHAT), timeout=120)
        assert answer.status in (500, 502)
        far.act = WELL
        assert running.chat().status == 200
    observe(f"{kind} +{peak.grown:.0f} MiB")
    assert peak.grown <= bound


@pytest.mark.row("always failing")
@pytest.mark.parametrize("status", [500, 503])
def test_an_upstream_that_always_fails(plain: Target, far: FarEnd, status: int, observe: Observe) -> None:
    far.act = say(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)
    before, began = far.requests, time.monotonic()
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda _: plain.chat(), range(20)))
    took = time.monotonic() - began
    assert {answer.status for answer in answers} == {status}
    observe(f"{status}: 20 requests took {far.requests - before} attempts, {took:.1f} s")
    assert far.requests - before <= 60
    assert took <= 20


@pytest.mark.row("client leaves")
def test_a_client_that_leaves(plain: Target, far: FarEnd, observe: Observe) -> None:
    """Before the head, in a stream, in an answer that is collected: upstream's connection ends too, for good."""

    def streams(s: socket.socket) -> None:
        s.sendall(HEAD + event("Hello"))
        far.wait_until_left(s)

    slowest, count = 0.0, 0
    for path, streaming in DIALECTS.items():
        collected = post(path, json.dumps(body(path)).encode())
        for act, sent, enough in (
            (far.wait_until_left, streamed(streaming), b""),
            (streams, streamed(streaming), b"Hello"),
            (streams, collected, b""),
        ):
            far.act = act
            before, gone = far.requests, len(far.left)
            with plain.connect() as s:
                s.sendall(sent)
                until(lambda before=before: far.requests > before, 5.0)
                got = b""
                while enough not in got:
                    got += s.recv(65536)
                time.sleep(0.1)
                left = time.monotonic()
            until(lambda gone=gone: len(far.left) > gone, 5.0)
            slowest = max(slowest, far.left[-1] - left)
            time.sleep(0.2)
            assert far.requests == before + 1
            count += 1
    observe(f"{count}/9 within {slowest:.2f} s, none sent again")
    assert slowest <= 1.0


@pytest.mark.row("buffering")
def test_the_first_event_is_passed_on_at_once(plain: Target, far: FarEnd, observe: Observe) -> None:
    sent_at: list[float] = []

    def act(s: socket.socket) -> None:
        time.sleep(0.3)
        s.sendall(HEAD + event("Hello"))
        sent_at.append(time.monotonic())
        far.wait_until_left(s)

    far.act, slowest = act, 0.0
    for path in DIALECTS.values():
        assert b"Hello" in plain.talk(streamed(path), enough=b"Hello")
        slowest = max(slowest, time.monotonic() - sent_at[-1])
    observe(f"after {slowest * 1000:.0f} ms")
    assert slowest <= 0.3


@pytest.mark.parametrize("path", DIALECTS.values())
def test_256_mb_to_a_reader_that_stalls_and_goes_on(tmp_path: Path, far: FarEnd, path: str) -> None:
    """Every byte arrives, and at no time more than 100 MB are resident."""
    count, size = 256, MIB
    far.act = say(HEAD, *[event("x" * size)] * count, event("", last=True))
    with target(tmp_path, far.url) as running, Peak(running.process) as peak, running.connect(60) as s:
        resident = running.process.rss_kb() / 1024
        s.sendall(streamed(path))
        got, tail = s.recv(65536).count(b"x"), b""
        time.sleep(5)
        while piece := s.recv(1 << 20):
            got += piece.count(b"x")
            tail = (tail + piece)[-4000:]
    assert got >= count * size
    assert ENDS[path] in tail
    assert resident + peak.grown < 100


def test_a_minute_of_silence_within_a_stream(tmp_path: Path, far: FarEnd) -> None:
    """Kept alive where the dialect can be, and ended well in all."""

    def act(s: socket.socket) -> None:
        s.sendall(HEAD + event("Before"))
        time.sleep(60)
        s.sendall(event("After") + event("", last=True))

    far.act = act
    with target(tmp_path, far.url) as running, ThreadPoolExecutor(3) as threads:
        answers = threads.map(lambda path: running.talk(streamed(path), 90), DIALECTS.values())
        for path, answer in zip(DIALECTS.values(), answers, strict=True):
            assert answer.index(b"Before") < answer.index(b"After") < answer.rindex(ENDS[path]), path
            if KEEPALIVES[path]:
                assert 4 <= answer.count(KEEPALIVES[path]) <= 6, path
