"""Walks over upstream's chunks for a chat answer, be it streamed or whole (translation.md 3.2, 3.4). Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Raw, Struct

from antigravity_proxy.canonical.chunk import FILTERED, TOO_LONG, UNCOUNTED, Candidate, Chunk, Usage
from antigravity_proxy.canonical.content import Part
from antigravity_proxy.canonical.estimate import text_size
from antigravity_proxy.dialect.base import Stamp
from antigravity_proxy.dialect.openai.chat_parts import citations, image, tool_call
from antigravity_proxy.dialect.openai.parts import log_probabilities
from antigravity_proxy.dialect.openai.usage import counted
from antigravity_proxy.dialect.parts import code_block

#: answers that one request may have: 16 prompts with 8 each (translation.md 3.3, 4)
MOST_CHOICES = 128
Kind = Literal["content", "reasoning_content", "tool_calls", "images", "logprobs"]


class ChatOptions(Struct, frozen=True):
    """The request's options for its answer.

    ``keep_text``: the text will be needed for citations. ``echo``: text to send before each choice's own. ``json``: the
    answer is to be JSON. ``input_estimate``: the prompt's tokens, for an upstream that doesn't count.
    """

    model: str
    stream: bool = False
    include_usage: bool = False
    legacy_functions: bool = False
    custom_tools: frozenset[str] = frozenset()
    show_thoughts: bool = True
    keep_text: bool = False
    echo: tuple[str, ...] = ()
    json: bool = False
    input_estimate: int = 0


class Choice:
    """The place within one of the answers."""

    __slots__ = ("calls", "finish", "grounding", "images", "index", "offset", "text")

    def __init__(self, index: int) -> None:
        self.index = index
        self.calls = 0
        self.images = 0
        self.offset = 0  # characters before the next token, in a legacy completion's log probabilities
        self.finish = ""
        self.grounding: Raw | None = None
        self.text: list[str] = []

    def finish_reason(self, legacy: bool) -> str:
        """OpenAI's word for how it ended."""
        if self.calls:
            return "function_call" if legacy else "tool_calls"
        return self.text_reason

    @property
    def text_reason(self) -> str:
        """The same, where calls don't matter."""
        if self.finish in TOO_LONG:
            return "length"
        return "content_filter" if self.finish in FILTERED else "stop"


class ChatVisitor(ABC):
    """Walks over chunks; subclasses take what it finds by ``_emit``."""

    __slots__ = ("_choices", "_options", "_size", "_stamp", "_usage", "id")

    #: what the answer's id begins with
    prefix = "chatcmpl-"

    def __init__(self, options: ChatOptions, stamp: Stamp) -> None:
        self._options = options
        self._stamp = stamp
        self._choices: dict[int, Choice] = {}
        self._usage: Usage | None = None
        self._size = 0  # UTF-8 bytes delivered, to estimate tokens if need be
        self.id = self.prefix + stamp.hex(24)

    def _walk(self, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            for candidate in chunk.candidates:
                choice = self._choices.get(candidate.index)
                if choice is None:
                    if not 0 <= candidate.index < MOST_CHOICES:
                        continue  # never asked for
                    choice = self._begin_through(candidate.index)
                for part in candidate.content.parts:
                    self._part(choice, part)
                if candidate.finish_reason:
                    choice.finish = candidate.finish_reason
                if candidate.grounding_metadata:
                    choice.grounding = candidate.grounding_metadata
                if candidate.logprobs_result:
                    self._log_probabilities(choice, candidate)
            if chunk.usage_metadata not in UNCOUNTED:
                self._usage = chunk.usage_metadata
            feedback = chunk.prompt_feedback
            if feedback is not None and feedback.block_reason:
                (self._choices.get(0) or self._begin(0)).finish = "SAFETY"

    def _begin_through(self, index: int) -> Choice:
        """Begins the choice, after those before it: the official client knows none that comes out of order."""
        for each in range(len(self._choices), index):
            self._begin(each)
        return self._begin(index)

    def _begin(self, index: int) -> Choice:
        choice = self._choices[index] = Choice(index)
        return choice

    def _part(self, choice: Choice, part: Part) -> None:
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

    def _text(self, choice: Choice, text: str) -> None:
        self._size += text_size(text)
        if self._options.keep_text:
            choice.text.append(text)
        self._emit(choice, "content", text)

    @abstractmethod
    def _emit(self, choice: Choice, kind: Kind, value: Any) -> None:
        """Takes the next piece: a text, a call, an image, or log probabilities."""

    def _log_probabilities(self, choice: Choice, candidate: Candidate) -> None:
        content = log_probabilities(candidate.logprobs_result)
        if content:
            self._emit(choice, "logprobs", content)

    def _cited(self, choice: Choice) -> list[dict[str, Any]]:
        """Citations of a web search, once the text is complete."""
        return citations(choice.grounding, "".join(choice.text)) if choice.grounding else []

    def _usage_object(self) -> dict[str, Any]:
        """The usage in chat's words (translation.md 2.9)."""
        usage = counted(self._usage, self._options.input_estimate, self._size)
        return {
            "prompt_tokens": usage.input,
            "completion_tokens": usage.output,
            "total_tokens": usage.input + usage.output,
            "prompt_tokens_details": {"cached_tokens": usage.cached},
            "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
        }
