"""A streamed answer's silences are filled, and never before they are long."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.python.failure import Failure

from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.settings.limits import FIRST_KEEPALIVE, KEEPALIVE
from antigravity_proxy.telemetry.record import Record
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.web.client import HttpClient


class Request:
    """What the client's side calls of a request."""

    def __init__(self) -> None:
        self.out: list[bytes] = []
        self.headers: dict[bytes, bytes] = {}
        self.code = 200
        self.sentLength = 0
        self.finished = False

    def setHeader(self, name: bytes, value: bytes) -> None:
        self.headers[name] = value

    def setHeaders(self, fields: tuple[tuple[bytes, bytes], ...]) -> None:
        self.headers |= dict(fields)

    def setLines(self, first: bytes, further: bytes) -> None:
        pairs = (line.split(b": ", 1) for line in (first + further).splitlines())
        self.headers |= {name.lower(): value for name, value in pairs}

    def setResponseCode(self, code: int) -> None:
        self.code = code

    def write(self, data: bytes) -> None:
        self.out.append(data)

    def finish(self, data: bytes = b"") -> None:
        self.out += [data] if data else []
        self.finished = True

    def answer_begins(self) -> None:
        """Nothing to forget."""


def client(keepalive: bytes | None = b": k\n\n") -> tuple[HttpClient, Any, Clock]:
    clock, request = Clock(), Request()
    made = HttpClient(request, Record(id="req_1", began=0.0), Ticker(clock))  # type: ignore[arg-type]
    made.prepare(((b"content-type", b"text/event-stream"),), keepalive)
    return made, request, clock


def seconds(clock: Clock, count: float) -> None:
    for _ in range(int(count)):
        clock.advance(1)


def test_the_head_waits_for_the_first_byte_so_that_a_failure_can_be_a_status() -> None:
    made, request, clock = client()
    seconds(clock, FIRST_KEEPALIVE - 1)
    assert not made.head_sent
    made.reply(Rendered(503, b"{}", ((b"retry-after", b"1"),)))
    assert (request.code, request.out, request.headers[b"content-length"]) == (503, [b"{}"], b"2")
    assert request.finished


def test_a_long_silence_sends_the_head_but_does_not_start_the_answer() -> None:
    made, request, clock = client()
    seconds(clock, FIRST_KEEPALIVE)
    assert request.out == [b": k\n\n"]
    assert made.head_sent
    assert not made.started


def test_silences_within_the_answer_are_filled_and_bytes_put_them_off() -> None:
    made, request, clock = client()
    made.send(b"one")
    seconds(clock, KEEPALIVE - 1)
    made.send(b"two")
    seconds(clock, KEEPALIVE - 1)
    assert request.out == [b"one", b"two"]
    seconds(clock, KEEPALIVE + 2)
    assert request.out == [b"one", b"two", b": k\n\n", b": k\n\n"]


def test_nothing_is_sent_after_the_end_or_to_nobody() -> None:
    made, request, clock = client()
    made.send(b"one")
    made.finish(b"last")
    seconds(clock, 60)
    assert request.out == [b"one", b"last"]
    gone, request, clock = client()
    gone.lost(Failure(ValueError()))
    gone.finish(b"x")
    gone.reply(Rendered(500, b"y"))
    seconds(clock, 60)
    assert request.out == []
    assert not request.finished


def test_a_collected_answer_has_its_length_and_no_fillers() -> None:
    made, request, clock = client(None)
    seconds(clock, 60)
    assert request.out == []
    made.finish(b"whole")
    assert (request.out, request.finished) == ([b"whole"], True)
    assert made.consumer is None


def test_a_form_without_fillers_stays_silent() -> None:
    made, request, clock = client(b"")
    seconds(clock, 60)
    assert request.out == []
    made.finish(b"")
    assert request.out == []
    assert request.finished
