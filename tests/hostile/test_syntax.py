"""HTTP syntax: what is no proper request is refused, or waited for and dropped, and never goes upstream."""

from __future__ import annotations

import json
import random
import re
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from support.stack import KEY
from support.target import CHAT, GENERATE, MESSAGES, MIB, Peak, Target, Upstream, body, post, statuses

pytestmark = pytest.mark.hostile

Observe = Callable[[str], None]
DIALECTS = (CHAT, MESSAGES, GENERATE)
CONTENT = json.dumps(body(CHAT)).encode()
SMUGGLED = post(CHAT, CONTENT)
_POST = f"POST {CHAT} HTTP/1.1\r\n".encode()
_KEY = f"x-api-key: {KEY}\r\n".encode()
_HEAD = _POST + b"Host: x\r\n" + _KEY
_N = len(CONTENT)


def talks(daemon: Target, requests: list[bytes]) -> list[list[int]]:
    """The statuses that each request gets, all sent side by side: a refused one's connection lingers."""
    with ThreadPoolExecutor(len(requests)) as threads:
        return list(threads.map(lambda request: statuses(daemon.talk(request, 8, patience=3)), requests))


def refused(daemon: Target, requests: list[bytes]) -> int:
    """How many are refused: one answer with an error at most, then a closed connection."""
    found = talks(daemon, requests)
    for request, statuses_ in zip(requests, found, strict=True):
        assert len(statuses_) <= 1, request
        assert not statuses_ or 400 <= statuses_[0] < 500, (request, statuses_)
    return len(found)


LENGTHS = [
    b"Content-Length: %d\r\nTransfer-Encoding: chunked" % _N,
    b"Transfer-Encoding: chunked\r\nContent-Length: %d" % _N,
    b"Content-Length: %d\r\nContent-Length: %d" % (_N, _N),
    b"Content-Length: %d\r\nContent-Length: 0" % _N,
    b"Content-Length: 0\r\nContent-Length: %d" % _N,
    b"Content-Length: %d, %d" % (_N, _N),
    b"Content-Length: %d,0" % _N,
    b"Content-Length: +%d" % _N,
    b"Content-Length: -1",
    b"Content-Length: 0x%x" % _N,
    b"Content-Length: 1_0",
    b"Content-Length: 1e2",
    b"Content-Length: %d.0" % _N,
    b"Content-Length: \xd9\xa1\xd9\xa2",
    b"Content-Length: " + b"9" * 400,
    b"Content-Length: ",
]


@pytest.mark.row("lengths")
def test_ambiguous_lengths(daemon: Target, upstream: Upstream, observe: Observe) -> None:
    with upstream.left_alone():
        count = refused(daemon, [_HEAD + lines + b"\r\n\r\n" + CONTENT + SMUGGLED for lines in LENGTHS])
    observe(f"{count}/16 refused, upstream 0")
    assert count == 16


ENCODINGS = [
    b"Transfer-Encoding: gzip",
    b"Transfer-Encoding: chunked, gzip",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: identity\r\nContent-Length: %d" % _N,
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding:\r\n chunked",
]


@pytest.mark.row("encodings")
def test_ambiguous_encodings(daemon: Target, upstream: Upstream, observe: Observe) -> None:
    chunked = b"%x\r\n" % _N + CONTENT + b"\r\n0\r\n\r\n"
    with upstream.left_alone():
        count = refused(daemon, [_HEAD + lines + b"\r\n\r\n" + chunked + SMUGGLED for lines in ENCODINGS])
    observe(f"{count}/11 refused, upstream 0")
    assert count == 11


@pytest.mark.row("header syntax")
def test_header_syntax(daemon: Target, upstream: Upstream, observe: Observe) -> None:
    lines = [
        b"X-A: a\nX-B: b",
        b"X-A: a\rX-B: b",
        b"X-A: a\x00b",
        b"X-\x00A: a",
        b"X A: a",
        b"no colon",
        b": no name",
    ]
    rest = b"\r\nContent-Length: %d\r\n\r\n" % _N + CONTENT
    with upstream.left_alone():
        count = refused(daemon, [_HEAD + line + rest for line in lines])
    observe(f"{count}/7 refused, upstream 0")
    assert count == 7


@pytest.mark.row("chunks")
def test_chunk_sizes(daemon: Target, upstream: Upstream, observe: Observe) -> None:
    size = b"%x" % _N
    bodies = [
        b"-1\r\n" + CONTENT + b"\r\n0\r\n\r\n",
        b"+" + size + b"\r\n" + CONTENT + b"\r\n0\r\n\r\n",
        b"f" * 80 + b"\r\n" + CONTENT,
        b"1_0\r\n" + CONTENT + b"\r\n0\r\n\r\n",
        size + b"\r\n" + CONTENT + b"0\r\n\r\n",
        size + b"\n" + CONTENT + b"\n0\n\n",
        size + b";a=\x00b\r\n" + CONTENT + b"\r\n0\r\n\r\n",
        b"0x" + size + b"\r\n" + CONTENT + b"\r\n0\r\n\r\n",
        b" " + size + b"\r\n" + CONTENT + b"\r\n0\r\n\r\n",
        b"\r\n" + CONTENT + b"\r\n0\r\n\r\n",
    ]
    with upstream.left_alone():
        found = talks(daemon, [_HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks for chunks in bodies])
        assert all(each in ([], [400], [413]) for each in found), found
    observe(f"{len(bodies)}/10 never forwarded, upstream 0")


@pytest.mark.row("chunk flood")
def test_endless_extensions_and_trailers(daemon: Target, upstream: Upstream, observe: Observe) -> None:
    head = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    extension = head + b"1;" + b"x" * (8 * MIB) + b"\r\n"
    trailers = head + b"%x\r\n" % _N + CONTENT + b"\r\n0\r\n" + b"X-Trailer: x\r\n" * (8 * MIB // 14) + b"\r\n"
    with upstream.left_alone(), Peak(daemon.process) as peak:
        for flood in (extension, trailers):
            assert statuses(daemon.talk(flood, 10)) in ([], [400], [413])
    observe(f"cut; memory +{peak.grown:.1f} MiB")
    assert peak.grown <= 40


@pytest.mark.row("big heads")
def test_heads_over_every_limit(daemon: Target, upstream: Upstream, observe: Observe) -> None:
    rest = b"\r\nContent-Length: %d\r\n\r\n" % _N + CONTENT
    heads = {
        "256 KiB header": _HEAD + b"X-A: " + b"a" * (256 << 10) + rest,
        "10,000 headers": _HEAD + b"X-A: a\r\n" * 10_000 + rest,
        "1 MB URI": b"GET /v1/models?" + b"a" * MIB + b" HTTP/1.1\r\nHost: x\r\n" + _KEY + b"\r\n",
        "endless line": b"a" * (4 * MIB),
    }
    told, slowest = [], 0.0
    with upstream.left_alone(), Peak(daemon.process) as peak:
        for name, head in heads.items():
            began = time.monotonic()
            found = statuses(daemon.talk(head, 10))
            slowest = max(slowest, time.monotonic() - began)
            assert len(found) <= 1, name
            told.append(f"{name}: {found[0] if found else 'closed'}")
            assert all(400 <= status < 500 for status in found), (name, found)
    observe(f"{', '.join(told)}; <= {slowest:.1f} s; memory +{peak.grown:.1f} MiB")
    assert slowest <= 5
    assert peak.grown <= 20


@pytest.mark.row("request lines")
def test_request_lines(daemon: Target, upstream: Upstream, observe: Observe) -> None:
    requests = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)) + b"\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /v1/models\r\n\r\n",
        b"GET /v1/models HTTP/9.9\r\nHost: x\r\n" + _KEY + b"\r\n",
        b"GET  /v1/models HTTP/1.1\r\nHost: x\r\n" + _KEY + b"\r\n",
        b"G(T /v1/models HTTP/1.1\r\nHost: x\r\n" + _KEY + b"\r\n",
        b"GET /v1/mo dels HTTP/1.1\r\nHost: x\r\n" + _KEY + b"\r\n",
        b"\r\n\r\nGET /v1/models\x00 HTTP/1.1\r\nHost: x\r\n" + _KEY + b"\r\n",
    ]
    with upstream.left_alone():
        count = refused(daemon, requests)
    observe(f"{count}/8 refused")
    assert count == 8


@pytest.mark.row("hosts")
def test_hosts(daemon: Target, upstream: Upstream, observe: Observe) -> None:
    rest = _KEY + b"Content-Length: %d\r\n\r\n" % _N + CONTENT + SMUGGLED
    with upstream.left_alone():
        assert talks(daemon, [_POST + lines + rest for lines in (b"", b"Host: x\r\nHost: y\r\n")]) == [[400], [400]]
    observe("2/2 refused")


@pytest.mark.row("other hosts")
def test_no_other_host_is_ever_asked(daemon: Target, upstream: Upstream, observe: Observe) -> None:
    contacts: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0.5)
        port = other.getsockname()[1]
        for request in (
            b"GET http://127.0.0.1:%d/v1/models HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % (port, port) + _KEY + b"\r\n",
            b"CONNECT 127.0.0.1:%d HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % (port, port) + _KEY + b"\r\n",
            _HEAD + b"X-Forwarded-Host: 127.0.0.1:%d\r\nForwarded: host=127.0.0.1:%d\r\n" % (port, port)
            + b"Content-Length: %d\r\n\r\n" % _N + CONTENT,
        ):  # fmt: skip
            daemon.talk(request, patience=0.5)
        with suppress(TimeoutError):
            contacts.append(other.accept())
    observe(f"{len(contacts)} contacts")
    assert not contacts


@pytest.mark.row("pipeline")
def test_a_pipeline_and_expect(daemon: Target, observe: Observe) -> None:
    one, last = b"GET /v1/models/%s HTTP/1.1\r\nHost: x\r\n" + _KEY + b"\r\n", b"\r\nConnection: close\r\n\r\n"
    names = [b"no-such-model-%d" % number for number in range(500)]
    began = time.monotonic()
    with Peak(daemon.process) as peak:
        got = daemon.talk(
            b"".join(one % name for name in names[:-1]) + (one % names[-1]).replace(b"\r\n\r\n", last), 10
        )
    seconds = time.monotonic() - began
    assert statuses(got) == [404] * 500
    assert re.findall(rb"no-such-model-\d+", got) == names
    with daemon.connect(5) as s:
        s.sendall(_HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % _N)
        assert s.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        s.sendall(CONTENT)
        assert s.recv(65536).startswith(b"HTTP/1.1 200 ")
    observe(f"500 in order in {seconds:.1f} s; memory +{peak.grown:.1f} MiB; 100 answered")
    assert seconds <= 5
    assert peak.grown <= 30


@pytest.mark.row("mutations")
def test_three_thousand_mutated_requests(daemon: Target, observe: Observe) -> None:
    """Each gets valid HTTP answers or a closed connection; the daemon serves on."""
    rng = random.Random(20261125)
    seeds = [post(path, json.dumps(body(path)).encode()) for path in DIALECTS]
    seeds.append(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n" + _KEY + b"\r\n")
    seeds.append(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % _N + CONTENT + b"\r\n0\r\n\r\n")
    requests = [mutated(rng, rng.choice(seeds)) for _ in range(3000)]
    counts = {"answered": 0, "closed": 0, "hangs": 0, "invalid": 0, "5xx": 0}
    lock = threading.Lock()

    def attack() -> None:
        while True:
            with lock:
                if not requests:
                    return
                request = requests.pop()
            began = time.monotonic()
            got = daemon.talk(request, 4, patience=0.3)
            hung = time.monotonic() - began >= 4
            with lock:
                counts["hangs"] += hung
                counts["answered" if got else "closed"] += 1
                counts["invalid"] += bool(got) and not got.startswith(b"HTTP/1.1 ")
                counts["5xx"] += any(status >= 500 for status in statuses(got))

    attackers = [threading.Thread(target=attack) for _ in range(48)]
    for attacker in attackers:
        attacker.start()
    for attacker in attackers:
        attacker.join()
    observe(", ".join(f"{name} {count}" for name, count in counts.items()))
    assert counts["invalid"] == 0
    assert counts["hangs"] <= 30
    assert counts["5xx"] <= 15
    assert daemon.well()


def mutated(rng: random.Random, request: bytes) -> bytes:
    """The request with one to four places changed."""
    found = bytearray(request)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(found) or 1)
        kind = rng.randrange(6)
        if kind == 0 and found:
            found[place % len(found)] = rng.randrange(256)
        elif kind == 1:
            found[place:place] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 8)))
        elif kind == 2:
            del found[place : place + rng.randint(1, 20)]
        elif kind == 3:
            found[place:place] = rng.choice([b"\r\n", b"\n", b"\x00", b"\xff", b": ", b"\r\n\r\n", b"{", b'"', b"%00"])
        elif kind == 4:
            found[place:place] = found[max(0, place - 40) : place]
        else:
            found = found[:place] + found[place:][: rng.randint(0, 200)]
    return bytes(found)
