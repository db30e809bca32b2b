"""Encodes responses, streamed and whole (translation.md 5.2, 5.3). Pure.

A text delta is the hot path: constant bytes around one JSON string.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from antigravity_proxy.canonical.chunk import Chunk
from antigravity_proxy.dialect.base import Answer, Stamp
from antigravity_proxy.dialect.openai.errors import error_object
from antigravity_proxy.dialect.openai.responses_document import Response, compaction_object
from antigravity_proxy.dialect.openai.responses_visitor import OpenItem, ResponsesOptions, ResponsesVisitor
from antigravity_proxy.dialect.parts import unfenced
from antigravity_proxy.errors import ProxyError

_json = msgspec.json.Encoder().encode

_TEXT = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":'
_THOUGHT = (
    b"event: response.reasoning_summary_text.delta\n"
    b'data: {"type":"response.reasoning_summary_text.delta","sequence_number":'
)
_TEXT_FRAME, _THOUGHT_FRAME = _TEXT.partition(b"data: ")[2], _THOUGHT.partition(b"data: ")[2]
_DELTA = b',"delta":'


def new_answer(options: ResponsesOptions, stamp: Stamp) -> Answer:
    """The answer to one attempt."""
    return ResponsesStream(options, stamp) if options.stream else ResponsesDocument(options, stamp)


class ResponsesStream(ResponsesVisitor):
    """``stream: true``: events from ``response.created`` to exactly one that ends the response."""

    __slots__ = ("_next", "_out")

    content_type = b"text/event-stream; charset=utf-8"
    keepalive = b": keepalive\n\n"

    def __init__(self, options: ResponsesOptions, stamp: Stamp) -> None:
        super().__init__(options, stamp)
        self._next = 0
        self._out: list[bytes] = []

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        """See ``dialect.base.Answer``."""
        if not self._next:
            self._begin()
        self._walk(chunks)
        out = b"".join(self._out)
        self._out = []
        return out

    def close(self) -> bytes:
        """See ``dialect.base.Answer``."""
        before = self.feed(())
        response = self._complete()
        self._snapshot(response.status.encode(), response)
        return before + b"".join(self._out)

    def fail(self, error: ProxyError) -> bytes:
        """See ``dialect.base.Answer``: the items that are complete, and why there are no more."""
        before = self.feed(())
        told = {"code": _code(error), "message": error.message}
        failed = self._response(status="failed", error=told, output=tuple(self._output))
        self._snapshot(b"failed", failed)
        return before + b"".join(self._out)

    def _begin(self) -> None:
        fields = b'"response":' + _json(self._response())
        self._event(b"created", fields)
        self._event(b"in_progress", fields)

    def _snapshot(self, kind: bytes, response: Response) -> None:
        self._event(kind, b'"response":' + _json(response))

    def _event(self, kind: bytes, fields: bytes) -> None:
        self._out.append(
            b'event: response.%s\ndata: {"type":"response.%s","sequence_number":%d,%s}\n\n'
            % (kind, kind, self._next, fields)
        )
        self._next += 1

    def _delta(self, item: OpenItem, text: str) -> None:
        begin, end = (_TEXT, b',"logprobs":[]}\n\n') if item.is_message else (_THOUGHT, b"}\n\n")
        self._out += (begin, b"%d," % self._next, item.place, _DELTA, _json(text), end)
        self._next += 1


class ResponsesFrames(ResponsesStream):
    """The same events for a WebSocket: each one line of JSON, which becomes a frame."""

    __slots__ = ()

    def _event(self, kind: bytes, fields: bytes) -> None:
        self._out.append(b'{"type":"response.%s","sequence_number":%d,%s}\n' % (kind, self._next, fields))
        self._next += 1

    def _delta(self, item: OpenItem, text: str) -> None:
        begin, end = (_TEXT_FRAME, b',"logprobs":[]}\n') if item.is_message else (_THOUGHT_FRAME, b"}\n")
        self._out += (begin, b"%d," % self._next, item.place, _DELTA, _json(text), end)
        self._next += 1


class ResponsesDocument(ResponsesVisitor):
    """The whole response in one JSON document: the stream's last snapshot; asked-for JSON loses its code fence."""

    __slots__ = ()

    content_type = b"application/json"
    keepalive = b""
    tells = False

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        """See ``dialect.base.Answer``."""
        self._walk(chunks)
        return b""

    def close(self) -> bytes:
        """See ``dialect.base.Answer``."""
        return _json(self._complete())

    def fail(self, error: ProxyError) -> bytes:
        """Never called in earnest: nothing has left before ``close``. Gives the error's document."""
        return _json({"error": error_object(error)})

    def _event(self, kind: bytes, fields: bytes) -> None:
        """Nothing hears it."""

    def _delta(self, item: OpenItem, text: str) -> None:
        """Nothing hears it."""

    def _final(self, text: str) -> str:
        return unfenced(text) if self._options.json else text


class CompactionDocument(ResponsesDocument):
    """The document of a compaction asked for by itself."""

    __slots__ = ()

    def close(self) -> bytes:
        """See ``dialect.base.Answer``."""
        return _json(compaction_object(self._complete()))


def _code(error: ProxyError) -> str:
    """The code of a response that failed; there are no others for what can happen here."""
    if error.status == 429:
        return "rate_limit_exceeded"
    return "invalid_prompt" if error.status == 400 else "server_error"
