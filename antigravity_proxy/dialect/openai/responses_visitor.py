"""Walks over upstream's chunks for a response, be it streamed or whole (translation.md 5.2, 5.3). Pure.

The walk makes the items and every event; the plain document ignores the events, so both forms agree by
construction. One item is open at a time.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from antigravity_proxy.canonical.chunk import FILTERED, TOO_LONG, UNCOUNTED, Chunk, Usage
from antigravity_proxy.canonical.content import ABSENT, Blob, FunctionCall, Part
from antigravity_proxy.canonical.estimate import text_size
from antigravity_proxy.dialect.base import Stamp
from antigravity_proxy.dialect.openai.parts import log_probabilities, text_citations
from antigravity_proxy.dialect.openai.responses_calls import FORMS
from antigravity_proxy.dialect.openai.responses_compaction import MAX_LENGTH
from antigravity_proxy.dialect.openai.responses_document import (
    Item,
    Response,
    compaction_item,
    image_item,
    message_item,
    reasoning_item,
    search_item,
    text_part,
    usage_object,
)
from antigravity_proxy.dialect.openai.responses_tools import Origin
from antigravity_proxy.dialect.openai.usage import counted
from antigravity_proxy.dialect.parts import Grounding, call_id, compact, grounding
from antigravity_proxy.dialect.signatures import Kind, family_of, wrap
from antigravity_proxy.dialect.visitor import PartVisitor
from antigravity_proxy.errors import UpstreamFailed

_json = msgspec.json.Encoder().encode


class ResponsesOptions(Struct, frozen=True):
    """The request's options for its answer.

    ``response`` is the response object as far as it is known before. ``origins``: see ``responses_tools``. ``search``:
    the answer includes a web search, which is sent only at its end. ``json``: the answer is to be JSON. ``compact``
    seals the answer, a summary, for the one compaction item that it becomes. ``input_estimate``: the prompt's
    tokens, for an upstream that doesn't count.
    """

    response: Response
    stream: bool = False
    origins: dict[str, Origin] = {}
    show_thoughts: bool = True
    search: bool = False
    json: bool = False
    compact: Callable[[str], str] | None = None
    input_estimate: int = 0


class OpenItem:
    """The item that is being written: a message, or a run of thought. ``place`` leads to its text, in events."""

    __slots__ = ("id", "is_message", "place", "texts")

    def __init__(self, identity: str, place: bytes, *, is_message: bool) -> None:
        self.id = identity
        self.place = place
        self.is_message = is_message
        self.texts: list[str] = []


class ResponsesVisitor(PartVisitor):
    """Walks over chunks; subclasses hear the events by ``_event`` and ``_delta``."""

    __slots__ = (
        "_calls",
        "_count",
        "_digits",
        "_finish",
        "_grounding",
        "_held",
        "_holds",
        "_logprobs",
        "_maker",
        "_open",
        "_options",
        "_output",
        "_size",
        "_stamp",
        "_usage",
    )

    def __init__(self, options: ResponsesOptions, stamp: Stamp) -> None:
        self._options = options
        self._stamp = stamp
        self._digits = stamp.hex(24)  # of the response's id, and with a number of the items': they lead back to it
        self._count = 0
        self._holds = options.search or options.compact is not None
        self._output: list[Raw] = []
        self._open: OpenItem | None = None
        self._held: list[Part] = []
        self._logprobs: list[Item] = []
        self._grounding: Raw = ABSENT
        self._usage: Usage | None = None
        self._size = 0  # UTF-8 bytes delivered, to estimate tokens if need be
        self._finish = ""
        self._maker = ""  # the upstream model that answers
        self._calls = False

    #: whether anybody hears the events; else they are not made
    tells = True

    @abstractmethod
    def _event(self, kind: bytes, fields: bytes) -> None:
        """Hears of an event ``response.<kind>``; ``fields`` is the JSON of its fields, without braces."""

    @abstractmethod
    def _delta(self, item: OpenItem, text: str) -> None:
        """Hears of the next piece of the open item's text."""

    def _final(self, text: str) -> str:
        """A message's whole text, as the form wants it."""
        return text

    def _response(self, **fields: Any) -> Response:
        """The response as it is now, with these fields."""
        known = self._options.response
        return replace(known, id="resp_" + self._digits, created_at=self._stamp.created, **fields)

    def _walk(self, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            if chunk.model_version:
                self._maker = chunk.model_version
            for candidate in chunk.candidates:
                if candidate.index:
                    continue  # one response holds one answer
                for part in candidate.content.parts:
                    if self._holds and not part.thought:
                        self._held.append(part)  # sent at the end: after the search it needed, or as a summary
                    elif part.text and not part.thought:
                        self._text(part.text)  # what nearly all parts are, the short way
                    else:
                        self._part(part)
                if candidate.finish_reason:
                    self._finish = candidate.finish_reason
                if candidate.grounding_metadata:
                    self._grounding = candidate.grounding_metadata
                if candidate.logprobs_result:
                    self._logprobs += log_probabilities(candidate.logprobs_result)
            if chunk.usage_metadata not in UNCOUNTED:
                self._usage = chunk.usage_metadata
            if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason:
                self._finish = "SAFETY"

    def _complete(self) -> Response:
        """Closes what is open; the response at its end."""
        if self._grounding and self._options.search:
            self._search(grounding(self._grounding))
        if self._options.compact is not None:
            self._summarise(self._options.compact)
        else:
            for part in self._held:
                self._part(part)
        reason = self._incomplete()
        self._close_item("incomplete" if reason else "completed")
        now = self._stamp.now
        complete = self._response(
            status="incomplete" if reason else "completed",
            completed_at=None if reason else self._stamp.created if now is None else int(now()),
            incomplete_details={"reason": reason} if reason else None,
            output=tuple(self._output),
            usage=usage_object(counted(self._usage, self._options.input_estimate, self._size)),
        )
        if self._stamp.completed is not None:
            self._stamp.completed(complete)
        return complete

    def _summarise(self, seal: Callable[[str], str]) -> None:
        """The one item of a compaction; raises UpstreamFailed where there is no summary."""
        text = "".join(part.text or "" for part in self._held)[:MAX_LENGTH]
        if not text.strip():
            raise UpstreamFailed("The model gave no summary of the conversation.")
        self._close_item()
        self._size += text_size(text)
        self._finish = ""
        item = compaction_item(self._identity("cmp_"), seal(text))
        self._added(item)
        self._done(item)

    def _incomplete(self) -> str:
        """Why the answer isn't whole; empty if it is. Calls always come whole."""
        if self._calls:
            return ""
        if self._finish in TOO_LONG:
            return "max_output_tokens"
        return "content_filter" if self._finish in FILTERED else ""

    def _text(self, text: str) -> None:
        item = self._open
        if item is None or not item.is_message:
            item = self._open_message()
        self._size += text_size(text)
        item.texts.append(text)
        self._delta(item, text)

    def _thought(self, text: str, signature: str) -> None:
        """A signature ends its thought; one without a thought is dropped."""
        if not self._options.show_thoughts:
            return
        item = self._open
        if text:
            if item is None or item.is_message:
                item = self._open_thought()
            self._size += text_size(text)
            item.texts.append(text)
            self._delta(item, text)
        if signature and item is not None and not item.is_message:
            self._close_thought(item, self._wrapped("t", signature))

    def _open_message(self) -> OpenItem:
        self._close_item()
        identity, place = self._identity("msg_"), b""
        if self.tells:
            self._added(message_item(identity, "in_progress", []))
            place = self._place(identity, b',"content_index":0')
            self._event(b"content_part.added", b'%s,"part":%s' % (place, _json(text_part("", [], []))))
        self._open = item = OpenItem(identity, place, is_message=True)
        return item

    def _open_thought(self) -> OpenItem:
        self._close_item()
        identity = self._identity("rs_")
        self._added({"type": "reasoning", "id": identity, "summary": []})
        place = self._place(identity, b',"summary_index":0')
        self._event(b"reasoning_summary_part.added", b'%s,"part":{"type":"summary_text","text":""}' % place)
        self._open = item = OpenItem(identity, place, is_message=False)
        return item

    def _close_item(self, status: str = "completed") -> None:
        item = self._open
        if item is None:
            return
        if item.is_message:
            self._close_message(item, status)
        else:
            self._close_thought(item, self._wrapped("n"))

    def _close_message(self, item: OpenItem, status: str) -> None:
        self._open = None
        text = self._final("".join(item.texts))
        annotations: list[Item] = []
        if self._grounding:
            annotations = [{"type": "url_citation", **cited} for cited in text_citations(self._grounding, text)]
        logprobs, self._logprobs = self._logprobs, []
        part = text_part(text, annotations, logprobs)
        if self.tells:
            place = item.place
            for i, annotation in enumerate(annotations):
                fields = b'%s,"annotation_index":%d,"annotation":%s' % (place, i, _json(annotation))
                self._event(b"output_text.annotation.added", fields)
            self._event(b"output_text.done", b'%s,"text":%s,"logprobs":%s' % (place, _json(text), _json(logprobs)))
            self._event(b"content_part.done", b'%s,"part":%s' % (place, _json(part)))
        self._done(message_item(item.id, status, [part]))

    def _close_thought(self, item: OpenItem, signature: str) -> None:
        self._open = None
        text = "".join(item.texts)
        told = _json(text)
        self._event(b"reasoning_summary_text.done", b'%s,"text":%s' % (item.place, told))
        self._event(b"reasoning_summary_part.done", b'%s,"part":{"type":"summary_text","text":%s}' % (item.place, told))
        self._done(reasoning_item(item.id, text, signature))

    def _call(self, call: FunctionCall, signature: str) -> None:
        self._close_item()
        if signature:
            identity = self._identity("rs_")
            self._added({"type": "reasoning", "id": identity, "summary": []})
            self._done(reasoning_item(identity, "", self._wrapped("f", signature)))
        self._calls = True
        self._size += len(bytes(call.args))
        args = compact(call.args)
        origin = self._options.origins.get(call.name) or Origin(call.name)
        form = FORMS[origin.kind]
        names = {"id": self._identity(form.prefix), "call_id": call_id(call, "call_", self._stamp, signature)}
        self._added(form.item(origin, args, False) | names)
        place = b'"output_index":%d' % len(self._output)
        for kind, fields in form.written(args, self._place(names["id"]), place):
            self._event(kind, fields)
        self._done(form.item(origin, args, True) | names)

    def _image(self, blob: Blob) -> None:
        self._close_item()
        identity = self._identity("ig_")
        self._added(image_item(identity, None, "in_progress"))
        self._phases(identity, b"image_generation_call", (b"in_progress", b"generating", b"completed"))
        self._done(image_item(identity, blob, "completed"))

    def _search(self, found: Grounding) -> None:
        queries = found.web_search_queries
        urls = [source.web.uri for source in found.grounding_chunks if source.web is not None]
        if not queries and not urls:
            return
        self._close_item()
        identity = self._identity("ws_")
        self._added(search_item(identity, queries, [], "in_progress"))
        self._phases(identity, b"web_search_call", (b"in_progress", b"searching", b"completed"))
        self._done(search_item(identity, queries, urls, "completed"))

    def _phases(self, identity: str, kind: bytes, phases: tuple[bytes, ...]) -> None:
        place = self._place(identity)
        for phase in phases:
            self._event(b"%s.%s" % (kind, phase), place)

    def _added(self, item: Item) -> None:
        if self.tells:
            self._event(b"output_item.added", b'"output_index":%d,"item":%s' % (len(self._output), _json(item)))

    def _done(self, item: dict[str, Any]) -> None:
        told = _json(item)
        if self.tells:
            self._event(b"output_item.done", b'"output_index":%d,"item":%s' % (len(self._output), told))
        self._output.append(Raw(told))

    def _place(self, identity: str, more: bytes = b"") -> bytes:
        """The fields that say which item an event is about: the one that comes next in the output."""
        return b'"item_id":"%s","output_index":%d%s' % (identity.encode(), len(self._output), more)

    def _identity(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._digits}{self._count - 1:04x}"

    def _wrapped(self, kind: Kind, signature: str = "") -> str:
        return wrap(family_of(self._maker), kind, signature)
