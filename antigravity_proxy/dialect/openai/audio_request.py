"""Decodes ``POST /v1/audio/transcriptions`` and ``/v1/audio/translations`` (translation.md 7). Pure."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

from msgspec import Struct

from antigravity_proxy.canonical.call import Call, OutputFormat, Reasoning, Sampling
from antigravity_proxy.canonical.content import Content, Part
from antigravity_proxy.canonical.estimate import input_tokens, text_tokens
from antigravity_proxy.dialect import media
from antigravity_proxy.dialect.base import Decoded
from antigravity_proxy.dialect.numbers import within
from antigravity_proxy.dialect.openai.audio_answer import AudioOptions, Form, new_answer
from antigravity_proxy.dialect.openai.form import Upload, read_form
from antigravity_proxy.errors import BadRequest, BodyTooLarge

#: for requests that name no model
_MODEL = "whisper-1"
#: bytes; what upstream takes in the request itself
MAX_AUDIO = 20 << 20

_TYPES = {
    "mp3": "audio/mp3",
    "mpeg": "audio/mp3",
    "mpga": "audio/mp3",
    "wav": "audio/wav",
    "m4a": "audio/mp4",
    "mp4": "audio/mp4",
    "flac": "audio/flac",
    "ogg": "audio/ogg",
    "oga": "audio/ogg",
    "opus": "audio/ogg",
    "webm": "audio/webm",
    "aac": "audio/aac",
    "aiff": "audio/aiff",
    "aif": "audio/aiff",
}
#: other names of the same types, after ``audio/`` and without ``x-``
_SUBTYPES = _TYPES | {"mpeg3": "audio/mp3", "wave": "audio/wav", "vnd.wave": "audio/wav", "mp4a-latm": "audio/mp4"}
#: the magic numbers that identify a file's type, with their offsets
_MAGIC = (
    (8, b"WAVE", "audio/wav"),
    (0, b"ID3", "audio/mp3"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
)

_TASKS = {
    "transcribe": ("Transcribe this audio verbatim.", "Output only the transcript."),
    "translate": ("Translate what is said in this audio into English.", "Output only the translation."),
}
_SEGMENTS = "Divide it into segments, a sentence or so each, in order; times are in seconds from the audio's beginning."


class AudioFields(Struct, kw_only=True):
    """The form's texts; unknown fields are ignored."""

    model: str | None = None
    language: str | None = None
    prompt: str | None = None
    response_format: Form = "json"
    temperature: float | None = None
    timestamp_granularities: list[Literal["word", "segment"]] | Literal["word", "segment"] = []
    include: list[str] | str = []
    stream: bool = False


def decode_transcription(body: bytes, content_type: str) -> Decoded:
    """A request for what is said; raises BadRequest with the ``param`` at fault, and BodyTooLarge."""
    form = read_form(body, content_type)
    fields = form.fields(AudioFields)
    if fields.stream and fields.response_format not in ("json", "text"):
        raise BadRequest("Only the formats json and text can be streamed.", param="stream")
    return _decoded(form.files("file"), fields, "transcribe")


def decode_translation(body: bytes, content_type: str) -> Decoded:
    """A request for what is said, in English; raises as ``decode_transcription`` does."""
    form = read_form(body, content_type)
    fields = form.fields(AudioFields)
    if fields.response_format == "diarized_json":
        raise BadRequest("Translations do not identify speakers.", param="response_format")
    fields.stream = False
    fields.language = None
    return _decoded(form.files("file"), fields, "translate")


def _decoded(files: list[Upload], fields: AudioFields, task: Literal["transcribe", "translate"]) -> Decoded:
    if len(files) != 1:
        raise BadRequest("There must be one file.", param="file")
    audio = _audio(files[0])
    words = "word" in fields.timestamp_granularities and fields.response_format == "verbose_json"
    segments = not words or "segment" in fields.timestamp_granularities
    timed = fields.response_format not in ("json", "text")
    instruction = _instruction(fields, task, timed)
    temperature = within(fields.temperature, "temperature", 0, 1)
    logprobs = "logprobs" in fields.include and fields.response_format == "json" and task == "transcribe"
    call = Call(
        model=fields.model or _MODEL,
        contents=(Content("user", (audio, Part(text=instruction))),),
        sampling=Sampling(temperature=temperature, response_logprobs=logprobs),
        output=OutputFormat("schema", _schema(fields.response_format, words)) if timed else OutputFormat(),
        reasoning=Reasoning("off", show=False),
        stream=fields.stream,
    )
    options = AudioOptions(  # holds nothing of the sound: the answer outlives it
        task=task,
        form=fields.response_format,
        stream=call.stream,
        words=words,
        segments=segments,
        logprobs=logprobs,
        temperature=temperature or 0.0,
        text_estimate=text_tokens(instruction),
        input_estimate=input_tokens(call),
    )
    return Decoded(call, partial(new_answer, options))


def _instruction(fields: AudioFields, task: str, timed: bool) -> str:
    what, only = _TASKS[task]
    sentences = [what, _SEGMENTS if timed else only]
    if fields.language:
        sentences.append(f'It is spoken in the language "{fields.language}".')
    if fields.prompt:
        sentences.append(f"For context and spelling, not part of it: {fields.prompt}")
    return "\n".join(sentences)


def _audio(file: Upload) -> Part:
    if not file.data:
        raise BadRequest("The file is empty.", param="file")
    if len(file.data) > MAX_AUDIO:
        raise BodyTooLarge(f"The audio is larger than {MAX_AUDIO >> 20} MiB.", param="file")
    return media.inline_bytes(_type(file), file.data)


def _type(file: Upload) -> str:
    """By the declared type, else by the file's name, else by how it begins; raises BadRequest."""
    kind, _, subtype = file.mime_type.partition("/")
    if kind == "video":
        return file.mime_type
    if kind == "audio" and subtype:
        return _SUBTYPES.get(subtype.removeprefix("x-"), file.mime_type)
    by_name = _TYPES.get(file.file_name.rpartition(".")[2].lower())
    found = by_name or next((kind for at, magic, kind in _MAGIC if file.data.startswith(magic, at)), None)
    if found is None:
        raise BadRequest("The audio format is unknown: give the file name an extension, such as a.mp3.", param="file")
    return found


def _schema(form: Form, words: bool) -> dict[str, Any]:
    """The schema of an answer with times."""
    seconds, text = {"type": "number", "description": "seconds"}, {"type": "string"}
    segment: dict[str, Any] = {"start": seconds, "end": seconds, "text": text}
    if form == "diarized_json":
        segment["speaker"] = {"type": "string", "description": 'who speaks: "A", "B", …'}
    found: dict[str, Any] = {
        "language": {"type": "string", "description": "the spoken language's English name, in lower case"},
        "segments": {"type": "array", "items": _object(segment)},
    }
    if words:
        found["words"] = {"type": "array", "items": _object({"start": seconds, "end": seconds, "word": text})}
    return _object(found)


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}
