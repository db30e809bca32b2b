"""Walks over upstream's chunks for a message, be it streamed or whole (translation.md 8.2, 8.3). Pure."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal, TypeVar

import msgspec
from msgspec import Raw, Struct

from antigravity_proxy.canonical.chunk import FILTERED, TOO_LONG, UNCOUNTED, Chunk, Usage
from antigravity_proxy.canonical.content import ABSENT, Blob, FunctionCall
from antigravity_proxy.canonical.estimate import text_size, tokens
from antigravity_proxy.dialect.anthropic.search import Page, Stretch, pages, stretches
from antigravity_proxy.dialect.base import Stamp
from antigravity_proxy.dialect.parts import call_id, compact, data_url, grounding
from antigravity_proxy.dialect.signatures import Kind, family_of, wrap
from antigravity_proxy.dialect.visitor import PartVisitor


class MessageOptions(Struct, frozen=True):
    """The request's options for its answer.

    ``hide_text``: thoughts are sent without their text. ``search``: the answer is a web search's, whose sources come
    last upstream and first here. ``json``: the answer is to be JSON. ``warm_up``: no answer is wanted at all.
    ``input_estimate``: the prompt's tokens, for an upstream that doesn't count.
    """

    model: str
    stream: bool = False
    show_thoughts: bool = True
    hide_text: bool = False
    search: bool = False
    json: bool = False
    warm_up: bool = False
    input_estimate: int = 0


class UsageAtStart(Struct, frozen=True):
    """Usage in ``message_start``: as far as it is known."""

    input_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens: int


class OutputDetails(Struct, frozen=True):
    """The uses of the answer's tokens."""

    thinking_tokens: int


class ServerToolUse(Struct, frozen=True):
    """How often something was asked for."""

    web_search_requests: int
    web_fetch_requests: int = 0


class UsageAtEnd(UsageAtStart, frozen=True):
    """Usage in ``message_delta``: of the whole message."""

    output_tokens_details: OutputDetails
    server_tool_use: ServerToolUse | None


class StopDetails(Struct, frozen=True, tag_field="type", tag="refusal"):
    """Why nothing more came."""

    category: str | None = None
    explanation: str | None = None


#: kinds of usage
E = TypeVar("E", bound=UsageAtEnd)
REFUSED = "refusal"
#: Anthropic's words for how a text ended, where it did not simply end
_REASONS = dict.fromkeys(TOO_LONG, "max_tokens") | dict.fromkeys(FILTERED, REFUSED)


class MessageVisitor(PartVisitor):
    """Walks over chunks and calls its subclass's methods, one content block after the other."""

    __slots__ = (
        "_begun",
        "_calls",
        "_finish",
        "_grounding",
        "_held",
        "_maker",
        "_open",
        "_options",
        "_queries",
        "_signed",
        "_size",
        "_stamp",
        "_usage",
        "id",
    )

    def __init__(self, options: MessageOptions, stamp: Stamp) -> None:
        self._options = options
        self._stamp = stamp
        self._begun = False
        self._open: Literal["", "text", "thinking"] = ""
        self._signed = False  # the open thought has its signature
        self._calls = 0
        self._finish = "MAX_TOKENS" if options.warm_up else ""
        self._maker = ""  # the upstream model, as it calls itself
        self._usage = Usage()
        self._grounding: Raw | None = None
        self._held: list[str] = []  # text that waits for its sources
        self._queries = 0
        self._size = 0  # UTF-8 bytes delivered, to estimate tokens if need be
        self.id = "msg_" + stamp.hex(24)

    # -- the methods of a subclass

    @abstractmethod
    def _begins(self) -> None:
        """The message begins."""

    @abstractmethod
    def _opens(self, kind: Literal["text", "thinking"]) -> None:
        """A block of text or thinking begins."""

    @abstractmethod
    def _says(self, text: str) -> None:
        """More of the open block's text, never empty."""

    @abstractmethod
    def _signs(self, signature: str) -> None:
        """The open thought's signature, once."""

    @abstractmethod
    def _closes(self) -> None:
        """The open block of text or thinking ends."""

    @abstractmethod
    def _uses(self, kind: Literal["tool_use", "server_tool_use"], identity: str, name: str, args: str) -> None:
        """A whole block of a call; ``args`` is a JSON object."""

    @abstractmethod
    def _brings(self, identity: str, pages: tuple[Page, ...]) -> None:
        """A whole block of a search's results."""

    @abstractmethod
    def _cites(self, stretch: Stretch) -> None:
        """A whole block of text with citations."""

    # -- the walk

    def _walk(self, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            usage = chunk.usage_metadata
            if usage is not None and usage not in UNCOUNTED:
                self._usage = usage
            for candidate in chunk.candidates:
                if candidate.index:
                    continue  # never asked for
                if not self._begun:
                    self._begin(chunk)
                for part in candidate.content.parts:
                    if (text := part.text) and not part.thought:
                        self._text(text)  # what nearly all parts are
                    else:
                        self._part(part)
                if candidate.finish_reason:
                    self._finish = candidate.finish_reason
                if candidate.grounding_metadata:
                    self._grounding = candidate.grounding_metadata
            feedback = chunk.prompt_feedback
            if feedback is not None and feedback.block_reason:
                self._finish = "SAFETY"

    def _begin(self, chunk: Chunk) -> None:
        self._begun = True
        self._maker = chunk.model_version or self._options.model
        self._begins()

    def _end(self) -> None:
        """Ends whatever is open, and passes on what is held back."""
        if not self._begun:
            self._begin(Chunk())
        if self._options.search:
            self._tell_held()
        self._close()

    def _text(self, text: str) -> None:
        self._size += text_size(text)
        if self._options.search:
            self._held.append(text)
            return
        if self._open != "text":
            self._switch("text")
        self._says(text)

    def _thought(self, text: str, signature: str) -> None:
        if not (self._options.show_thoughts and (text or signature)):
            return
        if self._open != "thinking" or self._signed:
            self._switch("thinking")
        if text:
            self._size += text_size(text)
            if not self._options.hide_text:
                self._says(text)
        if signature:
            self._sign("t", signature)

    def _call(self, call: FunctionCall, signature: str) -> None:
        """A call. Its signature travels in a thought right before it (translation.md 2.6)."""
        if signature and self._options.show_thoughts:
            if self._open != "thinking" or self._signed:
                self._switch("thinking")
            self._sign("f", signature)
        self._close()
        self._calls += 1
        args = compact(call.args)
        self._size += len(args)
        self._uses("tool_use", call_id(call, "toolu_", self._stamp, signature), call.name, args)

    def _image(self, blob: Blob) -> None:
        self._text(f"![image]({data_url(blob)})")

    def _switch(self, kind: Literal["text", "thinking"]) -> None:
        self._close()
        self._open = kind
        self._opens(kind)

    def _sign(self, kind: Kind, signature: str = "") -> None:
        self._signed = True
        self._signs(wrap(family_of(self._maker), kind, signature))

    def _close(self) -> None:
        if self._open == "thinking" and not self._signed:
            self._sign("n")  # clients drop thoughts without a signature
        if self._open:
            self._closes()
        self._open = ""
        self._signed = False

    def _tell_held(self) -> None:
        """A search's answer: the queries, what they brought, then the text with its citations."""
        found, text = grounding(self._grounding or ABSENT), "".join(self._held)
        self._queries = len(found.web_search_queries)
        if self._queries:
            self._close()
            identity = "srvtoolu_" + self._stamp.hex(24)
            query = msgspec.json.encode({"query": ", ".join(found.web_search_queries)}).decode()
            self._uses("server_tool_use", identity, "web_search", query)
            self._brings(identity, pages(found))
        for stretch in stretches(found, text):
            if stretch.citations:
                self._close()
                self._cites(stretch)
            else:
                self._switch("text")
                self._says(stretch.text)

    # -- how it ended

    def _stop_reason(self) -> str:
        if self._calls:
            return "tool_use"
        return _REASONS.get(self._finish, "end_turn")

    # -- usage: as upstream counted it, what is missing estimated (translation.md 2.9)

    def _usage_at_start(self) -> UsageAtStart:
        if self._usage in UNCOUNTED:
            return UsageAtStart(self._options.input_estimate, 0, 0, 1)
        return UsageAtStart(*self._input(), 1)

    def _usage_at_end(self, form: type[E]) -> E:
        usage, queries = self._usage, self._queries
        return form(
            *self._input(),
            usage.output_tokens or tokens(self._size),
            OutputDetails(usage.thoughts_token_count),
            ServerToolUse(queries) if queries else None,
        )

    def _input(self) -> tuple[int, int, int]:
        """Tokens read newly, written to the cache, read from the cache."""
        usage = self._usage
        cached = usage.cached_content_token_count
        every = usage.input_tokens or max(1, self._options.input_estimate)
        return max(0, every - cached) if cached else every, 0, cached
