"""HTTP syntax and size: what is no proper request is refused, or waited for and dropped, and never goes upstream."""

from __future__ import annotations

import gzip
import json
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest
from support.mutations import WRONG, paths, replaced
from support.stack import KEY
from support.target import CHAT, GENERATE, MESSAGES, MIB, STREAM, Peak, Target, Upstream, body, post, statuses

pytestmark = pytest.mark.hostile

Observe = Callable[[str], None]
DIALECTS = (CHAT, MESSAGES, GENERATE)
CONTENT = json.dumps(body(CHAT)).encode()
SMUGGLED = post(CHAT, CONTENT)
_POST = f"POST {CHAT} HTTP/1.1\r\n".encode()
_KEY = f"x-api-key: {KEY}\r\n".encode()
_HEAD = _POST + b"Host: x\r\n" + _KEY
_N = len(CONTENT)


@contextmanager
def nothing_upstream(upstream: Upstream) -> Iterator[None]:
    """Fails if anything goes upstream meanwhile."""
    before = upstream.requests
    yield
    assert upstream.requests == before


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
    with nothing_upstream(upstream):
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
    with nothing_upstream(upstream):
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
    with nothing_upstream(upstream):
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
    with nothing_upstream(upstream):
        found = talks(daemon, [_HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks for chunks in bodies])
        assert all(each in ([], [400], [413]) for each in found), found
    observe(f"{len(bodies)}/10 never forwarded, upstream 0")


@pytest.mark.row("chunk flood")
def test_endless_extensions_and_trailers(daemon: Target, upstream: Upstream, observe: Observe) -> None:
    head = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    extension = head + b"1;" + b"x" * (8 * MIB) + b"\r\n"
    trailers = head + b"%x\r\n" % _N + CONTENT + b"\r\n0\r\n" + b"X-Trailer: x\r\n" * (8 * MIB // 14) + b"\r\n"
    with nothing_upstream(upstream), Peak(daemon.process) as peak:
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
    with nothing_upstream(upstream), Peak(daemon.process) as peak:
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
    with nothing_upstream(upstream):
        count = refused(daemon, requests)
    observe(f"{count}/8 refused")
    assert count == 8


@pytest.mark.row("hosts")
def test_hosts(daemon: Target, upstream: Upstream, observe: Observe) -> None:
    rest = _KEY + b"Content-Length: %d\r\n\r\n" % _N + CONTENT + SMUGGLED
    with nothing_upstream(upstream):
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


@pytest.mark.row("bodies")
def test_bodies_over_the_limit(daemon: Target, upstream: Upstream, observe: Observe) -> None:
    told, slowest = [], 0.0
    announced = _HEAD + b"Content-Length: 1000000000000\r\n\r\n"
    chunked = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    keyless = b"POST " + MESSAGES.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 30000000\r\n\r\n"
    piece = b"100000\r\n" + b"x" * MIB + b"\r\n"
    with nothing_upstream(upstream), Peak(daemon.process) as peak:
        for name, head, data, most in (
            ("1 TB announced", announced, b"x" * MIB, 0),
            ("300 MB chunked", chunked, piece, 300),
            ("no key", keyless, b"x" * MIB, 0),
        ):
            began = time.monotonic()
            status, taken = flood(daemon, head, data, most or 300)
            seconds = time.monotonic() - began
            slowest = max(slowest, 0 if most else seconds)
            told.append(f"{name}: {status}, {taken / MIB:.0f} MiB taken")
            assert status == (401 if name == "no key" else 413)
            assert taken <= (48 if most else 8) * MIB
    observe(f"{'; '.join(told)}; <= {slowest:.1f} s; memory +{peak.grown:.0f} MiB")
    assert slowest <= 2
    assert peak.grown <= 150


def flood(daemon: Target, head: bytes, piece: bytes, most: int) -> tuple[int, int]:
    """Sends a head, and pieces until the daemon takes no more; the status that came, and the bytes that were taken.

    What the kernels on both sides hold is not the daemon's, so it is kept small.
    """
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 << 10)
        s.settimeout(5)
        s.connect(("127.0.0.1", daemon.port))
        s.sendall(head)
        taken, got = 0, b""
        try:
            for _ in range(most):
                s.sendall(piece)
                taken += len(piece)
                if not got:
                    s.setblocking(False)
                    with suppress(BlockingIOError):
                        got = s.recv(65536)
                    s.settimeout(5)
        except OSError:
            pass
        with suppress(OSError):
            got = got or s.recv(65536)
    return statuses(got)[0], taken


@pytest.mark.row("deep JSON")
def test_deep_json(daemon: Target, upstream: Upstream, observe: Observe) -> None:
    deep = b"[" * 100_000
    schema = b'{"type":"object","properties":{"a":' * 3000 + b'{"type":"string"}' + b"}}" * 3000
    user = b'"messages":[{"role":"user","content":"x"}]'
    contents = b'"contents":[{"role":"user","parts":[{"text":"x"}]}]'
    bodies = [
        *((path, deep) for path in DIALECTS),
        *((path, b'{"a":' * 100_000 + b"1" + b"}" * 100_000) for path in DIALECTS),
        (CHAT, b'{"model":"gemini-3-flash",' + user + b',"tools":[{"type":"function","function":{"name":"f",'
         b'"parameters":' + schema + b"}}]}"),
        (MESSAGES, b'{"model":"gemini-3-flash","max_tokens":9,' + user + b',"tools":[{"name":"f","input_schema":'
         + schema + b"}]}"),
        (GENERATE, b"{" + contents + b',"tools":[{"functionDeclarations":[{"name":"f","parameters":' + schema
         + b"}]}]}"),
        ("/v1/responses", b'{"model":"gemini-3-flash","input":' + deep + b"}"),
    ]  # fmt: skip
    with nothing_upstream(upstream):
        found = [daemon.ask("POST", path, data).status for path, data in bodies]
    count = sum(400 <= status < 500 for status in found)
    observe(f"{count}/10 refused with {', '.join(map(str, sorted(set(found))))}")
    assert count == 10


ODD = [
    b"\xff",
    b"\xc3\x28",
    b"\xf0\x80\x80\x80",
    b"\xed\xa0\x80",
    b"\\ud800",
    b"\\udc00\\ud800",
    b"\\u0000",
    b"\x00",
    b"\x1f",
    b"\xe2\x80\xa8",
    b'","x":NaN,"y":"',
    b'","x":1e400,"y":"',
    b'","x":-1e400,"y":"',
    b'","x":' + b"9" * 5000 + b',"y":"',
]


@pytest.mark.row("odd text")
def test_odd_text(daemon: Target, observe: Observe) -> None:
    found = []
    for path in DIALECTS:
        plain = json.dumps(body(path, text="@@")).encode()
        variants = [plain.replace(b"@@", odd) for odd in ODD]
        variants += [b"\xef\xbb\xbf" + plain, plain.decode().encode("utf-16"), plain.decode().encode("utf-32"), b"\x00"]
        found += [daemon.ask("POST", path, variant).status for variant in variants]
    assert len(found) == 54
    count = sum(status < 500 for status in found)
    observe(f"{count}/54 never 5xx: {', '.join(f'{found.count(s)} x {s}' for s in sorted(set(found)))}")
    assert count == 54


@pytest.mark.row("wrong types")
def test_a_wrong_type_in_every_field(daemon: Target, observe: Observe) -> None:
    """Over the socket; that every single value is taken or refused clearly is what the dialects' own tests say."""
    counts: dict[int, int] = {}
    for path in DIALECTS:
        plain = body(path) | {"tools": [], "stop": ["x"], "temperature": 0.5, "top_p": 0.9, "metadata": {}}
        if path == GENERATE:
            plain = body(path) | {"generationConfig": {"temperature": 0.5, "stopSequences": ["x"]}, "tools": []}
        cases = [(place, wrong) for place in paths(plain) for wrong in WRONG]
        for place, wrong in cases:
            answer = daemon.ask("POST", path, replaced(plain, place, wrong))
            counts[answer.status] = counts.get(answer.status, 0) + 1
            assert answer.status < 500, (path, place, wrong)
            assert answer.status == 200 or answer.json["error"]["message"], (path, place, wrong)
    observe(f"{sum(counts.values())} cases: {', '.join(f'{counts[s]} x {s}' for s in sorted(counts))}")
    assert sum(counts.values()) >= 417


@pytest.mark.row("large JSON")
def test_a_large_body_stalls_nobody(daemon: Target, observe: Observe) -> None:
    text = "word " * (15_000_000 // 5)
    asking = threading.Thread(target=lambda: daemon.chat(text=text))
    slowest = 0.0
    asking.start()
    while asking.is_alive():
        began = time.monotonic()
        assert daemon.ask("GET", "/health").status == 200
        slowest = max(slowest, time.monotonic() - began)
    observe(f"/health meanwhile <= {slowest:.2f} s")
    assert slowest <= 1.5


@pytest.mark.row("gzip request")
def test_a_gzip_bomb_as_a_request(daemon: Target, upstream: Upstream, observe: Observe) -> None:
    bomb = gzip.compress(bytes(100 * MIB), 6)
    with nothing_upstream(upstream), Peak(daemon.process) as peak:
        found = [daemon.ask("POST", path, bomb, content_encoding="gzip").status for path in (CHAT, MESSAGES, STREAM)]
    observe(f"{found}; memory +{peak.grown:.1f} MiB")
    assert set(found) <= {400, 413, 415}
    assert peak.grown <= 100
