"""Encodes transcripts, streamed and whole (translation.md 7). Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from antigravity_proxy.canonical.chunk import FILTERED, UNCOUNTED, Chunk, Usage
from antigravity_proxy.canonical.estimate import TOKENS_PER_SECOND, text_size
from antigravity_proxy.dialect.base import Answer, Stamp
from antigravity_proxy.dialect.openai import audio_segments
from antigravity_proxy.dialect.openai.audio_segments import Heard
from antigravity_proxy.dialect.openai.errors import error_object
from antigravity_proxy.dialect.openai.parts import log_probabilities
from antigravity_proxy.dialect.openai.usage import counted, text_tokens_of
from antigravity_proxy.errors import BadRequest, ProxyError

Form = Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"]
_json = msgspec.json.Encoder().encode
_PLAIN = b"text/plain; charset=utf-8"


class AudioOptions(Struct, frozen=True):
    """The request's options for its answer.

    ``words``, ``segments``: what ``verbose_json`` is to list. ``text_estimate`` and ``input_estimate`` are the prompt's
    tokens, for an upstream that doesn't count.
    """

    task: Literal["transcribe", "translate"] = "transcribe"
    form: Form = "json"
    stream: bool = False
    words: bool = False
    segments: bool = True
    logprobs: bool = False
    temperature: float = 0.0
    text_estimate: int = 0
    input_estimate: int = 0


def new_answer(options: AudioOptions, stamp: Stamp) -> Answer:
    """The answer to one attempt."""
    return TranscriptStream(options) if options.stream else TranscriptDocument(options)


class _Transcript:
    """The common part of both forms."""

    __slots__ = ("_blocked", "_logprobs", "_options", "_text_tokens", "_texts", "_usage")

    def __init__(self, options: AudioOptions) -> None:
        self._options = options
        self._texts: list[str] = []
        self._logprobs: list[dict[str, Any]] = []
        self._usage: Usage | None = None
        self._text_tokens: int | None = None
        self._blocked = ""

    def _walk(self, chunks: Sequence[Chunk]) -> Iterator[str]:
        """The texts as they come; thoughts are none."""
        for chunk in chunks:
            feedback = chunk.prompt_feedback
            if feedback is not None and feedback.block_reason:
                self._blocked = feedback.block_reason
            if chunk.usage_metadata not in UNCOUNTED:
                self._usage = chunk.usage_metadata
                self._text_tokens = text_tokens_of(chunk)
            for candidate in chunk.candidates:
                if candidate.finish_reason in FILTERED:
                    self._blocked = candidate.finish_reason
                if self._options.logprobs and candidate.logprobs_result:
                    found = log_probabilities(candidate.logprobs_result)
                    self._logprobs += [{k: v for k, v in each.items() if k != "top_logprobs"} for each in found]
                for part in candidate.content.parts:
                    if part.text and not part.thought:
                        self._texts.append(part.text)
                        yield part.text

    def _whole(self) -> str:
        """The text; raises BadRequest where upstream's filters cut it off: no form has a place to say so."""
        if self._blocked:
            raise BadRequest(f"Upstream's filters stopped the transcript ({self._blocked}).", param="file")
        return "".join(self._texts)

    def _usage_object(self, text: str) -> dict[str, Any]:
        found = counted(self._usage, self._options.input_estimate, text_size(text))
        told = self._options.text_estimate if self._text_tokens is None else self._text_tokens
        words = min(told, found.input)
        return {
            "type": "tokens",
            "input_tokens": found.input,
            "input_token_details": {"text_tokens": words, "audio_tokens": found.input - words},
            "output_tokens": found.output,
            "total_tokens": found.input + found.output,
        }

    def _plain(self, text: str) -> dict[str, Any]:
        """The fields of ``json``, as of a stream's end."""
        logprobs = {"logprobs": self._logprobs} if self._logprobs else {}
        return {"text": text, **logprobs, "usage": self._usage_object(text)}


class TranscriptStream(_Transcript):
    """``stream: true``."""

    __slots__ = ()

    content_type = b"text/event-stream; charset=utf-8"
    keepalive = b": keepalive\n\n"

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        """See ``dialect.base.Answer``."""
        return b"".join(
            b'data: {"type":"transcript.text.delta","delta":%s}\n\n' % _json(text) for text in self._walk(chunks)
        )

    def close(self) -> bytes:
        """See ``dialect.base.Answer``; raises BadRequest."""
        return b"data: " + _json({"type": "transcript.text.done", **self._plain(self._whole())}) + b"\n\n"

    def fail(self, error: ProxyError) -> bytes:
        """See ``dialect.base.Answer``."""
        return b"data: " + _json({"error": error_object(error)}) + b"\n\n"


class TranscriptDocument(_Transcript):
    """The whole transcript, in the form that the client wants."""

    __slots__ = ("content_type",)

    keepalive = b""

    def __init__(self, options: AudioOptions) -> None:
        super().__init__(options)
        self.content_type = _PLAIN if options.form in ("text", "srt", "vtt") else b"application/json"

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        """See ``dialect.base.Answer``."""
        for _ in self._walk(chunks):
            pass
        return b""

    def close(self) -> bytes:
        """See ``dialect.base.Answer``; raises BadRequest, and UpstreamBroken for times that can't be read."""
        form, text = self._options.form, self._whole()
        if form == "text":
            return text.encode("utf-8", "replace")
        if form == "json":
            return _json(self._plain(text) if self._options.task == "transcribe" else {"text": text})
        heard = audio_segments.read(text)
        if form == "srt":
            return audio_segments.srt(heard).encode("utf-8", "replace")
        if form == "vtt":
            return audio_segments.vtt(heard).encode("utf-8", "replace")
        return _json(self._verbose(heard) if form == "verbose_json" else self._diarized(heard, text))

    def fail(self, error: ProxyError) -> bytes:
        """Never called in earnest: nothing has left before ``close``. Gives the error's document."""
        return _json({"error": error_object(error)})

    def _verbose(self, heard: Heard) -> dict[str, Any]:
        options, seconds = self._options, self._seconds(heard)
        english = options.task == "translate"
        found: dict[str, Any] = {
            "task": options.task,
            "language": "english" if english else heard.language,
            "duration": seconds,
            "text": heard.text,
        }
        if options.words:
            found["words"] = heard.words
        if options.segments:
            segments = enumerate(heard.segments)
            found["segments"] = [audio_segments.listed(each, i, options.temperature) for i, each in segments]
        return found | {"usage": {"type": "duration", "seconds": math.ceil(seconds)}}

    def _diarized(self, heard: Heard, text: str) -> dict[str, Any]:
        return {
            "task": self._options.task,
            "duration": self._seconds(heard),
            "text": heard.text,
            "segments": [audio_segments.spoken(segment, i) for i, segment in enumerate(heard.segments)],
            "usage": self._usage_object(text),
        }

    def _seconds(self, heard: Heard) -> float:
        """The length of the audio: by its tokens if upstream reports them, else by the last segment's end."""
        if self._usage is None or self._text_tokens is None:
            return heard.end
        return max(0, self._usage.input_tokens - self._text_tokens) / TOKENS_PER_SECOND
