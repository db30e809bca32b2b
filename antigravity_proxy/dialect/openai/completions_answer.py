"""Encodes legacy completions, streamed and whole (translation.md 4). Pure.

They are answers that consist of text only, after the prompt if it is to be echoed.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from antigravity_proxy.canonical.estimate import text_size
from antigravity_proxy.dialect.base import Answer, Stamp
from antigravity_proxy.dialect.openai.chat_visitor import ChatOptions, ChatVisitor, Choice, Kind
from antigravity_proxy.dialect.openai.choices_forms import ChoicesDocument, ChoicesStream

_json = msgspec.json.Encoder().encode


def new_answer(options: ChatOptions, stamp: Stamp) -> Answer:
    """The answer to one attempt."""
    return CompletionStream(options, stamp) if options.stream else CompletionDocument(options, stamp)


class _Completion(ChatVisitor):
    """The common part of both forms."""

    __slots__ = ()

    prefix = "cmpl-"

    def _begin(self, index: int) -> Choice:
        choice = super()._begin(index)
        if index < len(self._options.echo):
            before = self._options.echo[index]
            choice.offset = len(before)
            self._emit(choice, "content", before)
        return choice


class CompletionStream(_Completion, ChoicesStream):
    """``stream: true``."""

    __slots__ = ()

    object_name = b"text_completion"

    def _finish(self, choice: Choice) -> None:
        self._piece(choice, b'""', finish=b'"%s"' % choice.text_reason.encode())

    def _text(self, choice: Choice, text: str) -> None:
        self._size += text_size(text)
        self._piece(choice, _json(text))

    def _emit(self, choice: Choice, kind: Kind, value: Any) -> None:
        if kind == "content":
            self._piece(choice, _json(value))
        elif kind == "logprobs":
            self._piece(choice, b'""', _json(_old_logprobs(choice, value)))

    def _piece(self, choice: Choice, text: bytes, logprobs: bytes = b"null", finish: bytes = b"null") -> None:
        rest = b',"index":%d,"logprobs":%s,"finish_reason":%s}]' % (choice.index, logprobs, finish)
        self._out += (self._head, b'{"text":', text, rest, self._tail)


class _Choice(Struct, frozen=True):
    text: str
    index: int
    logprobs: dict[str, list[Any]] | None
    finish_reason: str


class CompletionDocument(_Completion, ChoicesDocument):
    """The complete answer in one JSON document."""

    __slots__ = ()

    object_name = "text_completion"

    def _choice(self, choice: Choice) -> Struct:
        logprobs = choice.more.get("logprobs") if choice.more is not None else None
        return _Choice(
            "".join(choice.text),
            choice.index,
            _old_logprobs(choice, logprobs) if logprobs else None,
            choice.text_reason,
        )


def _old_logprobs(choice: Choice, content: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Log probabilities as parallel lists; the choice remembers how far its tokens go."""
    offsets = []
    for entry in content:
        offsets.append(choice.offset)
        choice.offset += len(entry["token"])
    return {
        "tokens": [entry["token"] for entry in content],
        "token_logprobs": [entry["logprob"] for entry in content],
        "top_logprobs": [{top["token"]: top["logprob"] for top in entry["top_logprobs"]} for entry in content],
        "text_offset": offsets,
    }
