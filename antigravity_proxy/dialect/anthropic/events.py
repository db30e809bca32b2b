"""Answers of models that speak this form themselves: their own events, as they are but for two things. Pure.

The model has the name that the client gave it, and a thought's signature says which family made it (`signatures`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Raw

from antigravity_proxy.canonical.chunk import Chunk, MessageChunk
from antigravity_proxy.dialect.anthropic.answer import MessageStream, new_answer
from antigravity_proxy.dialect.anthropic.errors import error_body
from antigravity_proxy.dialect.anthropic.visitor import MessageOptions
from antigravity_proxy.dialect.base import Answer, Stamp
from antigravity_proxy.dialect.signatures import wrap
from antigravity_proxy.errors import ProxyError

_json = msgspec.json.Encoder().encode
#: deltas that are no more of a text: where each belongs in its block
_ARGUMENTS, _CITATION, _SIGNATURE = "partial_json", "citation", "signature"


class MessageAnswer:
    """The answer to a request that a model of this form may have received unchanged: in its own events if they come."""

    def __init__(self, options: MessageOptions, stamp: Stamp) -> None:
        self._own: Callable[[], Answer] | None = lambda: _own(options, stamp)
        self._answer = new_answer(options, stamp)
        self.content_type, self.keepalive = self._answer.content_type, self._answer.keepalive

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        """See ``dialect.base.Answer``."""
        if self._own is not None and chunks:
            if isinstance(chunks[0], MessageChunk):
                self._answer = self._own()
            self._own = None
        return self._answer.feed(chunks)

    def close(self) -> bytes:
        """See ``dialect.base.Answer``."""
        return self._answer.close()

    def fail(self, error: ProxyError) -> bytes | None:
        """See ``dialect.base.Answer``."""
        return self._answer.fail(error)


def _own(options: MessageOptions, stamp: Stamp) -> Answer:
    return EventStream(options.model, stamp) if options.stream else EventDocument(options.model, stamp)


class EventStream:
    """``stream: true``."""

    __slots__ = ("_model", "_request_id")

    content_type = MessageStream.content_type
    keepalive = MessageStream.keepalive

    def __init__(self, model: str, stamp: Stamp) -> None:
        self._model = model
        self._request_id = stamp.request_id

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        """See ``dialect.base.Answer``."""
        out: list[bytes] = []
        for chunk in chunks:
            for kind, text in chunk.events if isinstance(chunk, MessageChunk) else ():
                if kind != "content_block_delta" or b'"signature_delta"' in text:
                    out.append(b"event: %s\ndata: %s\n\n" % (kind.encode(), self._ours(kind, text)))
                else:  # as almost all are
                    out += (b"event: content_block_delta\ndata: ", text, b"\n\n")
        return b"".join(out)

    def close(self) -> bytes:
        """See ``dialect.base.Answer``: the last event has been passed on."""
        return b""

    def fail(self, error: ProxyError) -> bytes:
        """See ``dialect.base.Answer``: no ``message_stop``."""
        return b"event: error\ndata: %s\n\n" % _json(error_body(error, self._request_id))

    def _ours(self, kind: str, text: bytes) -> bytes:
        """An event's JSON with our words for the model and for signatures."""
        if kind == "message_start":
            return _changed(text, "message", "model", lambda _: self._model)
        return _changed(text, "delta", "signature", _wrapped) if kind == "content_block_delta" else text


class EventDocument:
    """The whole message in one JSON document: the events, folded as the vendor's own clients do it."""

    __slots__ = ("_blocks", "_message", "_model", "_request_id")

    content_type = b"application/json"
    keepalive = b""

    def __init__(self, model: str, stamp: Stamp) -> None:
        self._model = model
        self._request_id = stamp.request_id
        self._message: dict[str, Any] = {}
        self._blocks: dict[Any, _Block] = {}

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        """See ``dialect.base.Answer``."""
        for chunk in chunks:
            for kind, text in chunk.events if isinstance(chunk, MessageChunk) else ():
                self._take(kind, msgspec.json.decode(text))
        return b""

    def close(self) -> bytes:
        """See ``dialect.base.Answer``."""
        content = [block for each in self._blocks.values() if (block := each.whole()) is not None]
        return _json({**self._message, "model": self._model, "content": content})

    def fail(self, error: ProxyError) -> bytes:
        """Never called in earnest: nothing has left before ``close``. Gives the error's document."""
        return _json(error_body(error, self._request_id))

    def _take(self, kind: str, event: dict[str, Any]) -> None:
        match kind:
            case "message_start":
                self._message = _object(event, "message")
            case "content_block_start":
                self._blocks[str(event.get("index"))] = _Block(_object(event, "content_block"))
            case "content_block_delta" if (block := self._blocks.get(str(event.get("index")))) is not None:
                block.take(_object(event, "delta"))
            case "message_delta":
                usage = {**_object(self._message, "usage"), **_object(event, "usage")}
                rest = {name: value for name, value in event.items() if name not in ("type", "delta", "usage")}
                self._message |= {**rest, **_object(event, "delta"), "usage": usage}


class _Block:
    """A content block, to which its deltas are added: more of a text, of arguments, or another citation."""

    __slots__ = ("_fields", "_more")

    def __init__(self, fields: dict[str, Any]) -> None:
        self._fields = fields
        self._more: dict[str, list[str]] = {}

    def take(self, delta: dict[str, Any]) -> None:
        for name, value in delta.items():
            if name == _CITATION:
                if not isinstance(self._fields.get("citations"), list):
                    self._fields["citations"] = []
                self._fields["citations"].append(value)
            elif name != "type" and isinstance(value, str):
                self._more.setdefault(name, []).append(value)
            elif name != "type":
                self._fields[name] = value

    def whole(self) -> dict[str, Any] | None:
        """The block; None for a call that was cut before its arguments were whole."""
        for name, pieces in self._more.items():
            text = "".join(pieces)
            if name == _ARGUMENTS:
                try:
                    self._fields["input"] = msgspec.json.decode(text or "{}", type=dict[str, Raw])
                except (msgspec.MsgspecError, RecursionError):
                    return None
            else:
                known = self._fields.get(name)
                self._fields[name] = (known if isinstance(known, str) else "") + text
        if self._fields.get("type") == "thinking":
            self._fields[_SIGNATURE] = _wrapped(self._fields.get(_SIGNATURE))
        return self._fields


def _changed(text: bytes, outer: str, name: str, change: Callable[[Any], str]) -> bytes:
    """An event with one text of its inner object changed, where it has that."""
    event = msgspec.json.decode(text, type=dict[str, Raw])
    try:
        inner = msgspec.json.decode(event.get(outer, b""), type=dict[str, Raw])
        told = msgspec.json.decode(inner.get(name, b""), type=str)
    except msgspec.MsgspecError:
        return text
    return _json({**event, outer: {**inner, name: change(told)}})


def _wrapped(signature: Any) -> str:
    return wrap("claude", "t", signature) if isinstance(signature, str) and signature else ""


def _object(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}
