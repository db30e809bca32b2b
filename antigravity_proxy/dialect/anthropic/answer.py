"""Encodes messages, streamed and whole (translation.md 8.2, 8.3). Pure.

Both forms come from one walk over upstream's parts (``walk``), so they agree by construction. A text delta is the hot
path: constant bytes around one JSON string.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from antigravity_proxy.canonical.chunk import Chunk
from antigravity_proxy.dialect.anthropic.errors import error_body
from antigravity_proxy.dialect.anthropic.search import Page, Stretch
from antigravity_proxy.dialect.anthropic.visitor import REFUSED, MessageOptions, MessageVisitor, StopDetails, UsageAtEnd
from antigravity_proxy.dialect.base import Answer, Rendered, Stamp
from antigravity_proxy.dialect.parts import unfenced
from antigravity_proxy.errors import ProxyError

_json = msgspec.json.Encoder().encode
_REFUSAL = StopDetails()

#: how the deltas of a block's text begin, with the block's index
_DELTAS = {
    "text": b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
    b'"delta":{"type":"text_delta","text":',
    "thinking": b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,'
    b'"delta":{"type":"thinking_delta","thinking":',
}
_EMPTY = {"text": b'{"type":"text","text":""}', "thinking": b'{"type":"thinking","thinking":"","signature":""}'}


def new_answer(options: MessageOptions, stamp: Stamp) -> Answer:
    """The answer to one attempt."""
    return MessageStream(options, stamp) if options.stream else MessageDocument(options, stamp)


class MessageStream(MessageVisitor):
    """``stream: true``: server-sent events from ``message_start`` to ``message_stop``."""

    __slots__ = ("_delta_begins", "_index", "_out")

    content_type = b"text/event-stream; charset=utf-8"
    keepalive = b'event: ping\ndata: {"type":"ping"}\n\n'

    def __init__(self, options: MessageOptions, stamp: Stamp) -> None:
        super().__init__(options, stamp)
        self._out: list[bytes] = []
        self._index = -1  # of the block that began last
        self._delta_begins = b""

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        """See ``dialect.base.Answer``."""
        self._walk(chunks)
        out = b"".join(self._out)
        self._out = []
        return out

    def close(self) -> bytes:
        """See ``dialect.base.Answer``."""
        self._end()
        reason = self._stop_reason()
        self._out.append(
            b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"%s","stop_sequence":null,'
            b'"stop_details":%s},"usage":%s}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n'
            % (reason.encode(), _json(_details(reason)), _json(self._usage_at_end(UsageAtEnd)))
        )
        return b"".join(self._out)

    def fail(self, error: ProxyError) -> bytes:
        """See ``dialect.base.Answer``: no ``message_stop``."""
        return b"event: error\ndata: %s\n\n" % _json(error_body(error, self._stamp.request_id))

    def _begins(self) -> None:
        self._out.append(
            b'event: message_start\ndata: {"type":"message_start","message":{"id":"%s","type":"message",'
            b'"role":"assistant","model":%s,"content":[],"stop_reason":null,"stop_sequence":null,"stop_details":null,'
            b'"usage":%s}}\n\n' % (self.id.encode(), _json(self._options.model), _json(self._usage_at_start()))
        )

    def _opens(self, kind: Literal["text", "thinking"]) -> None:
        self._start(_EMPTY[kind])
        self._delta_begins = _DELTAS[kind] % self._index

    def _says(self, text: str) -> None:
        self._out += (self._delta_begins, _json(text), b"}}\n\n")

    def _signs(self, signature: str) -> None:
        self._delta(b'{"type":"signature_delta","signature":"%s"}' % signature.encode())

    def _closes(self) -> None:
        self._out.append(b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n' % self._index)

    def _uses(self, kind: Literal["tool_use", "server_tool_use"], identity: str, name: str, args: str) -> None:
        self._start(b'{"type":"%s","id":"%s","name":%s,"input":{}}' % (kind.encode(), identity.encode(), _json(name)))
        self._delta(b'{"type":"input_json_delta","partial_json":%s}' % _json(args))
        self._closes()

    def _brings(self, identity: str, pages: tuple[Page, ...]) -> None:
        self._start(_json(_Results(identity, pages)))
        self._closes()

    def _cites(self, stretch: Stretch) -> None:
        self._start(b'{"type":"text","text":"","citations":[]}' if stretch.citations else _EMPTY["text"])
        self._delta(b'{"type":"text_delta","text":%s}' % _json(stretch.text))
        for citation in stretch.citations:
            self._delta(b'{"type":"citations_delta","citation":%s}' % _json(citation))
        self._closes()

    def _start(self, block: bytes) -> None:
        self._index += 1
        self._out.append(
            b'event: content_block_start\ndata: {"type":"content_block_start","index":%d,"content_block":%s}\n\n'
            % (self._index, block)
        )

    def _delta(self, delta: bytes) -> None:
        self._out.append(
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":%s}\n\n'
            % (self._index, delta)
        )


class _Text(Struct, tag_field="type", tag="text"):
    text: str


class _Thinking(Struct, tag_field="type", tag="thinking"):
    thinking: str
    signature: str


class _Use(Struct):
    type: str
    id: str
    name: str
    input: Raw


class _Results(Struct, tag_field="type", tag="web_search_tool_result"):
    tool_use_id: str
    content: tuple[Page, ...]


class _Usage(UsageAtEnd, frozen=True):
    service_tier: str = "standard"


class _Message(Struct):
    id: str
    type: str
    role: str
    model: str
    content: list[Struct]
    stop_reason: str
    stop_sequence: None
    stop_details: StopDetails | None
    usage: _Usage


class MessageDocument(MessageVisitor):
    """The whole message in one JSON document: the stream's events, folded; asked-for JSON loses its code fence."""

    __slots__ = ("_blocks", "_said", "_signature")

    content_type = b"application/json"
    keepalive = b""

    def __init__(self, options: MessageOptions, stamp: Stamp) -> None:
        super().__init__(options, stamp)
        self._blocks: list[Struct] = []
        self._said: list[str] = []  # by the open block
        self._signature = ""

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        """See ``dialect.base.Answer``."""
        self._walk(chunks)
        return b""

    def close(self) -> bytes:
        """See ``dialect.base.Answer``."""
        self._end()
        reason = self._stop_reason()
        return _json(
            _Message(
                self.id,
                "message",
                "assistant",
                self._options.model,
                self._blocks,
                reason,
                None,
                _details(reason),
                self._usage_at_end(_Usage),
            )
        )

    def fail(self, error: ProxyError) -> bytes:
        """Never called in earnest: nothing has left before ``close``. Gives the error's document."""
        return _json(error_body(error, self._stamp.request_id))

    def _begins(self) -> None:
        pass

    def _opens(self, kind: Literal["text", "thinking"]) -> None:
        self._said = []

    def _says(self, text: str) -> None:
        self._said.append(text)

    def _signs(self, signature: str) -> None:
        self._signature = signature

    def _closes(self) -> None:
        said = "".join(self._said)
        if self._open == "thinking":
            self._blocks.append(_Thinking(said, self._signature))
        else:
            self._blocks.append(_Text(unfenced(said) if self._options.json else said))

    def _uses(self, kind: Literal["tool_use", "server_tool_use"], identity: str, name: str, args: str) -> None:
        self._blocks.append(_Use(kind, identity, name, Raw(args.encode())))

    def _brings(self, identity: str, pages: tuple[Page, ...]) -> None:
        self._blocks.append(_Results(identity, pages))

    def _cites(self, stretch: Stretch) -> None:
        self._blocks.append(stretch)


def _details(reason: str) -> StopDetails | None:
    return _REFUSAL if reason == REFUSED else None


def render_count(tokens: int) -> Rendered:
    """The answer of ``count_tokens``."""
    return Rendered(200, b'{"input_tokens":%d}' % tokens, ((b"content-type", b"application/json"),))
