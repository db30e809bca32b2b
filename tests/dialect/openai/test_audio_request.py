"""Requests for transcripts and translations."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.forms import CONTENT_TYPE, Field, form

from antigravity_proxy.canonical.call import Call, OutputFormat, Reasoning, Sampling
from antigravity_proxy.canonical.content import Blob, Content, Part
from antigravity_proxy.dialect.base import Decoded
from antigravity_proxy.dialect.openai.audio_request import MAX_AUDIO, decode_transcription, decode_translation
from antigravity_proxy.errors import BadRequest, BodyTooLarge

FILE: tuple[str, Field] = ("file", ("a.mp3", b"sound"))
SOUND = Part(inline_data=Blob("audio/mp3", base64.b64encode(b"sound").decode()))
NUMBER = {"type": "number", "description": "seconds"}
TEXT = {"type": "string"}
Decode = Callable[[bytes, str], Decoded]


def transcription(
    *fields: tuple[str, Field], file: tuple[str, Field] = FILE, decode: Decode = decode_transcription
) -> Call:
    return decode(form(file, *fields), CONTENT_TYPE).call


def asked(*sentences: str, model: str = "whisper-1", **more: Any) -> Call:
    parts = (SOUND, Part(text="\n".join(sentences)))
    return Call(model, (Content("user", parts),), reasoning=Reasoning("off", show=False), **more)


def instruction(call: Call) -> str:
    return call.contents[0].parts[1].text or ""


def properties(call: Call, *way: str) -> dict[str, Any]:
    found = call.output.schema
    for step in way:
        found = found["properties"][step]["items"]
    assert found["required"] == list(found["properties"])
    kinds: dict[str, Any] = found["properties"]
    return kinds


def test_a_file_is_enough() -> None:
    assert transcription() == asked("Transcribe this audio verbatim.", "Output only the transcript.")
    assert transcription(decode=decode_translation) == asked(
        "Translate what is said in this audio into English.", "Output only the translation."
    )


def test_settings() -> None:
    found = transcription(
        ("model", "gpt-4o-transcribe"),
        ("language", "de"),
        ("prompt", "Ä"),
        ("temperature", "0.5"),
        ("stream", "true"),
        ("response_format", "text"),
        ("chunking_strategy", "auto"),
        ("include[]", "item"),
    )
    assert found == asked(
        "Transcribe this audio verbatim.",
        "Output only the transcript.",
        'It is spoken in the language "de".',
        "For context and spelling, not part of it: Ä",
        model="gpt-4o-transcribe",
        sampling=Sampling(temperature=0.5),
        stream=True,
    )


def test_a_translation_knows_no_language_and_no_stream() -> None:
    found = transcription(("language", "de"), ("stream", "true"), ("include[]", "logprobs"), decode=decode_translation)
    assert found == transcription(decode=decode_translation)


@pytest.mark.parametrize("form", ["srt", "vtt", "verbose_json"])
def test_times_are_asked_for_by_schema(form: str) -> None:
    found = transcription(("response_format", form))
    assert found.output.kind == "schema"
    assert list(properties(found)) == ["language", "segments"]
    assert properties(found, "segments") == {"start": NUMBER, "end": NUMBER, "text": TEXT}
    assert "Output only" not in instruction(found)
    assert "segments" in instruction(found)
    assert transcription(("response_format", "json")).output == OutputFormat()


def test_words_and_speakers() -> None:
    words = (("response_format", "verbose_json"), ("timestamp_granularities[]", "word"))
    assert properties(transcription(*words), "words") == {"start": NUMBER, "end": NUMBER, "word": TEXT}
    assert "words" in properties(transcription(words[0], ("timestamp_granularities", "word")))
    assert "words" not in properties(transcription(words[0], ("timestamp_granularities[]", "segment")))
    assert "words" not in properties(transcription(("response_format", "srt"), words[1]))
    assert list(properties(transcription(("response_format", "diarized_json")), "segments"))[-1] == "speaker"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([("include[]", "logprobs")], True),
        ([("include", "logprobs")], True),
        ([("include[]", "x")], False),
        ([("include[]", "logprobs"), ("response_format", "text")], False),
    ],
)
def test_log_probabilities(fields: list[tuple[str, Field]], expected: bool) -> None:
    assert transcription(*fields).sampling.response_logprobs is expected


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        (("a", b"x", "audio/mpeg"), "audio/mp3"),
        (("a.wav", b"x", "audio/mpeg"), "audio/mp3"),
        (("a", b"x", "audio/x-wav"), "audio/wav"),
        (("a", b"x", "audio/vnd.wave"), "audio/wav"),
        (("a", b"x", "audio/x-m4a"), "audio/mp4"),
        (("a", b"x", "audio/opus"), "audio/ogg"),
        (("a", b"x", "audio/amr"), "audio/amr"),
        (("a", b"x", "video/mp4"), "video/mp4"),
        (("a.wav", b"x", "audio/"), "audio/wav"),
        (("a.MP3", b"x"), "audio/mp3"),
        (("a.mpga", b"x", "application/octet-stream"), "audio/mp3"),
        (("a.mpeg", b"x"), "audio/mp3"),
        (("a.m4a", b"x"), "audio/mp4"),
        (("a.mp4", b"x"), "audio/mp4"),
        (("a.flac", b"x"), "audio/flac"),
        (("a.b.ogg", b"x"), "audio/ogg"),
        (("a.opus", b"x"), "audio/ogg"),
        (("a.webm", b"x"), "audio/webm"),
        (("a.aac", b"x"), "audio/aac"),
        (("a.aiff", b"x"), "audio/aiff"),
        (("upload", b"RIFF....WAVEfmt "), "audio/wav"),
        (("upload", b"ID3\x04"), "audio/mp3"),
        (("upload", b"fLaC"), "audio/flac"),
        (("upload", b"OggS"), "audio/ogg"),
    ],
)
def test_the_kind_of_audio(file: Any, kind: str) -> None:
    (content,) = transcription(file=("file", file)).contents
    assert content.parts[0] == Part(inline_data=Blob(kind, base64.b64encode(file[1]).decode()))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ([], "file"),
        ([FILE, FILE], "file"),
        ([("file", "a.mp3")], "file"),
        ([("file", ("a.mp3", b""))], "file"),
        ([("file", ("a.txt", b"text"))], "file"),
        ([("file", ("a.png", b"\x89PNG", "image/png"))], "file"),
        ([FILE, ("response_format", "doc")], "response_format"),
        ([FILE, ("temperature", "1.5")], "temperature"),
        ([FILE, ("temperature", "nan")], "temperature"),
        ([FILE, ("temperature", "hot")], "temperature"),
        ([FILE, ("stream", "maybe")], "stream"),
        ([FILE, ("stream", "true"), ("response_format", "srt")], "stream"),
        ([FILE, ("timestamp_granularities[]", "letter")], "timestamp_granularities[0]"),
        ([FILE, ("language", b"\xff")], "language"),
    ],
)
def test_the_field_at_fault_is_named(fields: list[tuple[str, Field]], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        decode_transcription(form(*fields), CONTENT_TYPE)
    assert caught.value.param == param


def test_a_translation_does_not_tell_speakers() -> None:
    with pytest.raises(BadRequest) as caught:
        transcription(("response_format", "diarized_json"), decode=decode_translation)
    assert caught.value.param == "response_format"


def test_too_much() -> None:
    assert transcription(file=("file", ("a.mp3", bytes(MAX_AUDIO))))
    with pytest.raises(BodyTooLarge) as caught:
        transcription(file=("file", ("a.mp3", bytes(MAX_AUDIO + 1))))
    assert caught.value.param == "file"


TEXTS = st.sampled_from(
    ["", "0", "1", "-1", "1e400", "nan", "inf", "true", "null", "srt", "word", "logprobs", "\0", "9" * 5000]
)
NAMES = st.sampled_from(
    [
        "file",
        "model",
        "language",
        "prompt",
        "response_format",
        "temperature",
        "stream",
        "include",
        "timestamp_granularities",
    ]
)


@given(st.lists(st.tuples(NAMES | NAMES.map(lambda name: name + "[]"), TEXTS | st.binary(max_size=8)), max_size=6))
def test_no_values_raise_anything_else(fields: list[tuple[str, Any]]) -> None:
    for decode in (decode_transcription, decode_translation):
        try:
            decoded = decode(form(FILE, *fields), CONTENT_TYPE)
        except BadRequest as e:
            assert e.message  # noqa: PT017 - only that it is a clear one matters
        else:
            assert decoded.call.contents


@given(st.binary(max_size=100), st.text(max_size=40) | st.just(CONTENT_TYPE))
def test_no_bytes_raise_anything_else(body: bytes, content_type: str) -> None:
    for decode in (decode_transcription, decode_translation):
        with pytest.raises(BadRequest):
            decode(body, content_type)
