"""A client's connection before connections to upstream, whatever the cuts, whoever pauses or breaks, in any order.

Nothing is answered twice, nothing is sent to upstream twice, nothing of an answer is lost.
"""

from __future__ import annotations

import random
import re
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.edge import Edge, request, turn
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionLost
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.client import URI
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from antigravity_proxy.coroutines import Running
from antigravity_proxy.http1.bodies import ChunkedBody, LengthBody
from antigravity_proxy.ticker import Ticker
from antigravity_proxy.upstream.connection import Connection, Origin
from antigravity_proxy.upstream.connections import Connections
from antigravity_proxy.upstream.exchange import Exchange, head_for
from antigravity_proxy.web.edge import GuardedRequest

REQUESTS = 4
#: steps after which everything must have come to its end
ENOUGH = 5000


def pieces(rng: random.Random, data: bytes) -> list[bytes]:
    """The data, cut anywhere."""
    cuts = sorted({0, len(data), *(rng.randrange(len(data)) for _ in range(rng.randrange(12)))})
    return [data[a:b] for a, b in pairwise(cuts)]


def answer_to(body: bytes) -> bytes:
    """What upstream says to a request, with a mark of its own at both ends."""
    return b"<" + body + b"." * (int(body[-1:]) * 37) + b">"


class Far:
    """One connection to upstream, and what upstream is about to say on it. ``heard``: the bodies that it was sent."""

    def __init__(self, rng: random.Random, connection: Connection) -> None:
        self._rng = rng
        self.connection = connection
        self.transport = Transport()
        self.heard: list[bytes] = []
        self.coming: list[bytes] = []
        connection.makeConnection(self.transport)

    def listen(self) -> None:
        """Takes what was sent, and thinks of an answer."""
        sent, length = self.transport.value(), LengthBody(0)
        while sent:
            head, _, rest = sent.partition(b"\r\n\r\n")
            found = re.search(rb"Content-Length: (\d+)", head)
            assert found is not None
            length = LengthBody(int(found[1]))
            body = length.feed(rest)
            assert length.done
            self.heard.append(body)
            self.coming += pieces(self._rng, self._framed(answer_to(body)))
            sent = length.surplus
        self.transport.clear()

    def _framed(self, body: bytes) -> bytes:
        early = b"HTTP/1.1 103 Early Hints\r\n\r\n" * self._rng.randrange(2)
        if self._rng.random() < 0.3:
            return early + b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in pieces(self._rng, body))
        return early + b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


class Transport(StringTransport):
    """Also abortable."""

    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True


class Passing(Resource):
    """Passes each request's body on to upstream, and the answer back, piece by piece."""

    isLeaf = True

    def __init__(self, exchange: Any) -> None:
        super().__init__()
        self._exchange = exchange

    def render(self, request: Any) -> int:
        exchange = self._exchange()
        running = Running(self._serve(request, exchange), lambda failure: self._ended(request, failure))
        request.on_lost = lambda reason: running.cancel()
        running.start()
        return NOT_DONE_YET

    async def _serve(self, request: GuardedRequest[Any], exchange: Exchange) -> None:
        await exchange.open(b"http://h/x", head_for(b"POST", b"http://h/x"), request.take_body())
        if (ending := exchange.pipe(_Writing(request), request)) is not None:
            await ending
        request.finish()

    def _ended(self, request: GuardedRequest[Any], failure: Failure | None) -> None:
        if failure is not None and request.channel.connected:
            request.channel.transport.abortConnection()


class _Writing:
    def __init__(self, request: GuardedRequest[Any]) -> None:
        self._request = request

    def data_received(self, data: bytes) -> None:
        self._request.write(data)


class Story:
    """All of it, one step after the other."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.edge = Edge()
        ticker = Ticker(self.edge.clock)
        self.fars: list[Far] = []
        endpoints: Any = self
        self._connections = Connections(ticker, endpoints)
        self.edge.site.resource = Passing(lambda: Exchange(ticker, self._connections, 60.0))
        self.channel, self.transport = self.edge.connect()
        self.coming = pieces(rng, b"".join(request(b"r%d" % n) for n in range(REQUESTS)))
        self.stalled = False
        write = self.transport.write
        self.transport.write = lambda data: (write(data), rng.random() < 0.1 and self.pause())

    def endpointForURI(self, uri: URI) -> Story:
        return self

    def connect(self, factory: Any) -> Deferred[Any]:
        connection = factory.buildProtocol(None)
        self.fars.append(Far(self.rng, connection))
        return succeed(connection)

    def remember_session(self, origin: Origin, transport: Any) -> None: ...

    def step(self) -> bool:
        """Something that may happen next; False: nothing more can."""
        for far in self.fars:
            far.listen()
        may: list[Any] = [
            lambda far=far: far.connection.dataReceived(far.coming.pop(0))
            for far in self.fars
            if far.coming and far.transport.producerState == "producing" and not far.transport.aborted
        ]
        if self.coming and self.transport.producerState == "producing":
            may.append(lambda: self.channel.dataReceived(self.coming.pop(0)))
        if self.edge.clock.getDelayedCalls():
            may.append(lambda: turn(self.edge.clock))
        busy = bool(may)
        may += [self.pause] * (self.rng.random() < 0.2) if not self.stalled else [self.resume]
        if not busy and not self.stalled and self.all_answered():
            return False
        self.rng.choice(may or [lambda: None])()
        return True

    def pause(self) -> None:
        if not self.stalled:
            self.stalled = True
            self.channel.pauseProducing()

    def resume(self) -> None:
        self.stalled = False
        self.channel.resumeProducing()

    def all_answered(self) -> bool:
        return len(self.answers()) == REQUESTS

    def answers(self) -> list[bytes]:
        """The whole answers that the client has."""
        rest, found = self.transport.value(), []
        while rest:
            head, end, rest = rest.partition(b"\r\n\r\n")
            assert not end or head.startswith(b"HTTP/1.1 200 OK\r\n"), head
            body = ChunkedBody()
            content = body.feed(rest)
            if not end or not body.done:
                break
            found.append(content)
            rest = body.surplus
        return found


def _heard(story: Story) -> list[bytes]:
    return [body for far in story.fars for body in far.heard]


@given(seed=st.integers(0, 1 << 48))
def test_whatever_the_order_each_request_is_asked_once_and_answered_once(seed: int) -> None:
    story = Story(random.Random(seed))
    for _ in range(ENOUGH):
        if not story.step():
            break
    assert story.answers() == [answer_to(b"r%d" % n) for n in range(REQUESTS)]
    assert _heard(story) == [b"r%d" % n for n in range(REQUESTS)]
    assert not story.coming


@given(seed=st.integers(0, 1 << 48), steps=st.integers(1, 60), breaks=st.sampled_from(["client", "upstream"]))
def test_whoever_breaks_off_nothing_is_told_or_asked_twice(seed: int, steps: int, breaks: str) -> None:
    story = Story(random.Random(seed))
    for _ in range(steps):
        story.step()
    if breaks == "client":
        story.channel.connectionLost(Failure(ConnectionLost()))
        assert all(far.transport.aborted or not far.coming for far in story.fars)
    else:
        for far in story.fars:
            far.connection.connectionLost(Failure(ConnectionLost()))
            far.coming.clear()
    for _ in range(200):
        if story.transport.aborted or not story.channel.connected or not story.step():
            break
    expected = [b"r%d" % n for n in range(REQUESTS)]
    answers, heard = story.answers(), _heard(story)
    assert answers == [answer_to(body) for body in expected[: len(answers)]]
    assert heard == expected[: len(heard)]
