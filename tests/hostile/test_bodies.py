"""Bodies that are too large, too deep, in odd text or of wrong types: refused, and nobody else waits for them."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from support.mutations import WRONG, paths, replaced
from support.stack import KEY
from support.target import CHAT, GENERATE, MESSAGES, MIB, STREAM, Peak, Target, Upstream, body, statuses

pytestmark = pytest.mark.hostile

Observe = Callable[[str], None]
DIALECTS = (CHAT, MESSAGES, GENERATE)
_HEAD = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nx-api-key: {KEY}\r\n".encode()


@pytest.mark.row("bodies")
def test_bodies_over_the_limit(daemon: Target, upstream: Upstream, observe: Observe) -> None:
    told, slowest = [], 0.0
    announced = _HEAD + b"Content-Length: 1000000000000\r\n\r\n"
    chunked = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    keyless = b"POST " + MESSAGES.encode() + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 30000000\r\n\r\n"
    piece = b"100000\r\n" + b"x" * MIB + b"\r\n"
    with upstream.left_alone(), Peak(daemon.process) as peak:
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
    with upstream.left_alone():
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
    with upstream.left_alone(), Peak(daemon.process) as peak:
        found = [daemon.ask("POST", path, bomb, content_encoding="gzip").status for path in (CHAT, MESSAGES, STREAM)]
    observe(f"{found}; memory +{peak.grown:.1f} MiB")
    assert set(found) <= {400, 413, 415}
    assert peak.grown <= 100
