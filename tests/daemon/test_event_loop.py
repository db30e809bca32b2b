"""The event loop without a logging context: the same events, the same errors, on a reactor of its own."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from twisted.internet.error import ConnectionDone, ConnectionLost
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
