"""The simulated service over real sockets: starting it, asking it, reading what it streams."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from support.deferreds import in_thread
from support.stack import Answer

from antigravity_proxy.simulator.load import Load
from antigravity_proxy.simulator.server import Simulator

STREAM = "/v1internal:streamGenerateContent?alt=sse"
BODY: dict[str, Any] = {
    "model": "gemini-3-flash",
    "request": {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]},
}


@asynccontextmanager
async def running(load: Load | None = None) -> AsyncIterator[Simulator]:
    """A simulator on a free port."""
    from twisted.internet import reactor

    simulator = Simulator(reactor, load)
    simulator.start()
    try:
        yield simulator
    finally:
        await simulator.stop()


async def ask(
    simulator: Simulator, path: str, body: Any = None, token: str = "ya29.a", method: str = "POST", **headers: str
) -> Answer:
    """One request on a connection of its own."""
    sent = {"Authorization": f"Bearer {token}"} if token else {}
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()

    def go() -> Answer:
        connection = http.client.HTTPConnection(simulator.url.removeprefix("http://"), timeout=10)
        try:
            connection.request(method, path, data, sent | headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    answer: Answer = await in_thread(go)
    return answer


def payloads(answer: Answer) -> list[Any]:
    """The events of a stream."""
    *events, rest = answer.body.split(b"\r\n\r\n")
    assert rest == b""
    return [json.loads(event.removeprefix(b"data: ")) for event in events]


def text(answer: Answer) -> str:
    parts = [e["response"]["candidates"][0]["content"]["parts"][0]["text"] for e in payloads(answer)]
    return "".join(parts)


class Raw:
    """A connection that is read and closed by hand."""

    def __init__(self, simulator: Simulator) -> None:
        host, _, port = simulator.url.removeprefix("http://").partition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=10)
        body = json.dumps(BODY).encode()
        head = (
            f"POST {STREAM} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ya29.a\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.socket.sendall(head.encode() + body)

    def read(self, words: bytes = b"") -> bytes:
        """All that comes, up to these words, the end, or a hard close."""
        found = bytearray()
        try:
            while data := self.socket.recv(1_000_000):
                found += data
                if words and words in found[-len(data) - len(words) :]:
                    return bytes(found)
        except ConnectionResetError:
            return bytes(found) + b"<RESET>"
        return bytes(found) + b"<EOF>"
