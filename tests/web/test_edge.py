"""The edge on a clock: deadlines, refusals before the body is read, drain. Real Twisted, no sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.edge import HEAD, KEY, Edge, request

from antigravity_proxy.errors import Unauthorized
from antigravity_proxy.http1.fields import ReceivedFields
from antigravity_proxy.settings import limits
from antigravity_proxy.settings.parse import networks
from antigravity_proxy.web.edge import GuardedRequest, lines_of


def test_a_request_byte_by_byte_arrives() -> None:
    edge = Edge()
    channel, transport = edge.connect()
    for i in range(len(request())):
        channel.dataReceived(request()[i : i + 1])
    assert edge.resource.bodies == [b"hello"]
    assert transport.value().startswith(b"HTTP/1.1 200 OK")


def test_a_wrong_key_is_refused_before_the_body_is_read() -> None:
    edge = Edge()
    channel, transport = edge.connect()
    channel.dataReceived(HEAD + b"x-api-key: no\r\nContent-Length: 50\r\n\r\nhalf")
    assert transport.value().startswith(b"HTTP/1.1 401 Unauthorized\r\n")
    assert b'"code":"invalid_api_key"' in transport.value()
    channel.dataReceived(b"x" * 46 + request())
    assert not edge.resource.bodies
    edge.pass_time(limits.LINGER_SECONDS + 1)
    assert transport.disconnecting


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + KEY + b"Content-Length: 101\r\n\r\n",
        HEAD + KEY + b"Content-Length: 1000000000000\r\n\r\n",
        HEAD + KEY + b"Transfer-Encoding: chunked\r\n\r\n33\r\n" + b"x" * 0x33 + b"\r\n33\r\n" + b"x" * 0x33,
    ],
)
def test_a_body_over_the_limit_is_refused_at_once(sent: bytes) -> None:
    edge = Edge()
    channel, transport = edge.connect()
    channel.dataReceived(sent)
    assert transport.value().startswith(b"HTTP/1.1 413 ")
    assert transport.value().count(b"HTTP/1.1") == 1
    assert not edge.resource.bodies


def test_a_refusal_has_the_dialect_of_its_path() -> None:
    edge = Edge()
    channel, transport = edge.connect()
    channel.dataReceived(b"POST /v1beta/models/x:generateContent HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    assert b'"status":"UNAUTHENTICATED"' in transport.value()
    channel, transport = edge.connect()
    channel.dataReceived(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    assert b'"type":"authentication_error"' in transport.value()


def test_expect_continue_is_answered_but_not_behind_a_refusal() -> None:
    edge = Edge()
    channel, transport = edge.connect()
    channel.dataReceived(HEAD + KEY + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    assert transport.value() == b"HTTP/1.1 100 Continue\r\n\r\n"
    channel, transport = edge.connect()
    channel.dataReceived(HEAD + KEY + b"Expect: 100-continue\r\nContent-Length: 5000\r\n\r\n")
    assert b"100 Continue" not in transport.value()


@pytest.mark.parametrize(
    "lines",
    [
        b"Host: x\r\nHost: y\r\nContent-Length: 5\r\n",
        b"Content-Length: 5\r\n",
        b"Host: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Host: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n",
        b"Host: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Host: x\r\nContent-Length: +5\r\n",
        b"Host: x\r\nTransfer-Encoding: gzip\r\n",
        b"Host: x\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n",
        b"Host: x\r\nTransfer-Encoding:\r\n chunked\r\n",
        b"Host: x\r\nBad header\r\n",
    ],
)
def test_ambiguous_framing_is_refused(lines: bytes) -> None:
    edge = Edge()
    channel, transport = edge.connect()
    channel.dataReceived(b"POST /v1/chat/completions HTTP/1.1\r\n" + KEY + lines + b"\r\nhello")
    assert transport.value().startswith(b"HTTP/1.1 400 ")
    assert not edge.resource.bodies


@pytest.mark.parametrize("kept", [False, True])
def test_a_head_that_drips_gets_408_and_is_dropped(kept: bool) -> None:
    edge = Edge()
    channel, transport = edge.connect()
    if kept:
        channel.dataReceived(request())
        transport.clear()
    channel.dataReceived(b"POST /v1/messages HTTP/1.1\r\n")
    for _ in range(int(limits.HEAD_DEADLINE)):
        channel.dataReceived(b"X")
        edge.pass_time(1)
    assert transport.value().startswith(b"HTTP/1.1 408 ")
    assert b'{"type":"error"' in transport.value()
    edge.pass_time(limits.LINGER_SECONDS + 1)
    assert transport.disconnecting


def test_a_connection_that_never_says_anything_is_closed_in_order() -> None:
    edge = Edge()
    _, transport = edge.connect()
    edge.pass_time(limits.HEAD_DEADLINE + 1)
    assert transport.disconnecting
    assert not transport.aborted
    assert not transport.value()


def test_a_body_that_drips_gets_408() -> None:
    edge = Edge()
    channel, transport = edge.connect()
    channel.dataReceived(HEAD + KEY + b"Content-Length: 50\r\n\r\n")
    for _ in range(int(limits.BODY_CHECK_SECONDS) + 1):
        channel.dataReceived(b"x")
        edge.pass_time(1)
    assert transport.value().startswith(b"HTTP/1.1 408 ")


def test_a_slow_body_that_makes_progress_is_waited_for() -> None:
    edge = Edge(max_body=1 << 20)
    channel, transport = edge.connect()
    channel.dataReceived(HEAD + KEY + b"Content-Length: 81920\r\n\r\n")
    for _ in range(40):
        channel.dataReceived(b"x" * 2048)
        edge.pass_time(1)
    assert [len(body) for body in edge.resource.bodies] == [81920]
    assert transport.value().startswith(b"HTTP/1.1 200 ")


def test_an_idle_kept_connection_is_closed() -> None:
    edge = Edge()
    channel, transport = edge.connect()
    channel.dataReceived(request())
    edge.pass_time(limits.IDLE_SECONDS - 1)
    assert not transport.disconnecting
    edge.pass_time(2)
    assert transport.disconnecting
    assert not transport.aborted  # by FIN, not RST: nothing is wrong (RFC 9112 9.6)
    edge.pass_time(limits.WRITE_STALL + 1)
    assert transport.aborted  # the peer takes nothing


def test_a_long_answer_has_no_deadline_of_its_own() -> None:
    edge = Edge()
    channel, transport = edge.connect()
    channel.dataReceived(request(b"slow"))
    edge.pass_time(1000)
    assert not transport.aborted
    edge.resource.waiting[0].write(b"late")
    edge.resource.waiting[0].finish()
    assert b"late" in transport.value()


@pytest.mark.row("reader gone silent")
def test_a_reader_that_stalls_is_dropped_and_one_that_goes_on_is_not(observe: Callable[[str], None]) -> None:
    edge = Edge()
    channel, transport = edge.connect()
    channel.dataReceived(request(b"slow"))
    channel.pauseProducing()
    edge.pass_time(limits.WRITE_STALL - 1)
    channel.resumeProducing()
    edge.pass_time(limits.WRITE_STALL)
    assert not transport.aborted
    channel.pauseProducing()
    edge.pass_time(limits.WRITE_STALL + 2)
    assert transport.aborted
    observe("dropped after 120 s by the clock, one that goes on is not")


@pytest.mark.row("shedding")
def test_above_the_cap_clients_are_told_to_come_again_and_far_above_closed_at_once() -> None:
    edge = Edge(max_connections=2)
    edge.connect()
    edge.connect()
    channel, transport = edge.connect()
    channel.dataReceived(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\n" + KEY + b"Content-Length: 5\r\n\r\nhello")
    assert transport.value().startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: %d\r\n" % limits.SHED_RETRY in transport.value()
    assert b'"type":"error"' in transport.value()
    channel, transport = edge.connect()
    channel.dataReceived(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    assert transport.value().startswith(b"HTTP/1.1 200 ")
    for _ in range(limits.SHED_CONNECTIONS - 2):
        assert edge.connect()[0] is not None
    assert edge.connect()[0] is None
    for each in list(edge.site.channels)[: limits.SHED_CONNECTIONS + 1]:
        each.connectionLost(None)
    channel, transport = edge.connect()
    channel.dataReceived(request())
    assert transport.value().startswith(b"HTTP/1.1 200 ")


@pytest.mark.row("admin connections")
def test_one_network_takes_no_more_than_its_share_and_trusted_proxies_are_none() -> None:
    edge = Edge(max_connections=8, max_per_address=2, trusted=networks("10.0.0.0/8,2001:db8:5::/48"))
    for address in ("192.0.2.1", "2001:db8:1:2::1"):
        assert all(edge.connect(address)[0] for _ in range(2))
        assert edge.connect(address)[0] is None
    assert edge.connect("2001:db8:1:2:3::9")[0] is None
    assert edge.connect("2001:db8:1:3::1")[0]
    assert all(edge.connect(address)[0] for address in ["10.1.1.1"] * 3 + ["2001:db8:5::1"] * 3)
    next(each for each in edge.site.channels if each.address == "192.0.2.1").connectionLost(None)
    assert edge.connect("192.0.2.1")[0]


@pytest.mark.row("admin connections")
def test_when_full_connections_that_send_nothing_go_soon_and_those_that_wait_for_an_answer_stay() -> None:
    edge = Edge(max_connections=4)
    silent, half, resting, served = (edge.connect() for _ in range(4))
    half[0].dataReceived(HEAD)
    resting[0].dataReceived(request())
    served[0].dataReceived(request(b"slow"))
    edge.pass_time(limits.FULL_DEADLINE + 1)
    assert [each[1].disconnecting for each in (silent, resting, served)] == [True, True, False]
    assert half[1].value().startswith(b"HTTP/1.1 408 ")


def test_while_there_is_room_a_slow_head_and_a_resting_connection_have_their_time() -> None:
    edge = Edge(max_connections=4)
    silent, resting = edge.connect(), edge.connect()
    resting[0].dataReceived(request())
    edge.pass_time(limits.HEAD_DEADLINE - 1)
    assert not silent[1].disconnecting
    edge.pass_time(limits.IDLE_SECONDS - limits.HEAD_DEADLINE - 1)
    assert (silent[1].disconnecting, resting[1].disconnecting) == (True, False)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"POST /v1/messages HTTP/1.1\r\nHost: x\r\n" + b"X-A: aaaaaaaa\r\n" * 501 + b"\r\n", 431),
        (b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 17_000, 431),
        (b"POST /v1/messages HTTP/1.1\r\nHost: x\r\n" + b"X-A: %b\r\n" % (b"a" * 8000) * 3, 431),
        (b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
        (b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nX-A: a\r\n folded\r\n\r\n", 400),
        (b"POST /v1/messages HTTP/1.1\r\n" + KEY + b"Host: x\r\nTransfer-Encoding: chunked\r\n\r\nnone\r\n", 400),
    ],
)
def test_what_the_parser_refuses_is_told_in_the_dialect(sent: bytes, status: int) -> None:
    edge = Edge()
    channel, transport = edge.connect()
    channel.dataReceived(sent)
    channel.dataReceived(request())
    assert transport.value().startswith(b"HTTP/1.1 %d " % status)
    assert transport.value().count(b"HTTP/1.1") == 1
    assert b'{"type":"error","error":{"type":"invalid_request_error"' in transport.value()
    assert not edge.resource.bodies


@pytest.mark.parametrize("sent", [b"GET /" + b"a" * 17_000, b"GET /" + b"a" * 16_379 + b" HTTP/1.1\r\n"])
def test_an_endless_target_is_414(sent: bytes) -> None:
    edge = Edge()
    channel, transport = edge.connect()
    channel.dataReceived(sent)
    assert transport.value().startswith(b"HTTP/1.1 414 ")
    assert b'"error"' in transport.value()


def test_a_refused_client_that_sends_on_is_not_listened_to_for_long() -> None:
    edge = Edge()
    channel, transport = edge.connect()
    channel.dataReceived(HEAD + b"x-api-key: no\r\nContent-Length: 5\r\n\r\n")
    channel.dataReceived(b"x" * limits.LINGER_BYTES)
    assert not transport.disconnecting
    channel.dataReceived(b"x")
    assert transport.disconnecting


def test_a_drain_waits_for_the_last_byte_and_cuts_at_the_deadline() -> None:
    edge = Edge()
    idle, idle_transport = edge.connect()
    idle.dataReceived(request())
    busy, busy_transport = edge.connect()
    busy.dataReceived(request(b"slow"))
    stuck, stuck_transport = edge.connect()
    stuck.dataReceived(request(b"slow"))
    cut: list[int] = []
    edge.site.drain(edge.clock, 30.0).addCallback(cut.append)
    assert idle_transport.disconnecting
    assert not busy_transport.disconnecting
    idle.connectionLost(None)
    edge.resource.waiting[0].finish()
    assert busy_transport.disconnecting
    busy.connectionLost(None)
    assert not cut
    edge.clock.advance(30)
    assert stuck_transport.aborted
    stuck.connectionLost(None)
    assert cut == [1]


def test_a_drain_answers_whole_heads_and_closes_other_connections() -> None:
    """A connection that was just made has a moment to send a whole head; half of one holds nothing up."""
    edge = Edge()
    made, made_transport = edge.connect()
    half, half_transport = edge.connect()
    half.dataReceived(request()[:20])
    body, body_transport = edge.connect()
    body.dataReceived(request()[:-2])
    silent, silent_transport = edge.connect()
    dripping, dripping_transport = edge.connect()
    edge.site.drain(edge.clock, 30.0)
    assert half_transport.disconnecting
    for transport in (made_transport, body_transport, silent_transport, dripping_transport):
        assert not transport.disconnecting
    made.dataReceived(request())
    body.dataReceived(request()[-2:])
    dripping.dataReceived(request()[:20])
    for transport in (made_transport, body_transport):
        assert b"200 OK" in transport.value()
        assert transport.disconnecting
    edge.clock.pump([1.0] * 3)
    assert silent_transport.disconnecting
    assert dripping_transport.disconnecting
    for channel in (made, half, silent, body, dripping):
        channel.connectionLost(None)


def test_a_drain_of_nothing_is_over_at_once() -> None:
    edge = Edge()
    cut: list[int] = []
    edge.site.drain(edge.clock, 30.0).addCallback(cut.append)
    assert cut == [0]


def test_the_gate_raises_what_the_ring_raises() -> None:
    edge = Edge()
    channel, _ = edge.connect()
    request: GuardedRequest[Any] = GuardedRequest(channel, b"GET", b"/v1/models", 1, ReceivedFields())
    with pytest.raises(Unauthorized):
        edge.site.gate.admit(request, b"GET", b"/v1/models")


def test_a_target_in_absolute_form_is_taken_for_its_path() -> None:
    edge = Edge()
    channel, transport = edge.connect()
    channel.dataReceived(request().replace(b"POST /v1", b"POST http://x/v1"))
    assert edge.resource.bodies == [b"hello"]
    channel, transport = edge.connect()
    channel.dataReceived(b"GET HTTP://x HTTP/1.1\r\nHost: x\r\n\r\n")
    assert transport.value().startswith(b"HTTP/1.1 200 ")
    channel, transport = edge.connect()
    channel.dataReceived(request().replace(b"POST /v1", b"POST http://other.example/v1"))
    assert transport.value().startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("key", [KEY, b""])
def test_options_for_the_whole_server_is_ours_to_answer(key: bytes) -> None:
    edge = Edge()
    channel, transport = edge.connect()
    channel.dataReceived(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n" + key + b"\r\n")
    assert b"Twisted" not in transport.value()
    assert transport.value().startswith(b"HTTP/1.1 200 " if key else b"HTTP/1.1 401 ")


def test_a_fault_of_a_page_is_answered_by_us_and_logged_seldom(no_leaks: list[Any]) -> None:
    edge = Edge()

    def broken(_: Any) -> bytes:
        raise ZeroDivisionError("secret")

    edge.resource.render = broken  # type: ignore[method-assign]
    for _ in range(50):
        channel, transport = edge.connect()
        channel.dataReceived(request())
        assert transport.value().startswith(b"HTTP/1.1 500 ")
        assert b"Processing Failed" not in transport.value()
        assert b"Twisted" not in transport.value()
        assert b"secret" not in transport.value()
        assert b'"error"' in transport.value()
    assert len(no_leaks) == 5
    no_leaks.clear()


def test_the_fields_of_an_answer_come_in_their_order_and_none_begins_another_line() -> None:
    edge = Edge()
    channel, transport = edge.connect()
    channel.dataReceived(request(b"slow"))
    answered = edge.resource.waiting[0]
    answered.setHeader(b"x-first", b"1\r\nevil: 2", b"3")
    answered.setLines(b"X-Id: 4\r\n", lines_of(((b"x-last", b"5\n6"),)))
    answered.finish(b"answer")
    head, _, body = transport.value().partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    names = [b"X-First: 1 evil: 2", b"X-First: 3", b"X-Id: 4", b"Content-Length: 6", b"X-Last: 5 6"]
    assert (first, lines[:-1], lines[-1][:6], body) == (b"HTTP/1.1 200 OK", names, b"Date: ", b"answer")
