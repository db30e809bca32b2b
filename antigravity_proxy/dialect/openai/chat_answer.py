"""Encodes chat answers, streamed and whole (translation.md 3.2, 3.4). Pure.

Both forms come from one walk over upstream's parts (``chat_visitor``), so they agree by construction. A plain text
delta is the hot path: constant bytes around one JSON string.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from antigravity_proxy.canonical.estimate import text_size
from antigravity_proxy.dialect.openai.chat_visitor import Choice, Kind
from antigravity_proxy.dialect.openai.choices_forms import ChoicesDocument, ChoicesStream, Document
from antigravity_proxy.dialect.parts import unfenced

_json = msgspec.json.Encoder().encode


class ChatStream(ChoicesStream):
    """``stream: true``."""

    __slots__ = ()

    object_name = b"chat.completion.chunk"
    constant = b'"system_fingerprint":null,'

    def _finish(self, choice: Choice) -> None:
        if cited := self._cited(choice):
            self._delta(choice, b'{"content":"","annotations":%s}' % _json(cited))
        self._delta(choice, b"{}", b'"%s"' % choice.finish_reason(self._options.legacy_functions).encode())

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


class _Message(Struct, frozen=True, omit_defaults=True):
    role: str
    content: str | None
    refusal: None
    reasoning_content: str | None = None
    function_call: dict[str, Any] | None = None
    tool_calls: list[dict[str, Any]] | None = None
    images: list[dict[str, Any]] | None = None
    annotations: list[dict[str, Any]] | None = None


class _Choice(Struct, frozen=True):
    index: int
    message: _Message
    logprobs: dict[str, Any] | None
    finish_reason: str


class _Document(Document, frozen=True):
    system_fingerprint: None = None


class ChatDocument(ChoicesDocument):
    """The complete answer in one JSON document; requested JSON loses its code fence."""

    __slots__ = ()

    object_name = "chat.completion"
    form = _Document

    def _choice(self, choice: Choice) -> Struct:
        content: str | None = "".join(choice.text)
        if content and self._options.json:
            content = unfenced(content)
        cited = None if choice.grounding is None else self._cited(choice) or None
        more = choice.more
        if more is None:
            message = _Message("assistant", content, None, annotations=cited)
            return _Choice(choice.index, message, None, choice.text_reason)
        legacy, calls, thoughts = self._options.legacy_functions, more.get("tool_calls"), more.get("reasoning_content")
        message = _Message(
            "assistant",
            None if calls and not choice.text else content,
            None,
            "".join(thoughts) if thoughts else None,
            calls[0]["function"] if calls and legacy else None,
            calls if calls and not legacy else None,
            more.get("images"),
            cited,
        )
        logprobs = more.get("logprobs")
        told = {"content": logprobs, "refusal": None} if logprobs else None
        return _Choice(choice.index, message, told, choice.finish_reason(legacy))
