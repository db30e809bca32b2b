"""Pipelined requests: one in a turn of the reactor, none while the client does not read, in order."""

from __future__ import annotations

import pytest
from support.edge import Edge, request, turn

from antigravity_proxy.settings import limits
from antigravity_proxy.web.round_robin import AT_ONCE

GET = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"


def test_one_request_is_begun_in_a_turn() -> None:
    edge = Edge()
    channel, transport = edge.connect()
    channel.dataReceived(request(b"one") + request(b"two") + request(b"three") + request(b"fo")[:-1])
    assert edge.resource.bodies == [b"one"]
    turn(edge.clock)
    assert edge.resource.bodies == [b"one", b"two"]
    turn(edge.clock)
    assert edge.resource.bodies == [b"one", b"two", b"three"]
    turn(edge.clock)
    channel.dataReceived(b"o")
    assert edge.resource.bodies[3:] == [b"fo"]
    assert transport.value().count(b"HTTP/1.1 200 OK") == 4


def test_of_many_connections_few_are_served_in_a_turn() -> None:
    edge = Edge()
    channels = [edge.connect()[0] for _ in range(2 * AT_ONCE)]
    for channel in channels:
        channel.dataReceived(request(b"a") + request(b"b"))
    assert len(edge.resource.bodies) == 2 * AT_ONCE
    turn(edge.clock)
    assert len(edge.resource.bodies) == 3 * AT_ONCE
    turn(edge.clock)
    assert len(edge.resource.bodies) == 4 * AT_ONCE


@pytest.mark.parametrize("when", ["before the answer", "after the answer"])
def test_none_is_begun_while_the_client_does_not_read(when: str) -> None:
    edge = Edge()
    channel, _ = edge.connect()
    if when == "before the answer":
        channel.dataReceived(request(b"slow") + request(b"two"))
        channel.pauseProducing()
        edge.resource.waiting[0].finish()
    else:
        channel.dataReceived(request(b"one") + request(b"two"))
        channel.pauseProducing()
    edge.clock.pump([0] * 5)
    assert len(edge.resource.bodies) == 1
    channel.resumeProducing()
    assert len(edge.resource.bodies) == 1
    edge.clock.pump([0] * 2)
    assert edge.resource.bodies[1:] == [b"two"]


def test_a_pipeline_whose_client_never_reads_is_dropped() -> None:
    edge = Edge()
    edge.pass_time(1)
    channel, transport = edge.connect()
    channel.dataReceived(request() * 3)
    channel.pauseProducing()
    edge.pass_time(limits.WRITE_STALL + 2)
    assert transport.aborted
    channel.connectionLost(None)
    edge.clock.pump([0] * 2)
    assert len(edge.resource.bodies) == 1


def test_what_is_read_ahead_while_a_request_is_under_way_is_bounded_and_cheap() -> None:
    edge = Edge()
    channel, transport = edge.connect()
    channel.dataReceived(request(b"slow"))
    for _ in range(20_000):
        if transport.producerState == "paused":
            break
        channel.dataReceived(b"\r")
    assert transport.producerState == "paused"
    assert len(channel._ahead) <= 17_000


def test_a_drain_ends_a_pipeline_after_the_answer_under_way() -> None:
    edge = Edge()
    channel, transport = edge.connect()
    channel.dataReceived(request(b"one") + request(b"two"))
    edge.site.drain(edge.clock, 30.0)
    assert transport.disconnecting
    channel.connectionLost(None)
    edge.clock.pump([0] * 2)
    assert edge.resource.bodies == [b"one"]


def test_a_partial_request_in_a_pipeline_has_its_deadline() -> None:
    edge = Edge()
    channel, transport = edge.connect()
    channel.dataReceived(request() + request()[:20])
    edge.pass_time(limits.HEAD_DEADLINE + 2)
    assert transport.value().count(b"HTTP/1.1 408 ") == 1
