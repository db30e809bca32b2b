"""``POST /v1/audio/speech`` (official-upstreams.md 8.4): text becomes sound, as WAV or bare PCM, or in events. Pure."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from antigravity_proxy.canonical.call import Call, Reasoning, Speech
from antigravity_proxy.canonical.chunk import FILTERED, UNCOUNTED, Chunk, Usage
from antigravity_proxy.canonical.content import Blob, Content, Part
from antigravity_proxy.canonical.estimate import text_size, tokens
from antigravity_proxy.dialect.base import Decoded
from antigravity_proxy.dialect.openai.errors import error_object
from antigravity_proxy.dialect.openai.usage import counted
from antigravity_proxy.dialect.parse import parse
from antigravity_proxy.errors import BadRequest, ModerationBlocked, ProxyError, UpstreamBroken

#: OpenAI's voices, and the Gemini voice that each is spoken by
_VOICES = {
    "alloy": "Kore",
    "ash": "Iapetus",
    "ballad": "Algieba",
    "cedar": "Achird",
    "coral": "Sulafat",
    "echo": "Charon",
    "fable": "Umbriel",
    "marin": "Despina",
    "onyx": "Orus",
    "sage": "Vindemiatrix",
    "shimmer": "Achernar",
    "verse": "Puck",
}
_FORMS = {"wav": b"audio/wav", "pcm": b"audio/pcm"}
_RATE = re.compile(r"rate=(\d{4,6})", re.I)
#: samples a second, where upstream does not say
_USUAL_RATE = 24_000
_MAX_INPUT = 32_768
#: what stands for a size that isn't known yet
_UNKNOWN_SIZE = 0xFFFFFFFF
_json = msgspec.json.Encoder().encode


class _Request(Struct):
    model: str
    input: str
    voice: str | dict[str, Any]
    response_format: str | None = None
    instructions: str | None = None
    speed: float | None = None
    stream_format: str | None = None


_decoder = msgspec.json.Decoder(_Request)


def decode(body: bytes) -> Decoded:
    """The request as a call; raises BadRequest with the ``param`` at fault."""
    request = parse(body, _decoder)
    form = request.response_format or "mp3"
    if form not in _FORMS:
        raise BadRequest(f"{form[:20]} is not supported: use wav or pcm.", param="response_format")
    if not 0 < len(request.input.strip()) <= _MAX_INPUT:
        raise BadRequest(f"From 1 to {_MAX_INPUT} characters can be spoken.", param="input")
    if request.speed not in (None, 1):
        raise BadRequest("speed is not supported: leave it out, or ask for it in the instructions.", param="speed")
    if request.stream_format not in (None, "audio", "sse"):
        raise BadRequest("stream_format must be audio or sse.", param="stream_format")
    if not isinstance(request.voice, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,63}", request.voice):
        raise BadRequest("voice must be a name, such as alloy or Kore.", param="voice")
    call = Call(
        model=request.model,
        contents=(Content("user", (Part(text=request.input),)),),
        reasoning=Reasoning(show=False),
        stream=request.stream_format is not None,
        speech=Speech(_VOICES.get(request.voice.lower(), request.voice), request.instructions or ""),
    )
    size, streamed = text_size(request.input), request.stream_format
    match streamed:
        case None:
            return Decoded(call, lambda _: SpeechDocument(form))
        case "sse":
            return Decoded(call, lambda _: SpeechEvents(form, tokens(size)))
        case _:
            return Decoded(call, lambda _: SpeechStream(form))


class _Speech:
    """What all forms share: the sound as it comes."""

    __slots__ = ("_blocked", "_form", "_rate", "_usage")

    def __init__(self, form: str) -> None:
        self._form = form
        self._rate = _USUAL_RATE
        self._blocked = False
        self._usage: Usage | None = None

    def _sound(self, chunks: Sequence[Chunk]) -> bytes:
        """The sound of these; raises UpstreamBroken for what is none."""
        found: list[bytes] = []
        for chunk in chunks:
            self._blocked |= chunk.prompt_feedback is not None
            if chunk.usage_metadata not in UNCOUNTED:
                self._usage = chunk.usage_metadata
            for candidate in chunk.candidates:
                self._blocked |= candidate.finish_reason in FILTERED
                found += [self._decoded(part.inline_data) for part in candidate.content.parts if part.inline_data]
        return b"".join(found)

    def _decoded(self, blob: Blob) -> bytes:
        if rate := _RATE.search(blob.mime_type):
            self._rate = int(rate[1])
        try:
            return base64.b64decode(blob.data)
        except ValueError:
            raise UpstreamBroken("Upstream's audio can't be read.") from None

    def _check(self, came: bool) -> None:
        """Raises ModerationBlocked and UpstreamBroken where no sound came."""
        if not came and self._blocked:
            raise ModerationBlocked("Upstream's safety filters blocked the speech.")
        if not came:
            raise UpstreamBroken("Upstream sent no audio.")

    def _head(self, size: int) -> bytes:
        return b"" if self._form == "pcm" else _wav_head(size, self._rate)


class SpeechDocument(_Speech):
    """Implements ``dialect.base.Answer``: the sound, whole."""

    __slots__ = ("_pieces", "content_type")

    keepalive = b""

    def __init__(self, form: str) -> None:
        super().__init__(form)
        self._pieces: list[bytes] = []
        self.content_type = _FORMS[form]

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        """As Answer's."""
        self._pieces.append(self._sound(chunks))
        return b""

    def close(self) -> bytes:
        """As Answer's."""
        sound = b"".join(self._pieces)
        self._check(bool(sound))
        return self._head(len(sound)) + sound

    def fail(self, error: ProxyError) -> None:
        """Never called in earnest: nothing leaves before the end."""


class SpeechStream(_Speech):
    """Implements ``dialect.base.Answer``: the sound as it comes, of a length that isn't known yet."""

    __slots__ = ("_began", "content_type")

    keepalive = b""

    def __init__(self, form: str) -> None:
        super().__init__(form)
        self._began = False
        self.content_type = _FORMS[form]

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        """As Answer's."""
        sound = self._sound(chunks)
        if not sound or self._began:
            return sound
        self._began = True
        return self._head(_UNKNOWN_SIZE) + sound

    def close(self) -> bytes:
        """As Answer's."""
        self._check(self._began)
        return b""

    def fail(self, error: ProxyError) -> bytes | None:
        """As Answer's: sound has no place for an error."""
        return None


class SpeechEvents(SpeechStream):
    """Implements ``dialect.base.Answer``: the same in OpenAI's events; ``input_estimate`` in tokens."""

    __slots__ = ("_input_estimate",)

    keepalive = b": keepalive\n\n"

    def __init__(self, form: str, input_estimate: int) -> None:
        super().__init__(form)
        self._input_estimate = input_estimate
        self.content_type = b"text/event-stream; charset=utf-8"

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        """As Answer's."""
        sound = super().feed(chunks)
        return b'data: {"type":"speech.audio.delta","audio":"%s"}\n\n' % base64.b64encode(sound) if sound else b""

    def close(self) -> bytes:
        """As Answer's."""
        super().close()
        found = counted(self._usage, self._input_estimate, 0)
        usage = {"input_tokens": found.input, "output_tokens": found.output, "total_tokens": found.input + found.output}
        return b"data: " + _json({"type": "speech.audio.done", "usage": usage}) + b"\n\n"

    def fail(self, error: ProxyError) -> bytes:
        """As Answer's."""
        return b"data: " + _json({"error": error_object(error)}) + b"\n\n"


def _wav_head(size: int, rate: int) -> bytes:
    """The 44 bytes before 16-bit mono PCM."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    riff = struct.pack("<4sI4s", b"RIFF", min(36 + size, _UNKNOWN_SIZE), b"WAVE")
    return riff + form + struct.pack("<4sI", b"data", size)
