"""A head that came before is not read again, and whoever sends it notices nothing of that."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import hypothesis.strategies as st
import pytest
from hypothesis import given
from msgspec import structs
from support.edge import HEAD, KEY, Edge, request

from antigravity_proxy.http1.parser import Malformed, request_head
from antigravity_proxy.settings.limits import HEAD_BYTES
from antigravity_proxy.settings.parse import networks
from antigravity_proxy.web import heads
from antigravity_proxy.web.client_keys import ClientKey, digest
from antigravity_proxy.web.heads import KnownHeads
from antigravity_proxy.web.key_ring import KeyRing


def kept(edge: Edge) -> int:
    return len(edge.site.heads)


def answers(edge: Edge, data: bytes) -> bytes:
    channel, transport = edge.connect("9.9.9.9")
    channel.dataReceived(data)
    value: bytes = transport.value()
    return value


def told(edge: Edge) -> list[dict[str, object]]:
    """What is written down of the requests that were refused, and of those that wait."""
    waiting = [structs.asdict(each.admitted) for each in edge.resource.waiting]
    return [*map(structs.asdict, edge.records), *waiting]


def test_a_head_that_came_before_is_found_whatever_the_length_of_its_body() -> None:
    edge = Edge()
    channel, transport = edge.connect()
    for body in (b"hello", b"", b"x" * 100, b"again"):
        channel.dataReceived(request(body))
    assert edge.resource.bodies == [b"hello", b"", b"x" * 100, b"again"]
    assert transport.value().count(b"HTTP/1.1 200 OK") == 4
    assert kept(edge) == 1
    assert edge.site.bodies.reserved == 0


def test_a_known_head_may_come_alone_and_its_body_in_pieces() -> None:
    edge = Edge()
    answers(edge, request())
    channel, transport = edge.connect()
    for i in range(0, len(request()), 40):
        channel.dataReceived(request()[i : i + 40])
    head, _, body = request(b"hello!").partition(b"hello!")
    for piece in (head, body[:2], body[2:] + b"hello!"):
        channel.dataReceived(piece)
    assert edge.resource.bodies == [b"hello", b"hello", b"hello!"]
    assert transport.value().count(b"HTTP/1.1 200 OK") == 2


def test_what_comes_behind_a_known_request_waits_for_its_turn() -> None:
    edge = Edge()
    answers(edge, request())
    channel, transport = edge.connect()
    channel.dataReceived(request(b"slow") + request(b"two") + request(b"three"))
    assert transport.producerState == "paused"
    edge.resource.waiting[0].finish(b"one")
    for _ in range(4):
        edge.clock.advance(0)
    assert edge.resource.bodies == [b"hello", b"slow", b"two", b"three"]
    assert transport.producerState == "producing"


def test_what_names_one_request_makes_no_other_head() -> None:
    edge = Edge(trusted=networks("9.9.9.0/24"))
    for at in range(1, 4):
        own = b"X-Request-Id: mine-1234%d\r\nTraceparent: 00-%032x-%016x-01\r\nX-Forwarded-For: 7.7.7.%d\r\n"
        answers(edge, request(b"slow!", own % (at, at, at, at)))
    answers(edge, request(b"slow!"))
    assert kept(edge) == 1
    records = [each.admitted.recorded for each in edge.resource.waiting]
    assert [record.id for record in records] == ["mine-12341", "mine-12342", "mine-12343", "req_" + "0" * 24]
    assert [record.trace and int(record.trace.id, 16) for record in records] == [1, 2, 3, None]
    assert [record.client for record in records] == ["7.7.7.1", "7.7.7.2", "7.7.7.3", "9.9.9.9"]
    assert [each.getHeader(b"x-forwarded-for") for each in edge.resource.waiting][2:] == [b"7.7.7.3", None]


def test_very_many_fields_that_name_one_request_are_read_one_by_one() -> None:
    edge = Edge()
    many = [b"".join(b"X-Request-Id: %d\r\n" % each for each in range(count)) for count in (16, 17, 501)]
    sent = [request(b"hello", lines) for lines in (b"", *many, b"X-Request-Id: " + b"y" * HEAD_BYTES + b"\r\n")]
    assert [answers(edge, data)[9:12] for data in sent] == [b"200", b"200", b"200", b"431", b"431"]


def test_a_known_head_is_judged_by_the_keys_in_force() -> None:
    edge = Edge()
    answers(edge, request())
    edge.site.gate.keys = KeyRing(["another"])
    assert b" 401 " in answers(edge, request())
    assert kept(edge) == 0
    edge.site.gate.keys = KeyRing(["k"])
    assert b" 200 " in answers(edge, request())
    assert kept(edge) == 1


def test_a_known_head_is_counted_for_its_client_each_time() -> None:
    own = ClientKey("laptop", digest(b"own").decode(), datetime(2026, 1, 1, tzinfo=UTC), requests_per_minute=2)
    edge = Edge()
    edge.site.gate.keys = KeyRing(clients=[own])
    mine = request().replace(KEY, b"x-api-key: own\r\n")
    assert [answers(edge, mine)[9:12] for _ in range(3)] == [b"200", b"200", b"429"]
    assert edge.records[-1].key == "laptop"
    edge.site.gate.keys = KeyRing(clients=[structs.replace(own, requests_per_minute=None, expires=own.created)])
    edge.clock.rightNow = own.created.timestamp()
    assert [answers(edge, mine)[9:12] for _ in range(2)] == [b"401", b"401"]


def test_a_known_head_brings_no_body_that_is_too_large() -> None:
    edge = Edge()
    answers(edge, request())
    assert b" 413 " in answers(edge, request(b"x" * 101))
    assert edge.records[-1].refused
    assert edge.site.bodies.reserved == 0


def test_a_connection_above_the_cap_is_told_so_also_for_a_known_head() -> None:
    edge = Edge(max_connections=1)
    answers(edge, request())
    assert b" 503 " in answers(edge, request())


@pytest.mark.parametrize(
    "line",
    [
        b"Expect: 100-continue",
        b"Content-Encoding: identity",
        b"Content-Length: 5\r\nX: y",
        b"X: " + b"y" * heads.LONGEST,
        b"\r\n".join(b"X%d: y" % count for count in range(heads.MOST_FIELDS)),
    ],
)
def test_what_is_no_plain_head_is_not_kept(line: bytes) -> None:
    edge = Edge()
    answers(edge, request(b"hello", line + b"\r\n"))
    assert kept(edge) == 0


@pytest.mark.parametrize(
    "sent",
    [
        HEAD + KEY + b"Content-Length:5 \r\n\r\nhello",
        HEAD + KEY + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        request().replace(b"POST /v1", b"POST http://x/v1"),
        b"GET /v1/models HTTP/1.1\r\nHost: x\r\n" + KEY + b"Content-Length: 5\r\n\r\nhello",
        b"POST /v1/nothing HTTP/1.1\r\nHost: x\r\n" + KEY + b"Content-Length: 5\r\n\r\nhello",
        HEAD + b"Content-Length: 5\r\n\r\nhello",
    ],
)
def test_what_is_no_plain_request_is_not_kept(sent: bytes) -> None:
    edge = Edge()
    answers(edge, sent)
    assert kept(edge) == 0


def test_what_is_kept_is_bounded_in_number_and_bytes() -> None:
    known = KnownHeads()
    for size in (10, heads.LONGEST - 300):
        for count in range(2 * heads.MOST):
            block = b"POST /%d HTTP/1.1\r\nX: %b\r\nContent-Length: 1" % (count, b"y" * size)
            known.keep(block, request_head(block), bool)
            assert known.find(block + b"\r\n\r\n", None) is not None
            known.keep(block, request_head(block), bool)
        assert len(known) <= heads.MOST
        assert known.size <= heads.ROOM
    assert known.find(b"POST /0 HTTP/1.1\r\nX: y\r\nContent-Length: 1\r\n\r\n", None) is None
    known.keep(b"POST /0 HTTP/1.1", request_head(b"POST /0 HTTP/1.1"), bool)
    known.forget()
    assert (len(known), known.size) == (0, 0)


_lengths = st.sampled_from([b"0", b"5", b"05", b"5 ", b" 5", b"", b"x", b"-5", b"5, 5", b"100", b"101", b"9" * 16])
_names = st.sampled_from(
    [b"Content-Length", b"content-length", b"CONTENT-LENGTH", b"X-Content-Length", b"Content-Length "]
)
_lines = st.one_of(
    st.builds(b"%b:%b%b".__mod__, st.tuples(_names, st.sampled_from([b"", b" ", b"\t "]), _lengths)),
    st.sampled_from(
        [
            b"x-api-key: k",
            b"x-api-key: no",
            b"Host: x",
            b"Connection: close",
            b"User-Agent: codex/1",
            b"Origin: https://a.example",
            b"Transfer-Encoding: chunked",
            b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            b"Traceparent: ",
            b"X-Request-Id: mine-12345",
            b"x-request-id: mine-67890",
            b"x-request-id:\tmine\x00",
            b"X-Request-Id : mine-12345",
            b"X-Forwarded-For: 7.7.7.7",
            b" folded",
        ]
    ),
)
_sent = st.builds(
    lambda line, lines, body: b"\r\n".join([line, b"Host: x", b"x-api-key: k", *lines]) + b"\r\n\r\n" + body,
    st.sampled_from(
        [
            b"POST /v1/messages HTTP/1.1",
            b"POST /v1/messages HTTP/1.0",
            b"POST /v1/messages?key=k HTTP/1.1",
            b"GET /v1/models HTTP/1.1",
            b"POST http://x/v1/responses HTTP/1.1",
        ]
    ),
    st.lists(_lines, max_size=5),
    st.sampled_from([b"", b"hello", b"slow!", b"hello" + request()]),
)


@given(sent=st.lists(_sent, min_size=1, max_size=4), data=_sent)
def test_a_head_is_found_whatever_came_before_it_on_its_connection(sent: list[bytes], data: bytes) -> None:
    known = KnownHeads()
    for each in (*sent, data):
        block = each.partition(b"\r\n\r\n")[0]
        with contextlib.suppress(Malformed):
            head = request_head(block)
            if len(head.fields.get(b"content-length", ())) == 1:
                last = known.keep(block, head, bool)
                assert known.find(data, last) == known.find(data, None)


@given(sent=st.lists(_sent, min_size=1, max_size=4))
def test_whoever_sends_known_heads_gets_the_same_as_whoever_sends_unknown_ones(sent: list[bytes]) -> None:
    """One edge has met each head before, the other never meets one twice."""
    origins = ["https://a.example"]
    familiar = Edge(origins=origins)
    for data in sent:
        answers(familiar, data)
        channel, _ = familiar.connect()
        channel.dataReceived(data)
    for data in sent:
        fresh = Edge(origins=origins)
        for kept in (familiar.records, familiar.resource.bodies, familiar.resource.waiting):
            kept.clear()
        assert answers(familiar, data) == answers(fresh, data)
        assert familiar.resource.bodies == fresh.resource.bodies
        assert told(familiar) == told(fresh)
