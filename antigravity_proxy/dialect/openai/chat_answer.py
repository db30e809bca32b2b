"""Encodes chat answers, streamed and whole (translation.md 3.2, 3.4). Pure.

Both forms come from one walk over upstream's parts (``chat_walk``), so they agree by construction. A plain text delta
is the hot path: constant bytes around one JSON string.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from antigravity_proxy.canonical.chunk import Chunk
from antigravity_proxy.canonical.estimate import text_size
from antigravity_proxy.dialect.base import Answer, Stamp
from antigravity_proxy.dialect.openai.answer_parts import unfenced
from antigravity_proxy.dialect.openai.chat_walk import ChatOptions, ChatWalk, Choice, Kind
from antigravity_proxy.dialect.openai.errors import error_object
from antigravity_proxy.errors import ProxyError

_json = msgspec.json.Encoder().encode


def new_answer(options: ChatOptions, stamp: Stamp) -> Answer:
    """The answer to one attempt."""
    return ChatStream(options, stamp) if options.stream else ChatDocument(options, stamp)


class ChatStream(ChatWalk):
    """``stream: true``: chunks as server-sent events, ended by ``[DONE]``."""

    __slots__ = ("_head", "_out", "_tail")

    content_type = b"text/event-stream; charset=utf-8"
    keepalive = b": keepalive\n\n"

    def __init__(self, options: ChatOptions, stamp: Stamp) -> None:
        super().__init__(options, stamp)
        self._head = (
            b'data: {"id":"%s","object":"chat.completion.chunk","created":%d,"model":%s,'
            b'"system_fingerprint":null,"choices":[' % (self.id.encode(), stamp.created, _json(options.model))
        )
        self._tail = b',"usage":null}\n\n' if options.include_usage else b"}\n\n"
        self._out: list[bytes] = []

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        """See ``dialect.base.Answer``."""
        self._walk(chunks)
        out = b"".join(self._out)
        self._out = []
        return out

    def close(self) -> bytes:
        """See ``dialect.base.Answer``."""
        if not self._choices:
            self._begin(0)
        for choice in self._choices.values():
            if cited := self._cited(choice):
                self._delta(choice, b'{"content":"","annotations":%s}' % _json(cited))
            reason = choice.finish_reason(self._options.legacy_functions)
            self._delta(choice, b"{}", b'"%s"' % reason.encode())
        if self._options.include_usage:
            self._out.append(self._head + b'],"usage":%s}\n\n' % _json(self._usage_object()))
        self._out.append(b"data: [DONE]\n\n")
        return b"".join(self._out)

    def fail(self, error: ProxyError) -> bytes:
        """See ``dialect.base.Answer``: no finish chunk and no ``[DONE]``."""
        return b"data: " + _json({"error": error_object(error)}) + b"\n\n"

    def _begin(self, index: int) -> Choice:
        choice = super()._begin(index)
        self._delta(choice, b'{"role":"assistant","content":""}')
        return choice

    def _emit(self, choice: Choice, kind: Kind, value: Any) -> None:
        if kind == "logprobs":
            self._delta(choice, b"{}", logprobs=_json({"content": value, "refusal": None}))
        elif kind == "tool_calls" and self._options.legacy_functions:
            self._delta(choice, b'{"function_call":%s}' % _json(value["function"]))
        elif kind == "tool_calls":
            self._delta(choice, b'{"tool_calls":[%s]}' % _json({"index": choice.calls, **value}))
        elif kind == "images":
            self._delta(choice, b'{"images":[%s]}' % _json(value))
        else:
            self._delta(choice, b'{"%s":%s}' % (kind.encode(), _json(value)))

    def _text(self, choice: Choice, text: str) -> None:
        if choice.index or self._options.keep_text:
            super()._text(choice, text)
            return
        self._size += text_size(text)
        self._out += (
            self._head,
            b'{"index":0,"delta":{"content":',
            _json(text),
            b'},"logprobs":null,"finish_reason":null}]',
            self._tail,
        )

    def _delta(self, choice: Choice, delta: bytes, finish: bytes = b"null", logprobs: bytes = b"null") -> None:
        self._out += (
            self._head,
            b'{"index":%d,"delta":%s,"logprobs":%s,"finish_reason":%s}]' % (choice.index, delta, logprobs, finish),
            self._tail,
        )


class ChatDocument(ChatWalk):
    """The whole answer in one JSON document: the stream's events, folded; asked-for JSON loses its code fence."""

    __slots__ = ("_found",)

    content_type = b"application/json"
    keepalive = b""

    def __init__(self, options: ChatOptions, stamp: Stamp) -> None:
        super().__init__(options, stamp)
        self._found: dict[int, dict[str, list[Any]]] = {}

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        """See ``dialect.base.Answer``."""
        self._walk(chunks)
        return b""

    def close(self) -> bytes:
        """See ``dialect.base.Answer``."""
        if not self._choices:
            self._begin(0)
        return _json(
            {
                "id": self.id,
                "object": "chat.completion",
                "created": self._stamp.created,
                "model": self._options.model,
                "choices": [self._choice(self._choices[index]) for index in sorted(self._choices)],
                "usage": self._usage_object(),
                "system_fingerprint": None,
            }
        )

    def fail(self, error: ProxyError) -> bytes:
        """Never called in earnest: nothing has left before ``close``. Gives the error's document."""
        return _json({"error": error_object(error)})

    def _emit(self, choice: Choice, kind: Kind, value: Any) -> None:
        found = self._found.setdefault(choice.index, {})
        if kind == "logprobs":
            found.setdefault(kind, []).extend(value)
        else:
            found.setdefault(kind, []).append(value)

    def _choice(self, choice: Choice) -> dict[str, Any]:
        found = self._found.get(choice.index, {})
        texts, calls = found.get("content"), found.get("tool_calls")
        content = "".join(texts) if texts else None if calls else ""
        if content and self._options.json:
            content = unfenced(content)
        message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
        if thoughts := found.get("reasoning_content"):
            message["reasoning_content"] = "".join(thoughts)
        if calls and self._options.legacy_functions:
            message["function_call"] = calls[0]["function"]
        elif calls:
            message["tool_calls"] = calls
        if images := found.get("images"):
            message["images"] = images
        if cited := self._cited(choice):
            message["annotations"] = cited
        logprobs = found.get("logprobs")
        return {
            "index": choice.index,
            "message": message,
            "logprobs": {"content": logprobs, "refusal": None} if logprobs else None,
            "finish_reason": choice.finish_reason(self._options.legacy_functions),
        }
