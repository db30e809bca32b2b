"""``POST /v1/audio/speech`` (official-upstreams.md 8.4): text becomes sound, as WAV or bare PCM. Pure."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from antigravity_proxy.canonical.call import Call, Reasoning, Speech
from antigravity_proxy.canonical.chunk import FILTERED, Chunk
from antigravity_proxy.canonical.content import Content, Part
from antigravity_proxy.dialect.base import Decoded, Stamp
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
    if request.stream_format not in (None, "audio"):
        raise BadRequest("stream_format must be audio.", param="stream_format")
    if not isinstance(request.voice, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,63}", request.voice):
        raise BadRequest("voice must be a name, such as alloy or Kore.", param="voice")
    call = Call(
        model=request.model,
        contents=(Content("user", (Part(text=request.input),)),),
        reasoning=Reasoning(show=False),
        speech=Speech(_VOICES.get(request.voice.lower(), request.voice), request.instructions or ""),
    )
    return Decoded(call, lambda stamp: SpeechDocument(form, stamp))


class SpeechDocument:
    """Implements ``dialect.base.Answer``: the sound, whole."""

    __slots__ = ("_blocked", "_form", "_rate", "_sound", "content_type", "keepalive")

    def __init__(self, form: str, stamp: Stamp) -> None:
        self._form = form
        self._sound: list[bytes] = []
        self._rate = _USUAL_RATE
        self._blocked = False
        self.content_type = _FORMS[form]
        self.keepalive = b""

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        """As Answer's."""
        for chunk in chunks:
            self._blocked |= chunk.prompt_feedback is not None
            for candidate in chunk.candidates:
                self._blocked |= candidate.finish_reason in FILTERED
                for part in candidate.content.parts:
                    if part.inline_data is not None:
                        self._take(part.inline_data.mime_type, part.inline_data.data)
        return b""

    def _take(self, mime_type: str, data: str) -> None:
        if found := _RATE.search(mime_type):
            self._rate = int(found[1])
        try:
            self._sound.append(base64.b64decode(data))
        except ValueError:
            raise UpstreamBroken("Upstream's audio can't be read.") from None

    def close(self) -> bytes:
        """As Answer's."""
        sound = b"".join(self._sound)
        if not sound and self._blocked:
            raise ModerationBlocked("Upstream's safety filters blocked the speech.")
        if not sound:
            raise UpstreamBroken("Upstream sent no audio.")
        return sound if self._form == "pcm" else _wav_head(len(sound), self._rate) + sound

    def fail(self, error: ProxyError) -> bytes:
        """Never called: nothing leaves before the end."""
        return b""


def _wav_head(size: int, rate: int) -> bytes:
    """The 44 bytes before 16-bit mono PCM."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    return b"RIFF" + struct.pack("<I", 36 + size) + b"WAVE" + form + b"data" + struct.pack("<I", size)
