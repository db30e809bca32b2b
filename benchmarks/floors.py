"""What Twisted itself costs: two proxies that translate and do nothing else, for the daemon to be measured against.

    python benchmarks/floors.py raw|lean --port 8100 --upstream 9100

``raw`` is a `Site` before an `Agent`, as one writes it first and with nothing tuned; ``lean`` has bare transports on
both sides and reads just enough of HTTP/1.1 for this benchmark. Both take OpenAI chat requests, ask Code Assist's form
of 127.0.0.1, and answer in OpenAI's. No key, no account, no limit, no log: a floor, not a proxy.
"""

from __future__ import annotations

import argparse
import json
from collections import deque
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site
from zope.interface import implementer

reactor: Any = installed
_STREAM, _WHOLE = b"/v1internal:streamGenerateContent?alt=sse", b"/v1internal:generateContent"
#: one that the simulated upstream takes
_TOKEN = b"Bearer ya29.sim-0"


def translated(body: bytes) -> tuple[bool, bytes]:
    """An OpenAI chat request: whether it streams, and what Code Assist is asked."""
    asked = json.loads(body)
    contents = [
        {"role": "model" if message["role"] == "assistant" else "user", "parts": [{"text": message["content"]}]}
        for message in asked["messages"]
    ]
    envelope = {
        "project": "p",
        "model": asked["model"],
        "requestId": "agent-1",
        "userAgent": "floor",
        "requestType": "agent",
        "request": {"contents": contents},
    }
    return bool(asked.get("stream")), json.dumps(envelope).encode()


def _candidate(payload: bytes) -> tuple[str, bool]:
    """Text of an upstream event or answer, and whether it is the last."""
    found = json.loads(payload)
    candidate = found.get("response", found)["candidates"][0]
    text = "".join(part.get("text", "") for part in candidate["content"]["parts"])
    return text, bool(candidate.get("finishReason"))


class Events:
    """Upstream's event stream to OpenAI's."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> bytes:
        """The events that are complete with this."""
        buffer, out = self._buffer + data, []
        while True:
            end, width = buffer.find(b"\n\r\n"), 3
            if end < 0:
                end, width = buffer.find(b"\n\n"), 2
            if end < 0:
                break
            event, buffer = buffer[:end], buffer[end + width :]
            if event.startswith(b"data: "):
                out.append(self._chunk(event[6:]))
        self._buffer = buffer
        return b"".join(out)

    @staticmethod
    def _chunk(payload: bytes) -> bytes:
        text, ends = _candidate(payload)
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": "stop" if ends else None}
        chunk = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "sim",
            "choices": [choice],
        }
        return b"data: " + json.dumps(chunk, separators=(",", ":"), ensure_ascii=False).encode() + b"\n\n"


def document(payload: bytes) -> bytes:
    """An upstream answer as OpenAI's."""
    text, _ = _candidate(payload)
    answer = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "sim",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }
    return json.dumps(answer).encode()


# raw: twisted.web on both sides


@implementer(IBodyProducer)
class _Body:
    def __init__(self, body: bytes) -> None:
        self._body, self.length = body, len(body)

    def startProducing(self, consumer: Any) -> Deferred[None]:
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None: ...
    def resumeProducing(self) -> None: ...
    def stopProducing(self) -> None: ...


class _Pump(Protocol):
    """A streamed answer."""

    def __init__(self, request: Any) -> None:
        self._request, self._events = request, Events()

    def connectionMade(self) -> None:
        self._request.registerProducer(self.transport, True)

    def dataReceived(self, data: bytes) -> None:
        self._request.write(self._events.feed(data))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._request.unregisterProducer()
        if not self._request._disconnected:
            self._request.finish()


class _Collect(Protocol):
    """A whole answer."""

    def __init__(self, request: Any) -> None:
        self._request, self._pieces = request, list[bytes]()

    def dataReceived(self, data: bytes) -> None:
        self._pieces.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self._request._disconnected:
            out = document(b"".join(self._pieces))
            self._request.setHeader(b"content-length", b"%d" % len(out))
            self._request.write(out)
            self._request.finish()


class Raw(Resource):
    """A Site's resource before an Agent."""

    isLeaf = True

    def __init__(self, upstream: int) -> None:
        super().__init__()
        self._upstream = b"http://127.0.0.1:%d" % upstream
        pool = HTTPConnectionPool(reactor)
        pool.maxPersistentPerHost = 5000
        pool.retryAutomatically = False
        self._agent = Agent(reactor, pool=pool)

    def render_GET(self, request: Any) -> bytes:
        return b"ok"

    def render_POST(self, request: Any) -> int:
        stream, body = translated(request.content.read())
        headers = Headers({b"Content-Type": [b"application/json"], b"Authorization": [_TOKEN]})
        url = self._upstream + (_STREAM if stream else _WHOLE)
        asked = self._agent.request(b"POST", url, headers, _Body(body))
        asked.addCallback(self._answered, request, stream)
        return NOT_DONE_YET

    @staticmethod
    def _answered(response: Any, request: Any, stream: bool) -> None:
        request.setResponseCode(response.code)
        request.setHeader(b"content-type", b"text/event-stream" if stream else b"application/json")
        response.deliverBody(_Pump(request) if stream else _Collect(request))


# lean: bare transports on both sides


class _Upstream(Protocol):
    """A kept connection to upstream; takes answers in chunks or of a known length."""

    def __init__(self, lean: Lean, front: _Front, request: bytes) -> None:
        self._lean, self._front, self._request = lean, front, request
        self._buffer, self._left = b"", -2  # bytes of the body that are to come; -1: it is in chunks, -2: no head yet

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.setTcpNoDelay(True)
        transport.write(self._request)

    def ask(self, front: _Front, request: bytes) -> None:
        self._front, self._buffer, self._left = front, b"", -2
        transport: Any = self.transport
        transport.write(request)

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        if self._left == -2 and not self._head():
            return
        if self._left >= 0:
            if len(self._buffer) >= self._left:
                out = document(self._buffer)
                self._front.out(_DOCUMENT_HEAD % (len(out), out))
                self._lean.idle.append(self)
            return
        pieces, ended = self._chunks()
        out = self._front.events.feed(b"".join(pieces)) if pieces else b""
        if out:
            self._front.out(b"%x\r\n%s\r\n" % (len(out), out))
        if ended:
            self._front.out(b"0\r\n\r\n")
            self._lean.idle.append(self)

    def _head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = self._buffer[:end].lower()
        self._buffer = self._buffer[end + 4 :]
        at = head.find(b"content-length:")
        self._left = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else -1
        if self._left < 0:
            self._front.out(_STREAM_HEAD)
        return True

    def _chunks(self) -> tuple[list[bytes], bool]:
        """The chunks that are whole, and whether the last one is among them."""
        pieces: list[bytes] = []
        while True:
            end = self._buffer.find(b"\r\n")
            if end < 0:
                return pieces, False
            size = int(self._buffer[:end], 16)
            if len(self._buffer) < end + size + 4:
                return pieces, False
            if not size:
                return pieces, True
            pieces.append(self._buffer[end + 2 : end + 2 + size])
            self._buffer = self._buffer[end + 4 + size :]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self in self._lean.idle:
            self._lean.idle.remove(self)


class _Front(Protocol):
    """A client's connection."""

    def __init__(self, lean: Lean) -> None:
        self._lean, self._buffer, self._need = lean, b"", -1

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.setTcpNoDelay(True)
        self.out = transport.write

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        if self._need < 0:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._buffer[:end].lower()
            at = head.find(b"content-length:")
            if at < 0:
                self._buffer = b""
                self.out(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                return
            self._at, self._need = end + 4, end + 4 + int(head[at + 15 :].split(b"\r\n", 1)[0])
        if len(self._buffer) >= self._need:
            body, self._buffer, self._need = self._buffer[self._at :], b"", -1
            stream, asked = translated(body)
            self.events = Events()
            self._lean.ask(self, _REQUEST % (_STREAM if stream else _WHOLE, _TOKEN, len(asked), asked))


_REQUEST = (
    b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAuthorization: %b\r\n"
    b"Content-Length: %d\r\n\r\n%b"
)
_STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_DOCUMENT_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"


class Lean(Factory):
    """Bare transports before bare transports."""

    noisy = False

    def __init__(self, upstream: int) -> None:
        self._port = upstream
        self.idle: deque[_Upstream] = deque()

    def buildProtocol(self, addr: Any) -> _Front:
        return _Front(self)

    def ask(self, front: _Front, request: bytes) -> None:
        """Asks upstream over an idle connection, or a new one."""
        if self.idle:
            self.idle.pop().ask(front, request)
        else:
            reactor.connectTCP("127.0.0.1", self._port, _Connecting(self, front, request))


class _Connecting(Factory):
    noisy = False

    def __init__(self, *asks: Any) -> None:
        self._asks = asks

    def buildProtocol(self, addr: Any) -> _Upstream:
        return _Upstream(*self._asks)

    def startedConnecting(self, connector: Any) -> None: ...
    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None: ...
    def clientConnectionLost(self, connector: Any, reason: Failure) -> None: ...


def main() -> None:
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("kind", choices=("raw", "lean"))
    a.add_argument("--port", type=int, required=True)
    a.add_argument("--upstream", type=int, required=True, help="port of 127.0.0.1")
    o = a.parse_args()
    factory: Any
    if o.kind == "lean":
        factory = Lean(o.upstream)
    else:
        factory = Site(Raw(o.upstream))
        factory.log = lambda request: None
    reactor.listenTCP(o.port, factory, backlog=4096, interface="127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main()
