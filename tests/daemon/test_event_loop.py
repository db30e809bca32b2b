"""The event loop without a logging context: the same events, the same errors, on a reactor of its own."""

from __future__ import annotations

import socket
import struct
import time
from typing import Any

import pytest
from twisted.internet import tcp
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from antigravity_proxy.daemon.event_loop import poll_plainly

epoll = pytest.importorskip("twisted.internet.epollreactor", reason="epoll is Linux's")


class Reads:
    """A socket that is read, and whatever else a test has it do."""

    def __init__(self, sock: socket.socket, raises: bool = False) -> None:
        self._socket = sock
        self._raises = raises
        self.seen = b""
        self.lost: list[Failure] = []

    def fileno(self) -> int:
        return self._socket.fileno()

    def logPrefix(self) -> str:
        raise AssertionError("nobody asks for a log's context")

    def doRead(self) -> Any:
        if self._raises:
            raise ZeroDivisionError
        data = self._socket.recv(100)
        self.seen += data
        return None if data else ConnectionDone()

    def readConnectionLost(self, reason: Failure) -> None:
        self.connectionLost(reason)

    def connectionLost(self, reason: Failure) -> None:
        self.lost.append(reason)


def test_what_this_relies_on_is_there() -> None:
    """A release of Twisted that changes it falls back to its own loop; this says so."""
    assert poll_plainly(epoll.EPollReactor())
    assert not poll_plainly(object())


def test_events_reach_their_descriptors(no_leaks: list[Any]) -> None:
    reactor = epoll.EPollReactor()
    assert poll_plainly(reactor)
    (near, far), (bad_near, bad_far) = socket.socketpair(), socket.socketpair()
    with near, far, bad_near, bad_far:
        reads, raises = Reads(near), Reads(bad_near, raises=True)
        reactor.addReader(reads)
        reactor.addReader(raises)
        far.send(b"hello")
        bad_far.send(b"x")
        reactor.doIteration(1)
        assert reads.seen == b"hello"
        assert raises.lost[0].check(ZeroDivisionError, ConnectionLost)
        assert len(no_leaks) == 1  # it is logged
        no_leaks.clear()
        reactor.doIteration(0)
        far.close()
        reactor.doIteration(1)
        assert reads.lost[0].check(ConnectionDone)
        reactor.removeAll()


class Echo(Protocol):
    """Answers, raises or stops, as the bytes say."""

    lost: Failure | None = None

    def dataReceived(self, data: bytes) -> None:
        made: Any = self.transport
        if data == b"raise":
            raise ZeroDivisionError
        if data == b"stop":
            made.reactor.stop()
        if data == b"later":
            made.reactor.callLater(0, made.write, b"later")
        elif data == b"thread":
            made.reactor.callFromThread(made.write, b"thread")
        elif data == b"sooner":
            made.reactor.later.reset(0)
        else:
            made.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = reason


def connected(reactor: Any) -> tuple[Echo, socket.socket]:
    """A plain TCP connection, as a listener makes it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        far = socket.create_connection(listening.getsockname())
        near, address = listening.accept()
    echo = Echo()
    port: Any = type("Port", (), {"_realPortNumber": 1})
    echo.makeConnection(tcp.Server(near, echo, address, port, 1, reactor))
    far.settimeout(10)
    return echo, far


def said(reactor: Any, far: socket.socket, *what: bytes) -> list[bytes]:
    """What each of these is answered with; the reactor runs until all of it was said."""
    heard: list[bytes] = []

    def say() -> None:
        for each in what:
            far.send(each)
            heard.append(far.recv(100))
        reactor.callFromThread(reactor.stop)

    reactor.callWhenRunning(reactor.callInThread, say)
    reactor.callLater(20, reactor.stop)  # a call that waits, as there always is one
    reactor.run(installSignalHandlers=False)
    return heard


def test_sockets_are_read_and_everything_else_has_its_turn() -> None:
    reactor = epoll.EPollReactor()
    assert poll_plainly(reactor)
    echo, far = connected(reactor)
    made: Any = echo.transport
    with far:
        reactor.later = reactor.callLater(30, made.write, b"sooner")
        began = time.monotonic()
        what = [b"hello", b"later", b"thread", b"sooner", b"again"]
        assert said(reactor, far, *what) == what
        assert time.monotonic() - began < 10
        reactor.removeAll()


def test_a_stop_within_an_event_ends_the_loop() -> None:
    reactor = epoll.EPollReactor()
    assert poll_plainly(reactor)
    _, far = connected(reactor)
    with far:
        reactor.callLater(20, reactor.crash)
        far.send(b"stop")
        began = time.monotonic()
        reactor.run(installSignalHandlers=False)
        assert time.monotonic() - began < 10
        reactor.removeAll()


def test_a_socket_that_ends_breaks_or_is_misread_loses_its_connection(no_leaks: list[Any]) -> None:
    reactor = epoll.EPollReactor()
    assert poll_plainly(reactor)
    (ends, far), (breaks, broken), (raises, bad) = (connected(reactor) for _ in range(3))
    far.close()
    broken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    broken.close()
    with bad:
        bad.send(b"raise")
        for _ in range(3):
            reactor.doIteration(0.05)
        assert ends.lost is not None
        assert ends.lost.check(ConnectionDone)
        assert breaks.lost is not None
        assert breaks.lost.check(ConnectionLost)
        assert raises.lost is not None
        assert raises.lost.check(ZeroDivisionError)
        assert len(no_leaks) == 1  # it is logged
        no_leaks.clear()
    reactor.removeAll()
