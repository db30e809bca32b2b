"""One request that arrived at the simulated service: what it was, and what became of it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers


class Received:
    """A request. ``finished`` fires with it once it is answered or its client has gone."""

    def __init__(self, method: str, path: str, headers: Headers, body: bytes) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.raw = body
        self.events_sent = 0
        self.closed_by_peer = False
        self.finished: Deferred[Received] = Deferred()

    @property
    def rpc(self) -> str:
        """The method after the colon, such as ``generateContent``; the last part of other paths."""
        return self.path.rpartition("/")[2].rpartition(":")[2]

    @cached_property
    def json(self) -> Any:
        """The body as JSON. Raises msgspec.DecodeError."""
        return msgspec.json.decode(self.raw)

    @property
    def model(self) -> str:
        """The model that it asks for, in its path or its envelope."""
        head, models, rest = self.path.partition("/models/")
        if models and not head.startswith("/v1internal"):
            return rest.partition(":")[0]
        try:
            found = self.json.get("model", "")
        except (msgspec.DecodeError, AttributeError):
            return ""
        return str(found)

    @property
    def token(self) -> str:
        """The API key or bearer token it came with, if any."""
        if key := self.headers.getRawHeaders("x-goog-api-key"):
            return key[0]
        kind, _, token = (self.headers.getRawHeaders("authorization") or [""])[0].partition(" ")
        return token if kind == "Bearer" else ""

    def answered(self, _: object = None) -> None:
        """The answer is out."""
        self.finished.callback(self)

    def left(self, _: object = None) -> None:
        """The connection is gone before the answer's end."""
        self.closed_by_peer = True
        self.finished.callback(self)
