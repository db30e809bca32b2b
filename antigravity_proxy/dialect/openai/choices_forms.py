"""The two forms of an answer with choices, streamed and whole, as chat and legacy completions have them. Pure."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from antigravity_proxy.canonical.chunk import Chunk
from antigravity_proxy.canonical.estimate import text_size
from antigravity_proxy.dialect.base import Stamp
from antigravity_proxy.dialect.openai.chat_visitor import ChatOptions, ChatVisitor, Choice, Kind, UsageObject
from antigravity_proxy.dialect.openai.errors import error_object
from antigravity_proxy.errors import ProxyError

_json = msgspec.json.Encoder().encode


class ChoicesStream(ChatVisitor):
    """Pieces of the same object as server-sent events, ended by ``[DONE]``."""

    __slots__ = ("_head", "_out", "_tail")

    content_type = b"text/event-stream; charset=utf-8"
    keepalive = b": keepalive\n\n"
    #: ``object``, and what follows it and the model
    object_name = b""
    constant = b""

    def __init__(self, options: ChatOptions, stamp: Stamp) -> None:
        super().__init__(options, stamp)
        self._head = b'data: {"id":"%s","object":"%s","created":%d,"model":%s,%s"choices":[' % (
            self.id.encode(),
            self.object_name,
            stamp.created,
            _json(options.model),
            self.constant,
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
            self._finish(choice)
        if self._options.include_usage:
            self._out.append(self._head + b'],"usage":%s}\n\n' % _json(self._usage_object()))
        self._out.append(b"data: [DONE]\n\n")
        return b"".join(self._out)

    def fail(self, error: ProxyError) -> bytes:
        """See ``dialect.base.Answer``: no finish reason and no ``[DONE]``."""
        return b"data: " + _json({"error": error_object(error)}) + b"\n\n"

    @abstractmethod
    def _finish(self, choice: Choice) -> None:
        """Sends a choice's last piece."""


class Document(Struct, frozen=True):
    """The object of a complete answer."""

    id: str
    object: str
    created: int
    model: str
    choices: list[Struct]
    usage: UsageObject


class ChoicesDocument(ChatVisitor):
    """The complete answer in one JSON document: the stream's pieces, folded."""

    __slots__ = ()

    content_type = b"application/json"
    keepalive = b""
    object_name = ""
    form: ClassVar[type[Document]] = Document

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        """See ``dialect.base.Answer``."""
        self._walk(chunks)
        return b""

    def close(self) -> bytes:
        """See ``dialect.base.Answer``."""
        if not self._choices:
            self._begin(0)
        return _json(
            self.form(
                self.id,
                self.object_name,
                self._stamp.created,
                self._options.model,
                [self._choice(choice) for choice in self._choices.values()],
                self._usage_object(),
            )
        )

    def fail(self, error: ProxyError) -> bytes:
        """Never called in earnest: nothing has left before ``close``. Gives the error's document."""
        return _json({"error": error_object(error)})

    def _text(self, choice: Choice, text: str) -> None:
        self._size += text_size(text)
        choice.text.append(text)

    def _emit(self, choice: Choice, kind: Kind, value: Any) -> None:
        if kind == "content":
            choice.text.append(value)
            return
        if choice.more is None:
            choice.more = {}
        found = choice.more.setdefault(kind, [])
        if kind == "logprobs":
            found += value
        else:
            found.append(value)

    @abstractmethod
    def _choice(self, choice: Choice) -> Struct:
        """One of the answers, of what was found in it."""
