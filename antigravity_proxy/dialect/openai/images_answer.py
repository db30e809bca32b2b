"""Encodes generated pictures, streamed and whole (translation.md 6). Pure."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from antigravity_proxy.canonical.chunk import FILTERED, UNCOUNTED, Candidate, Chunk, Usage
from antigravity_proxy.canonical.content import Blob
from antigravity_proxy.canonical.estimate import TOKENS_PER_MEDIA
from antigravity_proxy.dialect.base import Answer, Stamp
from antigravity_proxy.dialect.openai.errors import error_object
from antigravity_proxy.dialect.openai.usage import text_tokens_of
from antigravity_proxy.dialect.parts import data_url
from antigravity_proxy.errors import ModerationBlocked, ProxyError, UpstreamBroken

_json = msgspec.json.Encoder().encode
#: characters of what the model said instead of a picture
_MAX_EXCUSE = 300


#: characters of base64 that hold a PNG's signature and its first chunk up to the height
_PNG_HEAD = 32
#: what an answer may say of the quality that was asked for; older words have no place in it
_QUALITIES = frozenset({"low", "medium", "high", "xhigh", "max"})


class PictureOptions(Struct, frozen=True):
    """The request's options for its answer.

    ``event`` is what a stream's events are called. ``reads_images``: the input is not text alone. ``text_estimate`` and
    ``input_estimate`` are the prompt's tokens, for an upstream that doesn't count.
    """

    event: bytes
    stream: bool = False
    as_url: bool = False
    quality: str | None = None
    background: str | None = None
    reads_images: bool = False
    text_estimate: int = 0
    input_estimate: int = 0


class _Counts(Struct):
    """Tokens of one answer."""

    input: int
    text: int
    output: int


def made_size(blob: Blob) -> str:
    """A picture's width and height in pixels, from its header; empty if it is not PNG."""
    try:
        head = base64.b64decode(blob.data[:_PNG_HEAD])
    except ValueError:
        return ""
    if len(head) != 24 or head[:8] != b"\x89PNG\r\n\x1a\n" or head[12:16] != b"IHDR":
        return ""
    return f"{int.from_bytes(head[16:20])}x{int.from_bytes(head[20:24])}"


def new_answer(options: PictureOptions, stamp: Stamp) -> Answer:
    """The answer to one attempt."""
    return PictureStream(options, stamp) if options.stream else PictureDocument(options, stamp)


class _Pictures:
    """The common part of both forms."""

    __slots__ = ("_blocked", "_options", "_said", "_stamp", "made")

    def __init__(self, options: PictureOptions, stamp: Stamp) -> None:
        self._options = options
        self._stamp = stamp
        self._said: dict[int, list[str]] = {}
        self._blocked = ""
        self.made = 0

    def _walk(self, chunks: Sequence[Chunk]) -> Iterator[tuple[Chunk, Candidate, list[Blob]]]:
        """The pictures as they come; thoughts, sketches among them, are none."""
        for chunk in chunks:
            feedback = chunk.prompt_feedback
            if feedback is not None and feedback.block_reason:
                self._blocked = feedback.block_reason
            for candidate in chunk.candidates:
                if candidate.finish_reason in FILTERED:
                    self._blocked = candidate.finish_reason
                blobs = []
                for part in candidate.content.parts:
                    if part.thought:
                        continue
                    if part.inline_data is not None:
                        blobs.append(part.inline_data)
                    elif part.text:
                        self._said.setdefault(candidate.index, []).append(part.text)
                self.made += len(blobs)
                yield chunk, candidate, blobs

    def _check(self) -> None:
        """Raises a ProxyError if there is no picture."""
        if self.made:
            return
        if self._blocked:
            raise ModerationBlocked(f"Upstream's safety filters blocked every image ({self._blocked}).")
        said = " ".join("".join(texts) for texts in self._said.values())[:_MAX_EXCUSE]
        raise UpstreamBroken(f"The model made no image{': ' if said else '.'}{said}")

    def _counts(self, chunk: Chunk, made: int) -> _Counts:
        """An answer's tokens, what upstream didn't count estimated."""
        usage, options = Usage() if chunk.usage_metadata is None else chunk.usage_metadata, self._options
        tokens = usage.input_tokens or max(1, options.input_estimate)
        told = text_tokens_of(chunk)
        text = tokens if not options.reads_images else options.text_estimate if told is None else told
        return _Counts(tokens, min(text, tokens), usage.output_tokens or made * TOKENS_PER_MEDIA)


class PictureStream(_Pictures):
    """``stream: true``: an event for each picture, once it is complete."""

    __slots__ = ()

    content_type = b"text/event-stream; charset=utf-8"
    keepalive = b": keepalive\n\n"

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        """See ``dialect.base.Answer``."""
        out = []
        for chunk, _, blobs in self._walk(chunks):
            usage = _usage(self._counts(chunk, len(blobs))) if blobs else {}
            out += [self._event(blob, usage) for blob in blobs]
        return b"".join(out)

    def close(self) -> bytes:
        """See ``dialect.base.Answer``; raises ModerationBlocked or UpstreamBroken."""
        self._check()
        return b""

    def fail(self, error: ProxyError) -> bytes:
        """See ``dialect.base.Answer``."""
        return b"data: " + _json({"error": error_object(error)}) + b"\n\n"

    def _event(self, blob: Blob, usage: dict[str, Any]) -> bytes:
        options = self._options
        kind = options.event + b".completed"
        fields = {
            "type": kind.decode(),
            "b64_json": blob.data,
            "created_at": self._stamp.created,
            "size": made_size(blob) or "auto",
            "quality": options.quality or "auto",
            "background": options.background or "auto",
            "output_format": _format(blob),
            "usage": usage,
        }
        return b"event: %s\ndata: %s\n\n" % (kind, _json(fields))


class PictureDocument(_Pictures):
    """All pictures in one JSON document, in the order of the requests for them."""

    __slots__ = ("_blobs", "_counted")

    content_type = b"application/json"
    keepalive = b""

    def __init__(self, options: PictureOptions, stamp: Stamp) -> None:
        super().__init__(options, stamp)
        self._blobs: dict[int, list[Blob]] = {}
        self._counted: dict[int, _Counts] = {}

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        """See ``dialect.base.Answer``."""
        for chunk, candidate, blobs in self._walk(chunks):
            made = self._blobs.setdefault(candidate.index, [])
            made += blobs
            if chunk.usage_metadata not in UNCOUNTED or candidate.index not in self._counted:
                self._counted[candidate.index] = self._counts(chunk, len(made))
        return b""

    def close(self) -> bytes:
        """See ``dialect.base.Answer``; raises ModerationBlocked or UpstreamBroken."""
        self._check()
        options = self._options
        data = [self._picture(index, blob) for index in sorted(self._blobs) for blob in self._blobs[index]]
        counts = list(self._counted.values())
        total = _Counts(counts[0].input, counts[0].text, sum(each.output for each in counts))  # the prompt once
        document: dict[str, Any] = {
            "created": self._stamp.created,
            "data": data,
            "output_format": next(_format(blob) for blobs in self._blobs.values() for blob in blobs),
        }
        made = {made_size(blob) for blobs in self._blobs.values() for blob in blobs}
        if len(made) == 1 and (size := made.pop()):
            document["size"] = size
        if options.quality in _QUALITIES:
            document["quality"] = options.quality
        return _json(document | {"usage": _usage(total)})

    def fail(self, error: ProxyError) -> bytes:
        """Never called in earnest: nothing has left before ``close``. Gives the error's document."""
        return _json({"error": error_object(error)})

    def _picture(self, index: int, blob: Blob) -> dict[str, str]:
        picture = {"url": data_url(blob)} if self._options.as_url else {"b64_json": blob.data}
        if said := self._said.get(index):
            picture["revised_prompt"] = "".join(said)
        return picture


def _format(blob: Blob) -> str:
    """Its true format: nothing is converted here."""
    return blob.mime_type.rpartition("/")[2]


def _usage(counts: _Counts) -> dict[str, Any]:
    return {
        "input_tokens": counts.input,
        "input_tokens_details": {"text_tokens": counts.text, "image_tokens": counts.input - counts.text},
        "output_tokens": counts.output,
        "total_tokens": counts.input + counts.output,
    }
