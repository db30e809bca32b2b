"""The short way through Twisted's TLS, step by step; over real connections: tests/upstream/test_tls."""

from __future__ import annotations

from typing import Any

import pytest
from OpenSSL.SSL import Error, WantReadError
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from antigravity_proxy.http1 import tls


class Handle:
    """OpenSSL's connection: ``holds`` what its reads bring, one after the other."""

    def __init__(self) -> None:
        self.holds: list[Any] = []
        self.written: list[bytes] = []

    def bio_write(self, data: bytes) -> None:
        self.written.append(data)

    def recv(self, size: int) -> bytes:
        found = self.holds.pop(0) if self.holds else WantReadError()
        if isinstance(found, Exception):
            raise found
        assert len(found) <= size
        content: bytes = found
        return content


class Below:
    """The TCP transport."""

    protocol: Any = None

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.name = "below"

    def write(self, data: bytes) -> None:
        raise AssertionError("the long way")


class Content:
    """Takes the content, and may do something at the first piece."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.at_first: Any = None

    def dataReceived(self, data: bytes) -> None:
        self.seen.append(data)
        if self.at_first is not None:
            self.at_first()


class Shortened(TLSMemoryBIOProtocol):
    """Twisted's protocol, of which only what is called from outside is replaced."""

    def __init__(self) -> None:
        self.handle, self.content, self.below, self.steps = Handle(), Content(), Below(), list[Any]()
        factory: Any = object.__new__(TLSMemoryBIOFactory)
        content: Any = self.content
        super().__init__(factory, content)
        self.handshake(done=True)
        self.below.protocol = self
        tls.shorten(self, self.below, lambda below, data: below.sent.append(data))
        self.reader: Any = self.below.protocol

    def handshake(self, *, done: bool) -> None:
        self.__dict__["_handshakeDone"] = done

    def getHandle(self) -> Any:
        return self.handle

    def dataReceived(self, data: bytes) -> None:
        self.steps.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.steps.append("lost")

    def _flushSendBIO(self) -> None:
        self.steps.append("answers")

    def _flushReceiveBIO(self) -> None:
        self.steps.append("fails")


@pytest.fixture
def short() -> Shortened:
    return Shortened()


def test_until_the_handshake_is_done_twisted_reads(short: Shortened) -> None:
    short.handshake(done=False)
    short.reader.dataReceived(b"hello")
    assert (short.steps, short.handle.written) == ([b"hello"], [])


def test_content_needs_no_answer_and_a_message_of_tls_may(short: Shortened) -> None:
    short.handle.holds = [b"one", b"two"]
    short.reader.dataReceived(b"records")
    assert (short.content.seen, short.steps) == ([b"one", b"two"], [])
    short.reader.dataReceived(b"a ticket")
    assert (short.content.seen, short.steps) == ([b"one", b"two"], ["answers"])


def test_what_breaks_is_twisteds_to_tell(short: Shortened) -> None:
    short.handle.holds = [b"one", Error()]
    short.reader.dataReceived(b"records")
    short.reader.connectionLost()
    assert (short.content.seen, short.steps) == ([b"one"], ["fails", "lost"])


@pytest.mark.parametrize("name", ["_aborted", "_lostTLSConnection"])
def test_nothing_is_read_on_when_the_connection_is_given_up(short: Shortened, name: str) -> None:
    short.content.at_first = lambda: short.__dict__.update({name: True})
    short.handle.holds = [b"one", b"two"]
    short.reader.dataReceived(b"records")
    assert (short.content.seen, short.steps) == ([b"one"], [])


def test_what_is_written_leaves_at_once_and_the_rest_is_the_transports(short: Shortened) -> None:
    made: Any = short.transport
    made.write(b"x")
    assert (short.below.sent, made.name) == ([b"x"], "below")
    assert verifyObject(IProtocol, short.reader)
    short.reader.makeConnection(None)
    short.reader.connectionMade()
    assert short.steps == []


def test_another_kind_keeps_its_way() -> None:
    below: Any = Below()
    kept = below.protocol = object()
    tls.shorten(kept, below, None)
    assert below.protocol is kept
