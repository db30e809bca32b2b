"""Bodies: where none is taken, how much memory all may take together, how slowly and in what pieces they may come."""

from __future__ import annotations

import pytest
from support.edge import HEAD, KEY, Edge, request

from antigravity_proxy.errors import BadRequest, Unavailable
from antigravity_proxy.settings import limits
from antigravity_proxy.web.bodies import BodyBudget, check_shape


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST", b"PUT", b"OPTIONS", b"BREW"])
@pytest.mark.parametrize("path", [b"/", b"/health", b"/health/live", b"/health/ready", b"/metrics", b"/health?a=b"])
@pytest.mark.parametrize("framing", [b"Content-Length: 50\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_what_needs_no_key_takes_no_body(method: bytes, path: bytes, framing: bytes) -> None:
    edge = Edge()
    channel, transport = edge.connect()
    channel.dataReceived(method + b" " + path + b" HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n")
    expected = b"413" if method in (b"GET", b"HEAD") else b"405"
    assert transport.value().startswith(b"HTTP/1.1 " + expected)
    assert b"Connection: close" in transport.value()
    assert edge.site.bodies.reserved == 0
    assert not edge.resource.bodies


def test_a_preflight_takes_no_body() -> None:
    edge = Edge(origins=["https://a.example"])
    channel, transport = edge.connect()
    channel.dataReceived(
        b"OPTIONS /v1/messages HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\n"
        b"Access-Control-Request-Method: POST\r\nContent-Length: 5\r\n\r\n"
    )
    assert transport.value().startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("line", [b"GET /v1/models", b"POST /v1/nothing", b"PUT /v1/messages", b"GET /v1/messages"])
def test_a_body_that_nobody_reads_is_not_kept(line: bytes) -> None:
    edge = Edge()
    channel, _ = edge.connect()
    channel.dataReceived(line + b" HTTP/1.1\r\nHost: x\r\n" + KEY + b"Content-Length: 5\r\n\r\nhello")
    assert edge.resource.bodies == [b""]


def test_all_bodies_together_are_budgeted_and_those_let_in_finish() -> None:
    edge = Edge(max_body=limits.BODIES_TOTAL // 4)
    size = limits.BODIES_TOTAL // 4
    head = HEAD + KEY + b"Content-Length: %d\r\n\r\n" % size
    first, first_transport = edge.connect()
    second, _ = edge.connect()
    first.dataReceived(head)
    second.dataReceived(head)
    third, third_transport = edge.connect()
    third.dataReceived(head)  # of one holder
    assert third_transport.value().startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: " in third_transport.value()
    small, small_transport = edge.connect()
    small.dataReceived(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    assert small_transport.value().startswith(b"HTTP/1.1 200 ")
    first.dataReceived(b"x" * size)
    assert first_transport.value().startswith(b"HTTP/1.1 200 ")
    again, again_transport = edge.connect()
    again.dataReceived(head)
    assert not again_transport.value()
    second.connectionLost(None)
    again.connectionLost(None)
    assert edge.site.bodies.reserved == 0


def test_a_chunked_body_reserves_as_it_grows_and_is_refused_at_the_bound() -> None:
    edge = Edge(max_body=limits.BODIES_TOTAL // 4)
    channel, transport = edge.connect()
    channel.dataReceived(HEAD + KEY + b"Transfer-Encoding: chunked\r\n\r\n")
    assert edge.site.bodies.reserved == 0
    channel.dataReceived(b"5\r\nhello\r\n")
    assert 5 <= edge.site.bodies.reserved <= 1 << 16
    edge.site.bodies.take("others", limits.BODIES_TOTAL // 2)
    edge.site.bodies.take("more", limits.BODIES_TOTAL // 2 - edge.site.bodies.reserved % (1 << 20))
    channel.dataReceived(b"20000\r\n" + b"x" * 0x20000)
    assert transport.value().startswith(b"HTTP/1.1 503 ")
    edge.site.bodies.give_back("others", limits.BODIES_TOTAL // 2)
    edge.site.bodies.give_back("more", limits.BODIES_TOTAL // 2 - (1 << 16))
    assert edge.site.bodies.reserved == 0


def test_the_budget_has_half_for_one_holder() -> None:
    budget = BodyBudget(100)
    budget.take("a", 50)
    with pytest.raises(Unavailable):
        budget.take("a", 1)
    budget.take("b", 50)
    with pytest.raises(Unavailable):
        budget.take("c", 1)
    budget.give_back("a", 20)
    budget.take("c", 20)
    assert budget.reserved == 100


def test_a_body_of_one_byte_chunks_is_refused_early() -> None:
    edge = Edge(max_body=1 << 20)
    channel, transport = edge.connect()
    channel.dataReceived(HEAD + KEY + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 4000)
    assert not transport.value()
    channel.dataReceived(b"1\r\nx\r\n" * 1000)
    assert transport.value().startswith(b"HTTP/1.1 400 ")
    assert edge.site.bodies.reserved == 0


def test_a_body_that_crawls_for_hours_is_given_up() -> None:
    edge = Edge(max_body=1 << 25)
    channel, transport = edge.connect()
    channel.dataReceived(HEAD + KEY + b"Content-Length: 33554432\r\n\r\n")
    second = 0
    while not transport.value() and second < 300:
        channel.dataReceived(b"x" * 2048)
        edge.pass_time(1)
        second += 1
    assert transport.value().startswith(b"HTTP/1.1 408 ")
    assert limits.BODY_GRACE_SECONDS < second < 2 * limits.BODY_GRACE_SECONDS


@pytest.mark.parametrize("mark", [b"{", b"[", b'"', b","])
def test_a_body_of_too_many_values_is_refused(mark: bytes) -> None:
    with pytest.raises(BadRequest):
        check_shape(mark * (5 << 20))
    check_shape(mark * 1000)
    check_shape(mark * 190_000 + b"x" * (8 << 20))


def test_each_mark_has_a_bound_of_its_own() -> None:
    as_many_as_may = b"{" * 200_000 + b"[" * 200_000 + b'"' * 1_000_000 + b"," * 4_000_000
    check_shape(as_many_as_may)
    for mark in (b"{", b"[", b'"', b","):
        with pytest.raises(BadRequest):
            check_shape(as_many_as_may + mark)


def test_a_request_without_a_body_reserves_nothing() -> None:
    edge = Edge()
    channel, _ = edge.connect()
    channel.dataReceived(request(b""))
    assert edge.site.bodies.reserved == 0
