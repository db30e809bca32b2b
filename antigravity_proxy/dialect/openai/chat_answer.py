"""Encodes chat answers, streamed and whole (translation.md 3.2, 3.4). Pure.

Both forms come from one walk over upstream's parts (``chat_visitor``), so they agree by construction. A plain text
delta is the hot path: constant bytes around one JSON string.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from antigravity_proxy.canonical.estimate import text_size
from antigravity_proxy.dialect.base import Answer, Stamp
from antigravity_proxy.dialect.openai.chat_visitor import ChatOptions, Choice, Kind
from antigravity_proxy.dialect.openai.choices_forms import ChoicesDocument, ChoicesStream
from antigravity_proxy.dialect.parts import unfenced

_json = msgspec.json.Encoder().encode


def new_answer(options: ChatOptions, stamp: Stamp) -> Answer:
    """The answer to one attempt."""
    return ChatStream(options, stamp) if options.stream else ChatDocument(options, stamp)


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


class ChatDocument(ChoicesDocument):
    """The complete answer in one JSON document; requested JSON loses its code fence."""

    __slots__ = ()

    object_name = "chat.completion"
    constant: ClassVar[dict[str, Any]] = {"system_fingerprint": None}

    def _choice(self, choice: Choice, found: dict[str, list[Any]]) -> dict[str, Any]:
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
