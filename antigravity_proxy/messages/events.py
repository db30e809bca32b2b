"""Reads an answer in Anthropic's form, streamed or whole, into canonical chunks. Pure (official-upstreams.md 5).

Anthropic counts the input at the begin and the output at the end: the first chunk with content brings the one, the last
the other. A call is passed on whole, since its arguments come in pieces. Fields of an unexpected type count as absent.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from antigravity_proxy.canonical.chunk import Candidate, Chunk, MessageChunk, Usage
from antigravity_proxy.canonical.content import Content, FunctionCall, Part
from antigravity_proxy.canonical.wire import EventTooLargeError, UnreadableEvent, UpstreamErrorEvent
from antigravity_proxy.generatecontent.sse import MAX_EVENT_BYTES, SSEDecoder
from antigravity_proxy.messages.grounding import Grounding
from antigravity_proxy.messages.redacted import redacted

#: why an answer ended, as the neutral form says it; anything else is a normal end
_FINISH = {
    "max_tokens": "MAX_TOKENS",
    "model_context_window_exceeded": "MAX_TOKENS",
    "refusal": "SAFETY",
}
_NO_ARGUMENTS = Raw(b"{}")
#: events that do not belong to a message
_NOT_TOLD = frozenset({"ping", "message"})
#: a candidate without content
_NOTHING_NEW = (Candidate(),)
#: events that wait for the first content at most
_MOST_HELD = 64
#: a larger index is invalid
_MAX_COUNT = 1 << 53
_set = msgspec.structs.force_setattr


class EventReader(SSEDecoder):
    """Reads the body of one answer (`canonical.wire.EventReader`)."""

    __slots__ = (
        "_arguments",
        "_call",
        "_finish",
        "_grounding",
        "_id",
        "_is_broken",
        "_is_told",
        "_model",
        "_size",
        "_usage",
    )

    def __init__(self) -> None:
        super().__init__()
        self._model = ""
        self._id = ""
        self._call: FunctionCall | None = None  # the block of a call that is open
        self._arguments: list[str] = []
        self._size = 0
        self._is_broken = False  # a call's arguments are not a JSON object
        self._finish = "STOP"
        self._grounding = Grounding()
        self._usage: dict[str, int] = {}
        self._is_told = False  # what was counted at the begin

    def document(self, body: bytes) -> list[bytes]:
        """The payload of an answer that came as one JSON document."""
        return [body]

    def read(self, payload: bytes) -> Chunk:
        """The content of one event, or of a whole message. Raises UpstreamErrorEvent and UnreadableEvent.

        Raises EventTooLargeError for a call whose arguments don't end.
        """
        return self._read(_object(payload), payload)

    def _read(self, event: dict[str, Any], payload: bytes) -> Chunk:
        match event.get("type"):
            case "content_block_delta":
                return self._delta(_fields(event, "delta"))
            case "content_block_start":
                return self._block(_fields(event, "content_block"))
            case "content_block_stop":
                return self._chunk(self._whole_call())
            case "message_start":
                self._start(_fields(event, "message"))
            case "message_delta":
                self._end(_fields(event, "delta"), _fields(event, "usage"))
            case "message_stop":
                return self._last()
            case "message":
                return self._message(event)
            case "error":
                raise UpstreamErrorEvent(payload)
            case _ if isinstance(event.get("error"), dict):
                raise UpstreamErrorEvent(payload)
        return Chunk()

    # -- the parts of a message

    def _start(self, message: dict[str, Any]) -> None:
        self._model = _text(message, "model")
        self._id = _text(message, "id")
        self._count(_fields(message, "usage"))

    def _end(self, delta: dict[str, Any], usage: dict[str, Any]) -> None:
        reason = _text(delta, "stop_reason")
        self._finish = _FINISH.get(reason, "STOP")
        self._count(usage)

    def _block(self, block: dict[str, Any]) -> Chunk:
        """A block begins; those that don't come in pieces are there already."""
        match block.get("type"):
            case "text":
                return self._chunk(self._said(_text(block, "text"), block.get("citations")))
            case "thinking":
                thought = _text(block, "thinking")
                return self._chunk([Part(text=thought, thought=True)] if thought else [])
            case "redacted_thinking":
                data = _text(block, "data")
                signed = Part(text="", thought=True, thought_signature=redacted(data))
                return self._chunk([signed] if data else [])
            case "tool_use":
                self._call = FunctionCall(_text(block, "name"), id=_text(block, "id"))
                given = block.get("input")
                if isinstance(given, dict) and given:
                    self._argue(msgspec.json.encode(given).decode())
            case "server_tool_use":
                self._grounding.asked(_fields(block, "input"))
            case "web_search_tool_result":
                self._grounding.found(block.get("content"))
        return Chunk()

    def _delta(self, delta: dict[str, Any]) -> Chunk:
        match delta.get("type"):
            case "text_delta":
                return self._chunk(self._said(_text(delta, "text"), None))
            case "thinking_delta":
                thought = _text(delta, "thinking")
                return self._chunk([Part(text=thought, thought=True)] if thought else [])
            case "signature_delta":
                signature = _text(delta, "signature")
                return self._chunk([Part(text="", thought=True, thought_signature=signature)] if signature else [])
            case "input_json_delta" if self._call is not None:
                self._argue(_text(delta, "partial_json"))
            case "citations_delta":
                self._grounding.cited(_fields(delta, "citation"))
        return Chunk()

    def _said(self, text: str, citations: Any) -> list[Part]:
        self._grounding.said(text)
        for citation in citations if isinstance(citations, list) else ():
            if isinstance(citation, dict):
                self._grounding.cited(citation)
        return [Part(text=text)] if text else []

    def _argue(self, text: str) -> None:
        self._size += len(text)
        if self._size > MAX_EVENT_BYTES:
            self._arguments = []
            raise EventTooLargeError(f"arguments of more than {MAX_EVENT_BYTES} bytes")
        self._arguments.append(text)

    def _whole_call(self) -> list[Part]:
        """The call whose block ends, if one does. An answer that was cut by its limit may leave half of one."""
        self._grounding.ended()
        call, self._call = self._call, None
        if call is None:
            return []
        text = "".join(self._arguments).strip().encode("utf-8", "replace")
        self._arguments = []
        self._size = 0
        if text and not _is_object(text):
            self._is_broken = True
            return []
        return [Part(function_call=FunctionCall(call.name, Raw(text) if text else _NO_ARGUMENTS, call.id))]

    def _message(self, message: dict[str, Any]) -> Chunk:
        """A whole message: its blocks, then its end."""
        self._start(message)
        blocks = message.get("content")
        parts: list[Part] = []
        for block in blocks if isinstance(blocks, list) else ():
            if isinstance(block, dict):
                parts += _parts(self._block(block)) + self._whole_call()
                if block.get("type") == "thinking" and (signature := _text(block, "signature")):
                    parts.append(Part(text="", thought=True, thought_signature=signature))
        self._end(message, {})
        return self._last(tuple(parts))

    def _last(self, parts: tuple[Part, ...] = ()) -> Chunk:
        """The end, with everything that was counted."""
        finish = self._finish
        if self._is_broken and finish == "STOP":
            finish = "MALFORMED_FUNCTION_CALL"
        candidate = Candidate(
            content=Content("model", parts), finish_reason=finish, grounding_metadata=self._grounding.metadata()
        )
        return self._written(Chunk((candidate,), self._counted(), model_version=self._model, response_id=self._id))

    # -- chunks

    def _chunk(self, parts: list[Part]) -> Chunk:
        if not parts:
            return Chunk()
        candidate = Candidate(content=Content("model", tuple(parts)))
        usage = None if self._is_told else self._counted()
        self._is_told = True
        return self._written(Chunk((candidate,), usage, model_version=self._model, response_id=self._id))

    @staticmethod
    def _written(chunk: Chunk) -> Chunk:
        """The chunk with its JSON text, as an upstream with the neutral form would have sent it."""
        _set(chunk, "raw", msgspec.json.encode(chunk))
        return chunk

    def _count(self, usage: dict[str, Any]) -> None:
        for name, value in usage.items():
            if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_COUNT:
                self._usage[name] = value
        thinking = _fields(usage, "output_tokens_details").get("thinking_tokens")
        if isinstance(thinking, int) and 0 <= thinking < _MAX_COUNT:
            self._usage["thinking_tokens"] = thinking

    def _counted(self) -> Usage | None:
        usage = self._usage
        read, written = usage.get("cache_read_input_tokens", 0), usage.get("cache_creation_input_tokens", 0)
        prompt = usage.get("input_tokens", 0) + read + written
        output = usage.get("output_tokens", 0)
        thoughts = min(usage.get("thinking_tokens", 0), output)
        if not (prompt or output):
            return None
        return Usage(
            prompt_token_count=prompt,
            candidates_token_count=output - thoughts,
            thoughts_token_count=thoughts,
            cached_content_token_count=read,
            total_token_count=prompt + output,
        )


class MessageReader(EventReader):
    """The same for a client of this form: it gets the events themselves (`MessageChunk`), from the first content on.

    So nothing is sent before there is content, and arguments come in the pieces in which the model writes them.
    """

    __slots__ = ("_events", "_waits")

    def __init__(self) -> None:
        super().__init__()
        self._waits = True  # for the first content
        self._events: list[tuple[str, bytes]] = []  # that wait

    def read(self, payload: bytes) -> Chunk:
        """As EventReader's."""
        event = _object(payload)
        chunk = self._read(event, payload)
        kind = event.get("type")
        if not isinstance(kind, str) or not kind.isidentifier() or kind in _NOT_TOLD:
            return chunk
        events = self._events
        events.append((kind, payload if b"\n" not in payload else msgspec.json.encode(event)))
        if self._waits and kind != "content_block_delta" and not chunk.candidates and len(events) < _MOST_HELD:
            return chunk
        self._waits = False
        self._events = []
        return MessageChunk(chunk.candidates or _NOTHING_NEW, chunk.usage_metadata, events=tuple(events))

    def _argue(self, text: str) -> None:
        """Nobody needs a call whole."""

    def _said(self, text: str, citations: Any) -> list[Part]:
        """Nor what the text rests on: the events say that."""
        return [Part(text=text)] if text else []

    @staticmethod
    def _written(chunk: Chunk) -> Chunk:
        return chunk


def _parts(chunk: Chunk) -> list[Part]:
    return [part for candidate in chunk.candidates for part in candidate.content.parts]


def _object(payload: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise UnreadableEvent("not JSON") from e
    if not isinstance(value, dict):
        raise UnreadableEvent("not an object")
    return value


def _is_object(text: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False


def _fields(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: dict[str, Any], name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) else ""
