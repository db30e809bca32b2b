"""Pages of Twisted's own kind, rendered by way of our requests. Real Twisted, no sockets."""

from __future__ import annotations

from typing import Any

import pytest
from support.edge import Edge, request
from twisted.internet.interfaces import IPushProducer
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from antigravity_proxy.web.twisted_request import TwistedRequest


@implementer(IPushProducer)
class Producer:
    """Is asked to pause and to go on."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def pauseProducing(self) -> None:
        self.told.append("pause")

    def resumeProducing(self) -> None:
        self.told.append("resume")

    def stopProducing(self) -> None:
        self.told.append("stop")


class Page(Resource):
    """Renders as ``how`` says."""

    isLeaf = True

    def __init__(self, how: Any) -> None:
        super().__init__()
        self.how = how

    def render(self, asked: Any) -> Any:
        return self.how(asked)


def rendered(how: Any) -> tuple[bytes, Any, list[Any]]:
    """What the client gets from such a page, its connection, and the request that the page saw."""
    edge, seen = Edge(), []

    def render(ours: Any) -> Any:
        ours.setHeader(b"x-before", b"set by the gate")
        page = TwistedRequest(ours)
        seen.append(page)
        page.render(Page(how))
        return NOT_DONE_YET

    edge.resource.render = render  # type: ignore[method-assign]
    channel, transport = edge.connect()
    channel.dataReceived(request())
    return transport.value(), transport, seen


def test_a_page_is_answered_with_its_status_and_headers() -> None:
    def page(asked: Any) -> bytes:
        asked.setResponseCode(203)
        asked.setHeader(b"x-own", b"yes")
        asked.responseHeaders.addRawHeader(b"x-two", b"a")
        body: bytes = asked.take_body()
        assert (asked.isSecure(), asked.getHost().type) == (False, "TCP")
        return b"got " + body

    answer, _, [seen] = rendered(page)
    assert answer.startswith(b"HTTP/1.1 203 ")
    for header in (b"x-own: yes", b"x-before: set by the gate"):
        assert b"\r\n%b\r\n" % header in answer.lower()
    assert answer.endswith(b"got hello")
    assert seen.admitted is not None


@pytest.mark.parametrize("fault", [ValueError, OSError])
def test_a_fault_in_a_page_is_an_error_and_no_traceback(fault: type[Exception], no_leaks: list[Any]) -> None:
    def page(asked: Any) -> bytes:
        raise fault("inner words")

    answer, _, _ = rendered(page)
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"inner words" not in answer
    no_leaks.clear()


def test_a_page_may_stream_by_a_producer_and_in_pieces() -> None:
    producer = Producer()

    def page(asked: Any) -> Any:
        asked.registerProducer(producer, True)
        asked.channel.writeSequence([b"a", b"b"]) if asked.startedWriting else asked.write(b"first ")
        asked.channel.writeSequence([b"a", b"b"])
        asked.unregisterProducer()
        asked.finish()
        return NOT_DONE_YET

    answer, _, _ = rendered(page)
    assert b"first " in answer
    assert b"ab" in answer


def test_a_page_may_end_its_connection() -> None:
    def page(asked: Any) -> Any:
        asked.channel.loseConnection()
        return NOT_DONE_YET

    answer, transport, [seen] = rendered(page)
    assert (answer, transport.disconnecting) == (b"", True)
    seen.finish()
