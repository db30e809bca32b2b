"""Encodes chat answers, streamed and whole (translation.md 3.2, 3.4). Pure.

Both forms come from one walk over upstream's parts (``_ChatAnswer``), so they agree by construction. A plain text delta
is the hot path: constant bytes around one JSON string.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from antigravity_proxy.canonical.chunk import FILTERED, Candidate, Chunk, Usage
from antigravity_proxy.canonical.content import Part
from antigravity_proxy.canonical.estimate import text_size, tokens
from antigravity_proxy.dialect.base import Answer, Stamp
from antigravity_proxy.dialect.openai.chat_parts import citations, code_block, image, log_probabilities, tool_call
from antigravity_proxy.dialect.openai.errors import error_object
from antigravity_proxy.errors import ProxyError

_Kind = Literal["content", "reasoning_content", "tool_calls", "images", "logprobs"]

_json = msgspec.json.Encoder().encode


class ChatOptions(Struct, frozen=True):
    """What the request says about its answer.

    ``keep_text``: the text will be needed for citations. ``input_estimate``: the prompt's tokens, for an upstream that
    doesn't count.
    """

    model: str
    stream: bool = False
    include_usage: bool = False
    legacy_functions: bool = False
    custom_tools: frozenset[str] = frozenset()
    show_thoughts: bool = True
    keep_text: bool = False
    input_estimate: int = 0


def new_answer(options: ChatOptions, stamp: Stamp) -> Answer:
    """The answer to one attempt."""
    return ChatStream(options, stamp) if options.stream else ChatDocument(options, stamp)


class _Choice:
    """Where one of the answers stands."""

    __slots__ = ("calls", "finish", "grounding", "images", "index", "text")

    def __init__(self, index: int) -> None:
        self.index = index
        self.calls = 0
        self.images = 0
        self.finish = ""
        self.grounding: Raw | None = None
        self.text: list[str] = []

    def finish_reason(self, legacy: bool) -> str:
        """OpenAI's word for how it ended."""
        if self.calls:
            return "function_call" if legacy else "tool_calls"
        if self.finish == "MAX_TOKENS":
            return "length"
        return "content_filter" if self.finish in FILTERED else "stop"


class _ChatAnswer(ABC):
    """Walks over chunks; subclasses take what it finds by ``_emit``."""

    __slots__ = ("_choices", "_options", "_size", "_stamp", "_usage", "id")

    def __init__(self, options: ChatOptions, stamp: Stamp) -> None:
        self._options = options
        self._stamp = stamp
        self._choices: dict[int, _Choice] = {}
        self._usage: Usage | None = None
        self._size = 0  # UTF-8 bytes delivered, to estimate tokens if need be
        self.id = "chatcmpl-" + stamp.hex(24)

    def _walk(self, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            for candidate in chunk.candidates:
                choice = self._choices.get(candidate.index)
                if choice is None:
                    choice = self._begin(candidate.index)
                for part in candidate.content.parts:
                    self._part(choice, part)
                if candidate.finish_reason:
                    choice.finish = candidate.finish_reason
                if candidate.grounding_metadata:
                    choice.grounding = candidate.grounding_metadata
                if candidate.logprobs_result:
                    self._log_probabilities(choice, candidate)
            if chunk.usage_metadata:
                self._usage = chunk.usage_metadata
            feedback = chunk.prompt_feedback
            if feedback is not None and feedback.block_reason:
                (self._choices.get(0) or self._begin(0)).finish = "SAFETY"

    def _begin(self, index: int) -> _Choice:
        choice = self._choices[index] = _Choice(index)
        return choice

    def _part(self, choice: _Choice, part: Part) -> None:
        text = part.text
        if part.thought:
            if text and self._options.show_thoughts:
                self._size += text_size(text)
                self._emit(choice, "reasoning_content", text)
        elif text:
            self._text(choice, text)
        elif part.function_call is not None:
            call = part.function_call
            self._size += len(bytes(call.args))
            self._emit(
                choice, "tool_calls", tool_call(call, part.thought_signature, self._stamp, self._options.custom_tools)
            )
            choice.calls += 1
        elif part.inline_data is not None:
            self._emit(choice, "images", image(part.inline_data, choice.images))
            choice.images += 1
        elif (part.executable_code or part.code_execution_result) and (block := code_block(part)):
            self._text(choice, block)

    def _text(self, choice: _Choice, text: str) -> None:
        self._size += text_size(text)
        if self._options.keep_text:
            choice.text.append(text)
        self._emit(choice, "content", text)

    @abstractmethod
    def _emit(self, choice: _Choice, kind: _Kind, value: Any) -> None:
        """Takes the next piece: a text, a call, an image, or log probabilities."""

    def _log_probabilities(self, choice: _Choice, candidate: Candidate) -> None:
        content = log_probabilities(candidate.logprobs_result)
        if content:
            self._emit(choice, "logprobs", content)

    def _cited(self, choice: _Choice) -> list[dict[str, Any]]:
        """Citations of a web search, once the text is complete."""
        return citations(choice.grounding, "".join(choice.text)) if choice.grounding else []

    def _usage_object(self) -> dict[str, Any]:
        """The usage as upstream counted it, what is missing estimated: never 0 and 0 (translation.md 2.9)."""
        usage = self._usage or Usage()
        prompt = usage.input_tokens or max(1, self._options.input_estimate)
        completion = usage.output_tokens or tokens(self._size)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": usage.cached_content_token_count},
            "completion_tokens_details": {"reasoning_tokens": usage.thoughts_token_count},
        }


class ChatStream(_ChatAnswer):
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

    def _begin(self, index: int) -> _Choice:
        choice = super()._begin(index)
        self._delta(choice, b'{"role":"assistant","content":""}')
        return choice

    def _emit(self, choice: _Choice, kind: _Kind, value: Any) -> None:
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

    def _text(self, choice: _Choice, text: str) -> None:
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

    def _delta(self, choice: _Choice, delta: bytes, finish: bytes = b"null", logprobs: bytes = b"null") -> None:
        self._out += (
            self._head,
            b'{"index":%d,"delta":%s,"logprobs":%s,"finish_reason":%s}]' % (choice.index, delta, logprobs, finish),
            self._tail,
        )


class ChatDocument(_ChatAnswer):
    """The whole answer in one JSON document: the stream's events, folded."""

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

    def _emit(self, choice: _Choice, kind: _Kind, value: Any) -> None:
        found = self._found.setdefault(choice.index, {})
        if kind == "logprobs":
            found.setdefault(kind, []).extend(value)
        else:
            found.setdefault(kind, []).append(value)

    def _choice(self, choice: _Choice) -> dict[str, Any]:
        found = self._found.get(choice.index, {})
        texts, calls = found.get("content"), found.get("tool_calls")
        message: dict[str, Any] = {
            "role": "assistant",
            "content": "".join(texts) if texts else None if calls else "",
            "refusal": None,
        }
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
