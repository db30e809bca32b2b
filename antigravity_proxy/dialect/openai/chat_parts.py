"""The parts of chat messages, in requests and in answers (translation.md 2.2, 2.8, 3.1, 3.2). Pure."""

from __future__ import annotations

from typing import Any

from msgspec import Raw, Struct

from antigravity_proxy.canonical.content import Blob, FunctionCall, Part
from antigravity_proxy.dialect import media
from antigravity_proxy.dialect.base import Stamp
from antigravity_proxy.dialect.openai import custom_tools
from antigravity_proxy.dialect.openai.parts import Sound, file_part, parts_of, sound_part, text_citations, texts_of
from antigravity_proxy.dialect.parts import call_id, compact, data_url


class Text(Struct, tag_field="type", tag="text"):
    """Plain text."""

    text: str


class Refusal(Struct, tag_field="type", tag="refusal"):
    """The model's words of refusal, in history."""

    refusal: str


class Url(Struct):
    """Where an image is: a data URL."""

    url: str


class Image(Struct, tag_field="type", tag="image_url"):
    """An image; some clients give the URL as a plain string."""

    image_url: Url | str


class Audio(Struct, tag_field="type", tag="input_audio"):
    """Sound."""

    input_audio: Sound


class _Document(Struct):
    file_data: str | None = None
    filename: str | None = None
    file_id: str | None = None


class File(Struct, tag_field="type", tag="file"):
    """A file, as a data URL or as bare base64 with a file name."""

    file: _Document


ContentPart = Text | Refusal | Image | Audio | File
MessageContent = str | list[ContentPart] | None


def parts(contents: MessageContent, where: str) -> list[Part]:
    """The content as parts, in order; raises BadRequest that names the part."""
    return parts_of(contents, where, _part)


def texts(contents: MessageContent, where: str) -> list[str]:
    """The content where only text makes sense; raises BadRequest for anything else."""
    return texts_of(contents, where, lambda part: part.text if isinstance(part, Text) else None)


def image_of(image_url: Url | str, param: str) -> Part:
    """An image by its URL."""
    return media.from_url(image_url if isinstance(image_url, str) else image_url.url, param)


def _part(part: ContentPart, where: str) -> Part:
    match part:
        case Text():
            return Part(text=part.text)
        case Refusal():
            return Part(text=part.refusal)
        case Image():
            return image_of(part.image_url, f"{where}.image_url")
        case Audio():
            return sound_part(part.input_audio, f"{where}.input_audio")
        case _:
            file = part.file
            return file_part(file.file_data, file.filename, file.file_id, f"{where}.file")


# -- in answers


def tool_call(call: FunctionCall, signature: str, stamp: Stamp, custom: frozenset[str]) -> dict[str, Any]:
    """One call, in the form of a message."""
    out: dict[str, Any] = {"id": call_id(call, "call_", stamp, signature)}
    args = compact(call.args)
    if call.name in custom:
        out |= {"type": "custom", "custom": {"name": call.name, "input": custom_tools.called_with(args)}}
    else:
        out |= {"type": "function", "function": {"name": call.name, "arguments": args}}
    if signature:
        out["extra_content"] = {"google": {"thought_signature": signature}}
    return out


def image(blob: Blob, index: int) -> dict[str, Any]:
    """A generated image, in the form that OpenRouter made common."""
    return {
        "type": "image_url",
        "index": index,
        "image_url": {"url": data_url(blob)},
    }


def citations(grounding: Raw, text: str) -> list[dict[str, Any]]:
    """``annotations``: the citations of a web search."""
    return [{"type": "url_citation", "url_citation": cited} for cited in text_citations(grounding, text)]
