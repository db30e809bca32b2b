"""The transcript with its times, and its forms: subtitles, lists (translation.md 7). Pure.

The times are the model's, and as good as they are.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from antigravity_proxy.dialect.parts import UNREADABLE, unfenced
from antigravity_proxy.errors import UpstreamBroken

#: seconds; nothing that fits in a request is as long
_MAX_SECONDS = 359_999.0


class Segment(Struct):
    """A stretch of speech; times in seconds from the beginning."""

    start: float
    end: float
    text: str
    speaker: str = ""


class Word(Struct):
    """A word; times in seconds from the beginning."""

    start: float
    end: float
    word: str


class Heard(Struct):
    """The model's answer."""

    segments: list[Segment]
    language: str = ""
    words: list[Word] = []

    @property
    def text(self) -> str:
        """All that was said."""
        return " ".join(filter(None, (segment.text.strip() for segment in self.segments)))

    @property
    def end(self) -> float:
        """When the last segment ends."""
        return max((segment.end for segment in self.segments), default=0.0)


_heard = msgspec.json.Decoder(Heard)


def read(text: str) -> Heard:
    """The model's answer, its times brought into order; raises UpstreamBroken if it isn't what was asked for."""
    try:
        heard = _heard.decode(unfenced(text))
    except (*UNREADABLE, RecursionError):
        raise UpstreamBroken("The model's transcript has no times that can be read.") from None
    _order(heard.segments)
    _order(heard.words)
    return heard


def _order(stretches: Sequence[Segment | Word]) -> None:
    for each in stretches:
        each.start = min(max(each.start, 0.0), _MAX_SECONDS)
        each.end = min(max(each.end, each.start), _MAX_SECONDS)


def srt(heard: Heard) -> str:
    """SubRip subtitles."""
    return "".join(
        f"{number}\n{_clock(each.start, ',')} --> {_clock(each.end, ',')}\n{_lines(each.text)}\n\n"
        for number, each in enumerate(heard.segments, 1)
    )


def vtt(heard: Heard) -> str:
    """WebVTT subtitles."""
    return "WEBVTT\n\n" + "".join(
        f"{_clock(each.start, '.')} --> {_clock(each.end, '.')}\n{_lines(each.text)}\n\n" for each in heard.segments
    )


def listed(segment: Segment, number: int, temperature: float) -> dict[str, Any]:
    """A segment of ``verbose_json``. Values that only another kind of model has are 0."""
    text = segment.text.encode("utf-8", "replace")
    return {
        "id": number,
        "seek": 0,
        "start": segment.start,
        "end": segment.end,
        "text": segment.text,
        "tokens": [],
        "temperature": temperature,
        "avg_logprob": 0.0,
        "compression_ratio": len(text) / len(zlib.compress(text)),
        "no_speech_prob": 0.0,
    }


def spoken(segment: Segment, number: int) -> dict[str, Any]:
    """A segment of ``diarized_json``."""
    return {
        "type": "transcript.text.segment",
        "id": f"seg_{number:03}",
        "start": segment.start,
        "end": segment.end,
        "speaker": segment.speaker,
        "text": segment.text,
    }


def _clock(seconds: float, point: str) -> str:
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{point}{thousandths:03}"


def _lines(text: str) -> str:
    """Without empty lines, which end a subtitle."""
    return "\n".join(filter(None, (line.strip() for line in text.splitlines())))
