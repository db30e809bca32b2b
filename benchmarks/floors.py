"""What Twisted itself costs: two proxies that translate and do nothing else, for the daemon to be measured against.

    python benchmarks/floors.py raw|lean --port 8100 --upstream http://127.0.0.1:9100

``raw`` is a `Site` before an `Agent`, as one writes it first; ``lean`` has bare transports on both sides and reads just
enough of HTTP/1.1 for this benchmark. Both take OpenAI chat requests, ask Code Assist's form, and answer in OpenAI's.
No key, no account, no limit, no log: a floor, not a proxy.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import deque
from typing import Any
from urllib.parse import urlsplit

from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred
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
_LENGTH = re.compile(rb"content-length: *(\d+)", re.I)
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


def _text(payload: bytes) -> str:
    found = json.loads(payload)
    response = found.get("response", found)
    parts = [part for each in response.get("candidates", ()) for part in each.get("content", {}).get("parts", ())]
    return "".join(part.get("text", "") for part in parts)


def chunk(payload: bytes) -> bytes:
    """An upstream event as an event of OpenAI's."""
    delta = {"choices": [{"index": 0, "delta": {"content": _text(payload)}}], "object": "chat.completion.chunk"}
    return b"data: " + json.dumps(delta).encode() + b"\n\n"


def document(payload: bytes) -> bytes:
    """An upstream answer as OpenAI's."""
    message = {"role": "assistant", "content": _text(payload)}
    return json.dumps({"object": "chat.completion", "choices": [{"index": 0, "message": message}]}).encode()


class Events:
    """Upstream's event stream to OpenAI's."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> bytes:
        """The events that are complete with this."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        return b"".join([chunk(line[6:]) for line in lines if line.startswith(b"data: ")])


# raw: twisted.web on both sides


@implementer(IBodyProducer)
class _Body:
    def __init__(self, body: bytes) -> None:
        self._body, self.length = body, len(body)

    def startProducing(self, consumer: Any) -> Deferred[None]:
        consumer.write(self._body)
        done: Deferred[None] = Deferred()
        done.callback(None)
        return done

    def pauseProducing(self) -> None: ...
    def resumeProducing(self) -> None: ...
    def stopProducing(self) -> None: ...


class _Answer(Protocol):
    def __init__(self, request: Any, stream: bool) -> None:
        self._request, self._stream = request, stream
        self._events, self._whole = Events(), b""

    def dataReceived(self, data: bytes) -> None:
        if not self._stream:
            self._whole += data
        elif out := self._events.feed(data):
            self._request.write(out)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._stream:
            self._request.write(b"data: [DONE]\n\n")
        else:
            out = document(self._whole)
            self._request.setHeader(b"content-length", b"%d" % len(out))
            self._request.write(out)
        self._request.finish()


class Raw(Resource):
    """A Site's resource before an Agent."""

    isLeaf = True

    def __init__(self, upstream: str) -> None:
        super().__init__()
        self._upstream = upstream.encode()
        pool = HTTPConnectionPool(reactor)
        pool.maxPersistentPerHost = 4096
        self._agent = Agent(reactor, pool=pool)

    def render_GET(self, request: Any) -> bytes:
        return b"ok"

    def render_POST(self, request: Any) -> int:
        stream, body = translated(request.content.read())
        headers = Headers({b"Content-Type": [b"application/json"], b"Authorization": [_TOKEN]})
        url = self._upstream + (_STREAM if stream else _WHOLE)
        request.setHeader(b"content-type", b"text/event-stream" if stream else b"application/json")
        asked = self._agent.request(b"POST", url, headers, _Body(body))
        asked.addCallback(lambda response: response.deliverBody(_Answer(request, stream)))
        return NOT_DONE_YET


# lean: bare transports on both sides


class _Upstream(Protocol):
    """A kept connection to upstream; takes answers in chunks or of a known length."""

    front: Any = None

    def ask(self, front: _Front, request: bytes, stream: bool) -> None:
        self.front, self._stream = front, stream
        self._buffer, self._left, self._events = b"", None, Events()
        transport: Any = self.transport
        transport.write(request)

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        if self._left is None:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            length = _LENGTH.search(head)
            self._left = int(length[1]) if length else -1
            self._buffer = rest
        if self._left >= 0:
            if len(self._buffer) >= self._left:
                self._done(document(self._buffer) if not self._stream else self._events.feed(self._buffer))
            return
        out = []
        while True:
            size, end, rest = self._buffer.partition(b"\r\n")
            if not end or len(rest) < int(size, 16) + 2:
                break
            count = int(size, 16)
            self._buffer = rest[count + 2 :]
            if not count:
                whole = b"".join(out)
                self._done(document(whole) if not self._stream else self._events.feed(whole))
                return
            out.append(rest[:count])
        if out and self._stream:
            self.front.event(self._events.feed(b"".join(out)))
        elif out:
            self._buffer = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in out) + self._buffer

    def _done(self, last: bytes) -> None:
        front, self.front = self.front, None
        front.lean.idle.append(self)
        front.end(last)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self in getattr(self.factory, "idle", ()):
            self.factory.idle.remove(self)  # type: ignore[union-attr]


class _Front(Protocol):
    """A client's connection."""

    lean: Lean

    def connectionMade(self) -> None:
        self._buffer = b""

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        length = _LENGTH.search(head)
        transport: Any = self.transport
        if length is None:
            self._buffer = b""
            transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            return
        if len(body) < int(length[1]):
            return
        self._buffer = b""
        self._stream, asked = translated(body)
        self._begun = False
        self.lean.ask(self, asked, self._stream)

    def event(self, data: bytes) -> None:
        if data:
            head = b"" if self._begun else _STREAM_HEAD
            self._begun = True
            transport: Any = self.transport
            transport.write(head + b"%x\r\n%b\r\n" % (len(data), data))

    def end(self, last: bytes) -> None:
        transport: Any = self.transport
        if self._stream:
            self.event(last + b"data: [DONE]\n\n")
            transport.write(b"0\r\n\r\n")
        else:
            transport.write(_WHOLE_HEAD % len(last) + last)


_STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_WHOLE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


class Lean(Factory):
    """Bare transports before bare transports."""

    noisy = False

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self.idle: deque[_Upstream] = deque()

    def buildProtocol(self, addr: Any) -> _Front:
        front = _Front()
        front.lean = self
        return front

    def ask(self, front: _Front, body: bytes, stream: bool) -> None:
        """Asks upstream over an idle connection, or a new one."""
        head = b"POST %b HTTP/1.1\r\nHost: %b:%d\r\nContent-Type: application/json\r\nAuthorization: %b\r\n"
        head %= (_STREAM if stream else _WHOLE, self._host.encode(), self._port, _TOKEN)
        request = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
        if self.idle:
            self.idle.pop().ask(front, request, stream)
            return
        made = _Connecting(self, front, request, stream)
        reactor.connectTCP(self._host, self._port, made)


class _Connecting(Factory):
    noisy = False

    def __init__(self, lean: Lean, front: _Front, request: bytes, stream: bool) -> None:
        self.idle = lean.idle
        self._asks = (front, request, stream)

    def buildProtocol(self, addr: Any) -> _Upstream:
        connection = _Upstream()
        connection.factory = self
        reactor.callLater(0, connection.ask, *self._asks)
        return connection

    def startedConnecting(self, connector: Any) -> None: ...
    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None: ...
    def clientConnectionLost(self, connector: Any, reason: Failure) -> None: ...


def main() -> None:
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("kind", choices=("raw", "lean"))
    a.add_argument("--port", type=int, required=True)
    a.add_argument("--upstream", required=True)
    o = a.parse_args()
    factory: Any
    if o.kind == "lean":
        factory = Lean(o.upstream)
    else:
        factory = Site(Raw(o.upstream), parsePOSTFormSubmission=False)
        factory.log = lambda request: None
    reactor.listenTCP(o.port, factory, backlog=4096, interface="127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main()
