"""Reads one upstream answer on its way through: bytes to events, events to chunks, chunks to the client's bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw, Struct

from antigravity_proxy.canonical.chunk import (
    CANDIDATE_FIELDS,
    FINISH_REASONS,
    MODEL_FAILED,
    PART_FIELDS,
    RESPONSE_FIELDS,
    UNCOUNTED,
    Candidate,
    Chunk,
    Usage,
)
from antigravity_proxy.canonical.verdict import Cause
from antigravity_proxy.canonical.wire import EventReader, Notices, Prepared, UnreadableEvent, UpstreamErrorEvent
from antigravity_proxy.dialect.base import Answer
from antigravity_proxy.relay.context import Client
from antigravity_proxy.relay.conversation import ConversationSignatures, new_digest
from antigravity_proxy.telemetry.drift import Drift

#: chunks that are held back at most: a notice comes in one or two
_MOST_HELD = 64
#: bytes of an event that is looked at for what no table knows: larger ones hold pictures
_LOOKED_AT = 1 << 16
#: an object's fields, not decoded further
_Shape = dict[str, Raw]


class _Parts(Struct):
    parts: list[_Shape] = []


#: an answer in which every field is known, whatever it holds
_Part = msgspec.defstruct("_Part", [(name, Raw, Raw()) for name in PART_FIELDS], forbid_unknown_fields=True)
_Content = msgspec.defstruct("_Content", [("parts", list[_Part], [])])  # type: ignore[valid-type]
_Candidate = msgspec.defstruct(
    "_Candidate",
    [*((name, Raw, Raw()) for name in CANDIDATE_FIELDS - {"content"}), ("content", _Content, None)],
    forbid_unknown_fields=True,
)
_Answer = msgspec.defstruct(
    "_Answer",
    [*((name, Raw, Raw()) for name in RESPONSE_FIELDS - {"candidates"}), ("candidates", list[_Candidate], [])],  # type: ignore[valid-type]
    forbid_unknown_fields=True,
)
_known = msgspec.json.Decoder(_Answer)
_known_inside: Any = msgspec.json.Decoder(msgspec.defstruct("_Envelope", [("response", _Answer, None)]))


class ModelFailed(Exception):
    """The model ended without an answer (upstream.md 5.4): its reason, and words that may quote the answer."""

    def __init__(self, reason: str, words: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.words = words


class NoticeSent(Exception):
    """The answer was none: upstream had something to say of this program or of the model (upstream.md 6.4)."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.value)
        self.cause = cause


class AnswerReader:
    """A receiver for the exchange's body. One for every attempt; ``on_start`` is called when its first byte has left.

    Text that may be one of the ``notices`` is held back until that is settled. An exception ends the attempt:
    UpstreamErrorEvent, ModelFailed, NoticeSent, EventTooLargeError. Chunks that came before are delivered first.
    """

    __slots__ = (
        "_answer",
        "_client",
        "_drift",
        "_events",
        "_held",
        "_memory",
        "_notices",
        "_on_start",
        "_restore",
        "_text",
        "_thought",
        "blocked",
        "finished",
        "has_candidate",
        "usage",
    )

    def __init__(
        self,
        prepared: Prepared,
        events: EventReader,
        answer: Answer,
        client: Client,
        memory: ConversationSignatures,
        on_start: Callable[[], None],
        notices: Notices | None = None,
        drift: Drift | None = None,
    ) -> None:
        self._drift = drift
        self._notices = notices  # None once it is settled that it is not a notice
        self._held: list[Chunk] | None = None
        self._text = ""  # of what is held back
        self._memory = memory if prepared.model.family == "claude" else None  # others' thoughts need no signature
        self._thought: hashlib.blake2b | None = None  # the text of the thought that is being sent
        self._restore = prepared.restorer()
        self._answer = answer
        self._client = client
        self._on_start: Callable[[], None] | None = on_start
        self._events = events
        self.has_candidate = False
        self.finished = False
        self.blocked = False
        self.usage: Usage | None = None

    def data_received(self, data: bytes) -> None:
        """Takes the next bytes of an event stream."""
        if payloads := self._events.feed(data):
            self._deliver(payloads)

    def whole(self, body: bytes) -> None:
        """Takes an answer that came as one JSON document."""
        self._deliver(self._events.document(body))
        if self._held:
            self._settle()

    def end(self) -> None:
        """The body is over: delivers what was still buffered."""
        if payloads := self._events.close():
            self._deliver(payloads)
        if self._held:
            self._settle()

    def _deliver(self, payloads: list[bytes]) -> None:
        chunks: list[Chunk] = []
        restore = self._restore
        try:
            for payload in payloads:
                try:
                    chunk = self._events.read(payload)
                except UnreadableEvent:
                    continue
                if chunk.candidates:
                    self.has_candidate = True
                    for candidate in chunk.candidates:
                        if self._memory is not None:
                            self._note_thoughts(candidate, self._memory)
                        if candidate.finish_reason:
                            self._note_end(chunk, candidate)
                if chunk.usage_metadata not in UNCOUNTED:
                    self.usage = chunk.usage_metadata
                elif not chunk.candidates and chunk.prompt_feedback is None:
                    continue  # it begins no answer
                if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason:
                    self.blocked = True
                chunks.append(chunk if restore is None else restore(chunk))
        except (UpstreamErrorEvent, ModelFailed):
            self._pass_on(chunks)
            raise
        self._pass_on(chunks)

    def _pass_on(self, chunks: list[Chunk]) -> None:
        if self._notices is not None and chunks:
            if self.usage is not None and not self._held:  # notices come without
                self._notices = None
            else:
                chunks = self._held_back(chunks, self._notices)
        if chunks and (data := self._answer.feed(chunks)):
            self._client.send(data)
            if self._on_start is not None:
                self._on_start()
                self._on_start = None

    def _held_back(self, chunks: list[Chunk], notices: Notices) -> list[Chunk]:
        """The chunks that can be passed on now: none, as long as all of it may be a notice in the end."""
        held = self._held + chunks if self._held else chunks
        if self.usage is None and not self.blocked and len(held) <= _MOST_HELD:
            texts = _texts(chunks)
            if texts is not None:
                self._text += texts
                if notices.may_become_one(self._text):
                    self._held = held
                    return []
        self._held, self._text, self._notices = None, "", None
        return held

    def _settle(self) -> None:
        """The answer is over: what is still held back is a notice, or the whole of a short answer."""
        cause = None if self._notices is None else self._notices.find(self._text)
        if cause is not None:
            raise NoticeSent(cause)
        held, self._held, self._text, self._notices = self._held, None, "", None
        self._pass_on(held or [])

    def _note_end(self, chunk: Chunk, candidate: Candidate) -> None:
        """The candidate's last piece."""
        if candidate.finish_reason in MODEL_FAILED:
            raise ModelFailed(candidate.finish_reason, candidate.finish_message)
        self.finished = True
        if self._drift is not None:
            _look_for_news(chunk, candidate, self._drift)

    def _note_thoughts(self, candidate: Candidate, memory: ConversationSignatures) -> None:
        for part in candidate.content.parts:
            if not part.thought:
                self._thought = None
                continue
            if part.text:
                self._thought = self._thought or new_digest()
                self._thought.update(part.text.encode("utf-8", "replace"))
            if part.thought_signature and self._thought is not None:
                memory.thought_signed(self._thought.digest(), part.thought_signature)
                self._thought = None


def _texts(chunks: list[Chunk]) -> str | None:
    """The text of chunks; None if they contain something else: such an answer is not a notice."""
    found = ""
    for chunk in chunks:
        for candidate in chunk.candidates:
            for part in candidate.content.parts:
                if part.text is None or part.thought:
                    return None
                found += part.text
    return found


def _look_for_news(chunk: Chunk, candidate: Candidate, drift: Drift) -> None:
    """Counts what no table knows in the last event of an answer: one look for each answer is enough to see a rename."""
    if candidate.finish_reason not in FINISH_REASONS:
        drift.saw("finish reason", candidate.finish_reason)
    if len(chunk.raw) > _LOOKED_AT:
        return
    try:
        if _known_inside.decode(chunk.raw).response is None:  # it came without an envelope
            _known.decode(chunk.raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        _name_news(chunk, drift)


def _name_news(chunk: Chunk, drift: Drift) -> None:
    """Counts the fields that no table knows, by their names."""
    try:
        fields = msgspec.json.decode(chunk.json, type=_Shape)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    for name in fields.keys() - RESPONSE_FIELDS:
        drift.saw("field", name)
    try:
        candidates = msgspec.json.decode(fields.get("candidates", Raw(b"[]")), type=list[_Shape])[:1]
        for name in {name for each in candidates for name in each} - CANDIDATE_FIELDS:
            drift.saw("field", f"candidates.{name}")
        contents = [msgspec.json.decode(each.get("content", Raw(b"{}")), type=_Parts) for each in candidates]
        for name in {name for content in contents for part in content.parts for name in part} - PART_FIELDS:
            drift.saw("part", name)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
