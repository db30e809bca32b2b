"""Peers that are slow, many, or gone: the others are served, and nothing of them stays."""

from __future__ import annotations

import json
import random
import resource
import select
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from support.deferreds import deferred, wait
from support.others import Stopwatch
from support.stack import KEY, stack
from support.target import (
    CHAT,
    GENERATE,
    MESSAGES,
    MIB,
    STREAM,
    Peak,
    Target,
    Upstream,
    body,
    post,
    statuses,
    target,
    until,
)
from twisted.internet import reactor
from twisted.internet.defer import Deferred

pytestmark = pytest.mark.hostile

Observe = Callable[[str], None]
_KEY = f"x-api-key: {KEY}\r\n".encode()


@pytest.fixture(autouse=True, scope="module")
def _many_descriptors() -> None:
    """This process holds thousands of connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextmanager
def connections(daemon: Target, count: int) -> Iterator[list[socket.socket]]:
    """So many connections, closed at the end."""
    with ExitStack() as held:
        yield [held.enter_context(daemon.connect()) for _ in range(count)]


class Dripping:
    """Sends a byte on each connection every two seconds, and notes which the daemon has closed."""

    def __init__(self, sockets: list[socket.socket]) -> None:
        self.left = set(sockets)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._drip)
        for each in sockets:
            each.setblocking(False)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _drip(self) -> None:
        while not self._over.wait(2.0):
            for each in list(self.left):
                try:
                    each.send(b"x")
                    with suppress(BlockingIOError):
                        while each.recv(65536):
                            pass
                        self.left.discard(each)  # its end
                except OSError:
                    self.left.discard(each)


def p99_of_requests(daemon: Target, seconds: float) -> float:
    """What requests take, one after the other for so long."""
    took, began = [], time.monotonic()
    while time.monotonic() - began < seconds:
        with Stopwatch(daemon) as asked:
            assert daemon.well()
        took.append(asked.seconds)
        time.sleep(0.01)
    return statistics.quantiles(took, n=100)[98]


@pytest.mark.row("slow senders")
def test_six_hundred_slow_senders(daemon: Target, observe: Observe) -> None:
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\n".encode()
    with connections(daemon, 600) as sockets:
        for number, each in enumerate(sockets):
            each.sendall(head + (b"X-A: a" if number < 500 else _KEY + b"Content-Length: 1000\r\n\r\n{"))
        began, dripping = time.monotonic(), Dripping(sockets)
        windows = [p99_of_requests(daemon, 5.0) for _ in range(3)]
        held = len(dripping.left)
        while dripping.left and time.monotonic() - began < 40:
            time.sleep(0.5)
        seconds = time.monotonic() - began
        dripping.stop()
    p99 = statistics.median(windows)
    told = f"p99 {', '.join(f'{each * 1000:.0f}' for each in windows)} ms in three spans of 5 s beside {held} slow ones"
    observe(f"{told}; {len(dripping.left)} left after {seconds:.0f} s")
    assert held >= 500
    assert p99 <= 0.1
    assert not dripping.left


@pytest.mark.row("idle connections")
def test_three_thousand_idle_connections(tmp_path: Path, upstream: Upstream, observe: Observe) -> None:
    with target(tmp_path, upstream.url) as daemon:
        assert daemon.well()
        before = daemon.process.rss_kb()
        with connections(daemon, 3000):
            until(lambda: daemon.process.descriptors() >= 3000, 10)
            each = (daemon.process.rss_kb() - before) / 3000
            began = time.monotonic()
            assert daemon.well()
            seconds = time.monotonic() - began
    observe(f"served in {seconds:.2f} s; {each:.1f} KiB each, so 100,000 would take {each * 100_000 / MIB:.2f} GiB")
    assert seconds <= 1
    assert each <= 30


@pytest.mark.row("descriptors", "shedding")
def test_few_descriptors_and_many_clients(tmp_path: Path, upstream: Upstream, observe: Observe) -> None:
    with target(tmp_path, upstream.url, before=("prlimit", "--nofile=128:128")) as daemon:
        assert daemon.well()
        with connections(daemon, 400) as sockets:
            time.sleep(0.5)
            cpu, logged = daemon.process.cpu_ms(), len(daemon.log)
            time.sleep(3)
            busy = (daemon.process.cpu_ms() - cpu) / 3000
            logged = len(daemon.log) - logged
            told = []
            for path, each in ((MESSAGES, sockets[40]), (CHAT, sockets[41])):
                each.sendall(post(path, json.dumps(body(path)).encode()))
                told.append(each.recv(65536))
            closed = [each for each in sockets[120:] if select.select([each], [], [], 0)[0] and not each.recv(1)]
        assert [statuses(each) for each in told] == [[503], [503]]
        assert all(b"retry-after: 5\r\n" in each.lower() for each in told)
        assert b'"type":"error"' in told[0]
        assert len(closed) == 280
        seconds = until(daemon.well, 5)
    observe(
        f"CPU {busy:.0%}; {logged} B logged; 503 with Retry-After, 280 closed at once; well again after {seconds:.1f} s"
    )
    assert busy < 0.5
    assert logged < 200_000


@pytest.mark.row("stalled reader")
@pytest.mark.parametrize("path", [CHAT, MESSAGES, STREAM])
def test_a_gigabyte_for_a_reader_that_stalls(daemon: Target, upstream: Upstream, observe: Observe, path: str) -> None:
    size = 100_000
    upstream.control(events=10_000, bytes=size)
    before = upstream.stats()
    try:
        with Peak(daemon.process) as peak, daemon.connect() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
            s.sendall(post(path, json.dumps(body(path, stream=True)).encode()))
            until(lambda: upstream.stats()["events"] > before["events"], 5)
            time.sleep(4)
            taken = (upstream.stats()["events"] - before["events"]) * size
            time.sleep(2)
            later = (upstream.stats()["events"] - before["events"]) * size
        seconds = until(lambda: upstream.stats()["aborted"] > before["aborted"], 2)
    finally:
        upstream.control()
    told = f"{taken / MIB:.0f} MiB taken, memory +{peak.grown:.0f} MiB"
    observe(f"{told}, upstream closed {seconds:.2f} s after the client left")
    assert taken == later <= 16 * MIB
    assert peak.grown <= 64


@pytest.mark.row("aborts")
def test_twenty_thousand_mixed_requests(tmp_path: Path, upstream: Upstream, observe: Observe) -> None:
    with target(tmp_path, upstream.url, accounts=20, LOG_LEVEL="warn") as daemon:
        upstream.control(events=8, bytes=100, limit_every=97)
        try:
            mixed(daemon, 2000, seed=1)
            time.sleep(3)
            descriptors, memory = daemon.process.descriptors(), daemon.process.rss_kb()
            began = time.monotonic()
            counts = mixed(daemon, 20_000, seed=2)
            seconds = time.monotonic() - began
            time.sleep(3)
        finally:
            upstream.control()
        more = daemon.process.descriptors() - descriptors
        grown = (daemon.process.rss_kb() - memory) / 1024
        assert daemon.well()
    told = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    observe(f"descriptors {more:+}, memory {grown:+.1f} MiB after {told} in {seconds:.0f} s")
    assert sum(counts.values()) == 20_000
    assert more <= 10
    assert grown <= 25


def mixed(daemon: Target, count: int, seed: int) -> dict[str, int]:
    """So many requests of all kinds, a few at a time; how many of each."""
    counts: dict[str, int] = {}
    lock = threading.Lock()
    shares = [count // 6 + (number < count % 6) for number in range(6)]

    def work(number: int) -> None:
        rng, client = random.Random(seed * 100 + number), Mixed(daemon)
        for _ in range(shares[number]):
            kind = client.one(rng)
            with lock:
                counts[kind] = counts.get(kind, 0) + 1
        client.close()

    workers = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return counts


class Mixed:
    """A client that asks, breaks off, and sends nonsense; it keeps a connection while the daemon does."""

    def __init__(self, daemon: Target) -> None:
        self._daemon = daemon
        self._kept: socket.socket | None = None
        self._plain = {path: post(path, json.dumps(body(path)).encode()) for path in (CHAT, MESSAGES, GENERATE)}
        self._streams = {
            path: post(path, json.dumps(body(path, stream=True)).encode()) for path in (CHAT, MESSAGES, STREAM)
        }

    def one(self, rng: random.Random) -> str:
        """One request of some kind."""
        kind = rng.choices(
            ("answered", "streams aborted", "left waiting", "refused", "nonsense", "halves"), (50, 18, 8, 10, 7, 7)
        )[0]
        if kind == "answered":
            self._ask(rng.choice(list(self._plain.values())))
        elif kind == "streams aborted":
            self._aborted(rng.choice(list(self._streams.values())), read=rng.choice((1, 200, 900)))
        elif kind == "left waiting":
            self._aborted(rng.choice(list(self._plain.values())), read=0)
        elif kind == "refused":
            wrong = rng.choice((b"GET /nowhere HTTP/1.1", b"GET /v1/models/x HTTP/1.1", b"DELETE /v1/models HTTP/1.1"))
            self._ask(wrong + b"\r\nHost: x\r\n" + _KEY + b"\r\n")
        elif kind == "nonsense":
            self._aborted(rng.choice((b"\x16\x03\x01\r\n", b"GET\r\n\r\n", post(CHAT, b"{", key="no"))), read=1)
        else:
            whole = rng.choice(list(self._plain.values()))
            self._aborted(whole[: rng.randrange(1, len(whole) - 1)], read=0)
        return kind

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()

    def _ask(self, request: bytes) -> None:
        if self._kept is None:
            self._kept = self._daemon.connect()
        try:
            self._kept.sendall(request)
            got = b""
            while b"\r\n\r\n" not in got:
                piece = self._kept.recv(65536)
                assert piece
                got += piece
            head, _, rest = got.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            while len(rest) < length:
                rest += self._kept.recv(65536)
        except (AssertionError, OSError):
            self._kept.close()
            self._kept = None

    def _aborted(self, request: bytes, read: int) -> None:
        with self._daemon.connect() as s, suppress(OSError):
            s.sendall(request)
            if read:
                s.recv(read)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


@pytest.mark.row("aborts")
@deferred(60)
async def test_aborted_requests_leave_no_timer(tmp_path: Path, observe: Observe) -> None:
    """In this process, where the reactor's timers can be counted."""
    async with stack(tmp_path) as running:
        request = post(CHAT, json.dumps(body(CHAT, stream=True)).encode())
        await running.chat()
        await wait(1.5)
        before = len(reactor.getDelayedCalls())  # type: ignore[attr-defined]
        for number in range(300):
            s = socket.create_connection(("127.0.0.1", running.port))
            s.sendall(request[: len(request) - number % 2])
            await wait(0.001 * (number % 7))
            s.close()
        await wait(2.5)
        after = len(reactor.getDelayedCalls())  # type: ignore[attr-defined]
        observe(f"timers {after - before:+} after 300 aborts")
        assert after <= before
        answers = [Deferred.fromCoroutine(running.chat()) for _ in range(2)]
        assert [(await answer).status for answer in answers] == [200, 200]
