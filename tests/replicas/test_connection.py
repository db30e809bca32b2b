"""One connection: answers in order, pushes between them, and an end as soon as anything is odd."""

from __future__ import annotations

from typing import Any

import hiredis
import pytest
from twisted.internet.defer import Deferred
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from antigravity_proxy.replicas import connection
from antigravity_proxy.replicas.connection import Connection, Lost


class Wire(StringTransport):
    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True


@pytest.fixture
def opened() -> tuple[Connection, Wire]:
    made, wire = Connection(), Wire()
    made.makeConnection(wire)
    return made, wire


def outcome(asked: Deferred[list[Any]]) -> list[Any]:
    found: list[Any] = []
    asked.addBoth(found.append)
    return found


def test_answers_come_in_order_whatever_their_pieces(opened: tuple[Connection, Wire]) -> None:
    made, wire = opened
    one, two = outcome(made.ask([(b"GET", b"k"), (b"PING",)])), outcome(made.ask([(b"PING",)]))
    assert wire.value() == b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n" + 2 * b"*1\r\n$4\r\nPING\r\n"
    for byte in b"$2\r\nvv\r\n+PONG\r\n+PONG\r\n":
        made.dataReceived(bytes([byte]))
    assert (one, two) == ([[b"vv", b"PONG"]], [[b"PONG"]])


def test_pushes_stand_between_answers(opened: tuple[Connection, Wire]) -> None:
    made, _ = opened
    pushed: list[Any] = []
    made.on_push = pushed.append
    asked = outcome(made.ask([(b"SUBSCRIBE", b"c"), (b"PING",)], answers=1))
    made.dataReceived(b">3\r\n+subscribe\r\n+c\r\n:1\r\n+PONG\r\n>3\r\n+message\r\n+c\r\n$1\r\nx\r\n")
    assert asked == [[b"PONG"]]
    assert pushed == [[b"subscribe", b"c", 1], [b"message", b"c", b"x"]]


def test_errors_are_answers(opened: tuple[Connection, Wire]) -> None:
    made, _ = opened
    asked = outcome(made.ask([(b"SET",), (b"PING",)]))
    made.dataReceived(b"-OOM full\r\n+PONG\r\n")
    assert isinstance(asked[0][0], hiredis.ReplyError)
    assert asked[0][1] == b"PONG"


@pytest.mark.parametrize(
    "garbage",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x00\xff\xfe",
        b"$-7\r\n",
        b"*99999999999\r\n",
        b"SSH-2.0-x\r\n",
        b"\x15\x03",
    ],
)
def test_nonsense_ends_it(opened: tuple[Connection, Wire], garbage: bytes) -> None:
    made, wire = opened
    lost: list[str] = []
    made.on_lost = lost.append
    asked = outcome(made.ask([(b"PING",)]))
    made.dataReceived(garbage)
    assert wire.aborted
    assert isinstance(asked[0], Failure)
    assert asked[0].check(Lost)
    assert lost == ["Redis sent an invalid reply"]


def test_an_answer_that_nobody_asked_for_ends_it(opened: tuple[Connection, Wire]) -> None:
    made, wire = opened
    made.dataReceived(b"+PONG\r\n+PONG\r\n")
    assert wire.aborted
    assert made.reason == "Redis sent an invalid reply"


def test_an_answer_without_end_ends_it(opened: tuple[Connection, Wire], monkeypatch: pytest.MonkeyPatch) -> None:
    made, wire = opened
    monkeypatch.setattr(connection, "MAX_UNREAD", 1000)
    made.ask([(b"PING",)]).addErrback(lambda _: None)
    made.dataReceived(b"$9999999\r\n" + b"x" * 900)
    assert not wire.aborted
    made.dataReceived(b"x" * 200)
    assert wire.aborted


def test_a_lost_connection_fails_what_was_asked_and_what_is_asked_then(opened: tuple[Connection, Wire]) -> None:
    made, _ = opened
    lost: list[str] = []
    made.on_lost = lost.append
    asked = outcome(made.ask([(b"PING",)]))
    made.connectionLost()
    made.connectionLost()
    later = outcome(made.ask([(b"PING",)]))
    assert [str(each[0].value) for each in (asked, later)] == 2 * ["Redis closed the connection"]
    assert lost == ["Redis closed the connection"]


def test_whoever_waits_no_more_leaves_the_order_as_it_is(opened: tuple[Connection, Wire]) -> None:
    made, _ = opened
    impatient = made.ask([(b"PING",)])
    impatient.addErrback(lambda _: None).cancel()
    second = outcome(made.ask([(b"ECHO", b"x")]))
    made.dataReceived(b"+PONG\r\n$1\r\nx\r\n")
    assert second == [[b"x"]]


@pytest.mark.parametrize(
    "data",
    [
        b"%1\r\n*1\r\n+a\r\n+b\r\n",  # a map whose key is a list
        b"*1000000000\r\n",
        b">99999999\r\n",
        b"%1000000000\r\n",
        b"~4294967295\r\n",
        b"*1\r\n*1000000000\r\n",
        b",1e999999\r\n,x\r\n",
        b":" + b"9" * 400 + b"\r\n",
    ],
)
@pytest.mark.parametrize("size", [1, 5, 1000])
def test_nonsense_ends_the_connection_and_raises_nothing(
    opened: tuple[Connection, Wire], data: bytes, size: int
) -> None:
    made, wire = opened
    asked = outcome(made.ask([(b"PING",)]))
    for at in range(0, len(data), size):
        made.dataReceived(data[at : at + size])
    if asked == []:
        made.dataReceived(b"\r\n!nonsense\r\n")
    assert wire.aborted or not isinstance(asked[0], Failure)
