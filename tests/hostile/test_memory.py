"""What all requests together may take of memory: bodies where no key is asked for, and those of a key's holder."""

from __future__ import annotations

import resource
import selectors
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from support.stack import KEY
from support.target import CHAT, MIB, Peak, Target, Upstream, statuses, target

pytestmark = pytest.mark.hostile

Observe = Callable[[str], None]
_SIZE = 31 * MIB
#: each is a descriptor here and one there
_MANY = min(9_500, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 500)


@pytest.mark.row("keyless bodies")
@pytest.mark.parametrize("line", ["POST /health", "GET /", "PUT /metrics", "GET /health/ready", "OPTIONS /v1/messages"])
@pytest.mark.parametrize("framing", [f"Content-Length: {_SIZE}", "Transfer-Encoding: chunked"])
def test_what_needs_no_key_takes_no_body(daemon: Target, line: str, framing: str, observe: Observe) -> None:
    head = f"{line} HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode()
    with ExitStack() as stack, Peak(daemon.process) as peak:
        connections = [stack.enter_context(daemon.connect()) for _ in range(30)]
        for connection in connections:
            connection.sendall(head)
        for connection in connections:
            with suppress(OSError):
                for _ in range(8):
                    connection.sendall(b"x" * MIB)
        answers = [_answer(connection) for connection in connections]
    observe(f"refused with {sorted({status for each in answers for status in statuses(each)})}, +{peak.grown:.0f} MiB")
    assert all(statuses(each) in ([401], [405], [413], []) for each in answers)
    assert peak.grown <= 20


@pytest.mark.row("all bodies")
def test_all_bodies_of_a_keys_holder_together(tmp_path: Path, upstream: Upstream, observe: Observe) -> None:
    """Thousands of connections that announce 31 MiB each and send: few are let in, those finish, others get 503."""
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nx-api-key: {KEY}\r\nContent-Length: {_SIZE}\r\n\r\n".encode()
    with target(tmp_path, upstream.url) as daemon, ExitStack() as stack, Peak(daemon.process) as peak:
        before = daemon.process.rss_kb() / 1024
        selector = stack.enter_context(selectors.DefaultSelector())
        connections = [stack.enter_context(daemon.connect()) for _ in range(_MANY)]
        for connection in connections:
            connection.sendall(head)
            connection.setblocking(False)
            selector.register(connection, selectors.EVENT_READ)
        refused: set[socket.socket] = set()
        deadline = time.monotonic() + 30
        while len(refused) < _MANY - 2 and time.monotonic() < deadline:
            for key, _ in selector.select(1):
                found = key.fileobj
                assert isinstance(found, socket.socket)
                assert statuses(_answer(found)) == [503]
                selector.unregister(found)
                refused.add(found)
        admitted = [connection for connection in connections if connection not in refused]
        for connection in admitted:
            connection.settimeout(60)
            connection.sendall(b" " * _SIZE)
        finished = [_answer(connection) for connection in admitted]
        after = daemon.process.rss_kb() // 1024
    observe(
        f"{len(admitted)} of {_MANY} let in and answered, {len(refused)} got 503; "
        f"memory +{peak.grown:.0f} MiB, {after} MiB in all afterwards"
    )
    assert [statuses(each) for each in finished] == [[400]] * len(admitted)
    assert 1 <= len(admitted) <= 4
    assert peak.grown + before <= 512


@pytest.mark.row("all bodies")
def test_chunks_of_a_byte_are_cheap(daemon: Target, observe: Observe) -> None:
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nx-api-key: {KEY}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    before = daemon.process.cpu_ms()
    with daemon.connect() as connection:
        with suppress(OSError):
            connection.sendall(head + b"1\r\nx\r\n" * (2 * MIB))
        answer = _answer(connection)
    used = (daemon.process.cpu_ms() - before) / 1000
    observe(f"12 MiB of one-byte chunks: refused, {used:.2f} s CPU")
    assert statuses(answer) in ([400], [])
    assert used <= 0.5


def _answer(connection: socket.socket) -> bytes:
    got = b""
    with suppress(OSError):
        while piece := connection.recv(65536):
            got += piece
            if b"\r\n\r\n" in got:
                break
    return got
