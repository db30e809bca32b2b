"""What is scripted for the simulated service happens, over real sockets; and what became of each request is known."""

from __future__ import annotations

import socket
import struct

import pytest
from support.deferreds import deferred, in_thread, until, wait
from support.simulated import BODY, STREAM, Raw, ask, payloads, running, text

from antigravity_proxy.simulator import faults
from antigravity_proxy.simulator.faults import Fault


@deferred()
async def test_faults_are_used_up_by_the_requests_that_they_fit() -> None:
    async with running() as simulator:
        simulator.script(faults.failing(500), token="ya29.b")
        simulator.script(faults.failing(502), model="gemini-pro-agent")
        simulator.script(faults.failing(503), times=2)
        asked = [("ya29.a", "gemini-3-flash"), ("ya29.b", "gemini-3-flash"), ("ya29.b", "gemini-pro-agent")]
        asked += [("ya29.b", "gemini-pro-agent"), ("ya29.b", "gemini-3-flash")]
        statuses = [(await ask(simulator, STREAM, BODY | {"model": model}, token)).status for token, model in asked]
        assert statuses == [503, 500, 502, 503, 200]
        simulator.script(faults.failing(502), model="gemini-pro-agent")
        assert [(await ask(simulator, STREAM, body)).status for body in (b"{", b"[]")] == [400, 400]


@deferred()
async def test_an_error_has_its_headers() -> None:
    async with running() as simulator:
        simulator.script(Fault(429, b"slow down", (("Retry-After", "7"),)))
        answer = await ask(simulator, STREAM, BODY)
        assert (answer.status, answer.body, answer.headers["retry-after"]) == (429, b"slow down", "7")


@pytest.mark.parametrize(
    ("fault", "events", "seen"),
    [
        (Fault(reset=True, before=True), 0, b""),
        (Fault(reset=True, after=0), 0, b"HTTP/1.1 200"),
        (Fault(reset=True, after=2), 2, b"HTTP/1.1 200"),
    ],
)
@deferred()
async def test_the_connection_is_reset_before_or_after_the_head_or_in_mid_stream(
    fault: Fault, events: int, seen: bytes
) -> None:
    async with running() as simulator:
        simulator.script(fault)
        got = await in_thread(Raw(simulator).read)
        assert got.startswith(seen)
        assert got.endswith(b"<RESET>")
        assert got.count(b"data: ") == simulator.requests[0].events_sent == events


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(events=()), b""),
        (Fault(events=(b"garbage", b"{}")), b"data: garbage\r\n\r\ndata: {}\r\n\r\n"),
        (Fault(events=(b"{}",), framing=(b": ping\n\ndata:", b"\n\n")), b": ping\n\ndata:{}\n\n"),
        (Fault(events=(b"{}",), error=b'{"error":1}'), b'data: {}\r\n\r\ndata: {"error":1}\r\n\r\n'),
        (Fault(events=(b"{}",), error=b'{"error":1}', after=0), b'data: {"error":1}\r\n\r\n'),
        (Fault(raw=b": recorded\ndata: {}"), b": recorded\ndata: {}"),
        (Fault(raw=b": recorded\ndata: {}", cut=1), b": recorded\ndata: {}"),
        (Fault(raw=b""), b""),
    ],
)
@deferred()
async def test_a_stream_of_any_bytes_is_sent(fault: Fault, expected: bytes) -> None:
    async with running() as simulator:
        simulator.script(fault)
        answer = await ask(simulator, STREAM, BODY)
        assert (answer.status, answer.body) == (200, expected)


@deferred()
async def test_cut_bytes_come_one_by_one() -> None:
    async with running() as simulator:
        simulator.script(Fault(raw=b"abc", cut=1))
        got = await in_thread(Raw(simulator).read, b"0\r\n\r\n")
        assert got.endswith(b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n")


@deferred()
async def test_the_finish_reason_is_as_scripted() -> None:
    async with running() as simulator:
        for fault, reasons in ((Fault(finish="MAX_TOKENS"), ["MAX_TOKENS"]), (Fault(unfinished=True), [])):
            simulator.script(fault)
            events = payloads(await ask(simulator, STREAM, BODY))
            candidates = [event["response"]["candidates"][0] for event in events]
            assert [c["finishReason"] for c in candidates if "finishReason" in c] == reasons


@deferred()
async def test_silence_lasts_until_the_peer_leaves() -> None:
    async with running() as simulator:
        simulator.script(Fault(silent=True))
        connection = Raw(simulator)
        received = await simulator.arrived(1)
        assert not received.closed_by_peer
        connection.socket.close()
        assert await received.finished is received
        assert received.closed_by_peer


@deferred()
async def test_a_pause_comes_before_the_head() -> None:
    async with running() as simulator:
        simulator.script(Fault(pause=60))
        connection = Raw(simulator)
        received = await simulator.arrived(1)
        await wait(0.05)
        connection.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.socket.recv(1)
        connection.socket.close()
        await received.finished
        simulator.script(Fault(pause=0.01))
        assert text(await ask(simulator, STREAM, BODY)).endswith("Hello")


@deferred()
async def test_a_peer_that_leaves_in_mid_stream_is_noticed() -> None:
    async with running() as simulator:
        simulator.script(Fault(delay=60))
        connection = Raw(simulator)
        await in_thread(connection.read, b"data: ")
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.socket.close()
        received = await simulator.arrived(1)
        await received.finished
        assert (received.closed_by_peer, received.events_sent) == (True, 1)
        await until(lambda: simulator.counts["aborted"] == 1)


@deferred()
async def test_arrivals_can_be_waited_for_in_advance() -> None:
    async with running() as simulator:
        second = simulator.arrived(2)
        await ask(simulator, STREAM, BODY, "ya29.a")
        assert not second.called
        await ask(simulator, STREAM, BODY, "ya29.b")
        received = await second
        assert (received.token, received.model, received.closed_by_peer) == ("ya29.b", "gemini-3-flash", False)
        await simulator.arrived(1)


@deferred()
async def test_a_slow_reader_slows_the_stream_down() -> None:
    async with running() as simulator:
        simulator.script(Fault(events=(b"x" * 100_000,) * 200))
        connection = Raw(simulator)
        received = await simulator.arrived(1)
        sent = -1

        def stalled() -> bool:
            nonlocal sent
            before, sent = sent, received.events_sent
            return before == sent

        await until(stalled)
        assert 0 < sent < 200
        got = await in_thread(connection.read, b"0\r\n\r\n")
        assert got.count(b"data: ") == 200
