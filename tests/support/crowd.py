"""Many requests at once, from the test's own reactor: an official client's threads would be the bottleneck."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Struct
from support.stack import KEY, Stack
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool, ResponseDone
from twisted.web.http_headers import Headers

from antigravity_proxy.upstream.oauth import BytesBody

_HEADERS = Headers({"authorization": [f"Bearer {KEY}"], "content-type": ["application/json"]})


class Heard(Struct, frozen=True):
    """An answer, read whole."""

    status: int
    body: bytes

    @property
    def text(self) -> str:
        """What the model said, streamed or not."""
        if not self.body.startswith(b"data:"):
            return str(json.loads(self.body)["choices"][0]["message"]["content"])
        events = [event.removeprefix(b"data: ") for event in self.body.split(b"\n\n") if event.startswith(b"data: {")]
        parts = (choice["delta"] for event in events for choice in json.loads(event)["choices"])
        return "".join(part.get("content") or "" for part in parts)

    @property
    def is_whole(self) -> bool:
        """Whether it ended by itself."""
        return b'"finish_reason":"stop"' in self.body and (
            not self.body.startswith(b"data:") or self.body.endswith(b"data: [DONE]\n\n")
        )


class Whole(Protocol):
    """A body; ``done`` fails where it broke off."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.done: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self._pieces.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if reason.check(ResponseDone):
            self.done.callback(b"".join(self._pieces))
        else:
            self.done.errback(reason)


class Crowd:
    """Asks a daemon from as many connections as there are requests under way."""

    def __init__(self, running: Stack) -> None:
        from twisted.internet import reactor

        self._url = f"{running.url}/v1/chat/completions".encode()
        self._pool: Any = HTTPConnectionPool(reactor)
        self._pool.maxPersistentPerHost = 1000
        self._agent: Any = Agent(reactor, pool=self._pool)

    def chat(self, text: str, *, stream: bool = False) -> Deferred[Heard]:
        """One chat request."""
        return Deferred.fromCoroutine(self._chat(text, stream))

    async def _chat(self, text: str, stream: bool) -> Heard:
        asked = {"model": "gemini-3-flash", "stream": stream, "messages": [{"role": "user", "content": text}]}
        body: Any = BytesBody(json.dumps(asked).encode())
        response = await self._agent.request(b"POST", self._url, _HEADERS, body)
        whole = Whole()
        response.deliverBody(whole)
        return Heard(response.code, await whole.done)

    def close(self) -> Deferred[Any]:
        """Closes what is left."""
        closed: Deferred[Any] = self._pool.closeCachedConnections()
        return closed


@asynccontextmanager
async def crowd(running: Stack) -> AsyncIterator[Crowd]:
    """A crowd before a daemon."""
    found = Crowd(running)
    try:
        yield found
    finally:
        await found.close()
