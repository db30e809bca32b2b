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
#: OpenAI's words for how a text ended, where it did not simply end
_REASONS = dict.fromkeys(TOO_LONG, "length") | dict.fromkeys(FILTERED, "content_filter")


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


class Choice(Struct):
    """The place within one of the answers, and what was found in it.

    ``text`` is kept where it is needed at the end; ``more`` holds what else a document consists of. ``offset``:
    characters before the next token, in a legacy completion's log probabilities.
    """

    index: int
    calls: int = 0
    images: int = 0
    offset: int = 0
    finish: str = ""
    grounding: Raw | None = None
    text: list[str] = []
    more: dict[Kind, list[Any]] | None = None

    def finish_reason(self, legacy: bool) -> str:
        """OpenAI's word for how it ended."""
        if self.calls:
            return "function_call" if legacy else "tool_calls"
        return _REASONS.get(self.finish, "stop")

    @property
    def text_reason(self) -> str:
        """The same, where calls don't matter."""
        return _REASONS.get(self.finish, "stop")


class _CachedTokens(Struct, frozen=True):
    cached_tokens: int


class _ReasoningTokens(Struct, frozen=True):
    reasoning_tokens: int


class UsageObject(Struct, frozen=True):
    """The usage in chat's words (translation.md 2.9)."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: _CachedTokens
    completion_tokens_details: _ReasoningTokens


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
                index = candidate.index
                choice = self._choices.get(index)
                if choice is None:
                    if not 0 <= index < MOST_CHOICES:
                        continue  # never asked for
                    while len(self._choices) < index:  # the official client knows none that comes out of order
                        self._begin(len(self._choices))
                    choice = self._begin(index)
                for part in candidate.content.parts:
                    if (text := part.text) and not part.thought:
                        self._text(choice, text)  # what nearly all parts are
                    else:
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

    def _begin(self, index: int) -> Choice:
        choice = self._choices[index] = Choice(index)
        return choice

    def _part(self, choice: Choice, part: Part) -> None:
        """A part that is not plain text."""
        if part.thought:
            if part.text and self._options.show_thoughts:
                self._size += text_size(part.text)
                self._emit(choice, "reasoning_content", part.text)
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
        if choice.grounding is None:
            return []
        return citations(choice.grounding, "".join(choice.text) if self._options.keep_text else "")

    def _usage_object(self) -> UsageObject:
        usage = counted(self._usage, self._options.input_estimate, self._size)
        return UsageObject(
            usage.input,
            usage.output,
            usage.input + usage.output,
            _CachedTokens(usage.cached),
            _ReasoningTokens(usage.reasoning),
        )
