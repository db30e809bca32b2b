"""The event loop in fewer steps: the same events, timers and errors as Twisted's, on a reactor of its own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
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


def test_one_that_an_earlier_event_has_ended_is_left_alone() -> None:
    reactor = epoll.EPollReactor()
    assert poll_plainly(reactor)
    pairs = [socket.socketpair() for _ in range(2)]
    ended: list[Reads] = []

    class Ends(Reads):
        def doRead(self) -> Any:
            for other in both:
                if other is not self:
                    reactor.removeReader(other)
                    ended.append(other)
            return super().doRead()

    both = [Ends(near) for near, _ in pairs]
    for reader, (_, far) in zip(both, pairs, strict=True):
        reactor.addReader(reader)
        far.send(b"hello")
    reactor.doIteration(1)
    assert len(ended) == 1
    assert ended[0].seen == b""
    assert sum(reader.seen == b"hello" for reader in both) == 1
    reactor.removeAll()
    for near, far in pairs:
        near.close()
        far.close()


class Script:
    """A reactor that runs, with a socket by which a test has things done in its events."""

    def __init__(self) -> None:
        self.reactor: Any = epoll.EPollReactor()
        assert poll_plainly(self.reactor)
        self.near, self.far = socket.socketpair()
        self.seen: list[str] = []
        self.steps: list[Callable[[], object]] = []
        self.reactor.addReader(self)

    def fileno(self) -> int:
        return self.near.fileno()

    def logPrefix(self) -> str:
        return "script"

    def stop(self) -> None:
        self.reactor.removeReader(self)
        self.reactor.stop()

    def doRead(self) -> None:
        self.near.recv(1)
        self.steps.pop(0)()
        if self.steps:
            self.far.send(b"x")

    def connectionLost(self, reason: Failure) -> None:
        self.seen.append("lost")

    def run(self, *steps: Callable[[], object]) -> list[str]:
        """Does each of the steps in an event of its own, until one of them has the reactor stop."""
        self.steps = list(steps)
        self.far.send(b"x")
        with self.near, self.far:
            self.reactor.run(installSignalHandlers=False)
            self.reactor.removeAll()
        return self.seen

    def say(self, what: str) -> None:
        self.seen.append(what)


def test_timers_that_events_set_or_move_are_due_in_time() -> None:
    script = Script()
    reactor, say = script.reactor, script.say
    late = reactor.callLater(3600, say, "moved")

    def stop() -> None:
        say("stop")
        script.stop()

    def end() -> None:
        reactor.callLater(0.02, stop)

    seen = script.run(
        lambda: reactor.callLater(0, say, "at once"), lambda: say("event"), lambda: late.reset(0.01), lambda: end()
    )
    assert seen == ["at once", "event", "moved", "stop"]


def test_events_without_end_hold_up_no_timer() -> None:
    script = Script()
    script.reactor.callLater(0.05, script.stop)
    began = time.monotonic()
    assert script.run(*[lambda: None] * 1_000_000) == []
    assert 0.04 < time.monotonic() - began < 5


def test_a_thread_and_a_crash_are_heard() -> None:
    script = Script()
    reactor = script.reactor

    def in_thread() -> None:
        worker = threading.Thread(target=lambda: reactor.callFromThread(from_thread))
        worker.start()

    def from_thread() -> None:
        script.say("thread")
        script.steps.append(reactor.crash)
        script.far.send(b"x")

    assert script.run(in_thread) == ["thread"]


def test_a_fault_ends_one_connection_and_not_the_loop(no_leaks: list[Any]) -> None:
    script = Script()
    script.reactor.callLater(0.05, script.stop)
    script.reactor.callLater(0, lambda: 1 / 0)

    def fault() -> None:
        raise ZeroDivisionError

    assert script.run(fault) == ["lost"]
    assert len(no_leaks) == 2
    no_leaks.clear()


def test_what_goes_wrong_in_the_loop_itself_is_logged(no_leaks: list[Any]) -> None:
    script = Script()
    asked: Callable[[], float | None] = script.reactor.timeout

    def timeout() -> float | None:
        script.reactor.timeout = asked
        raise ZeroDivisionError

    script.reactor.timeout = timeout
    script.reactor.callLater(0.02, script.stop)
    assert script.run(lambda: script.say("event")) == ["event"]
    assert len(no_leaks) == 1
    no_leaks.clear()
