"""The content of chat messages as parts (translation.md 2.2, 3.1). Pure."""

from __future__ import annotations

from msgspec import Struct

from antigravity_proxy.canonical.content import Part
from antigravity_proxy.dialect import media
from antigravity_proxy.dialect.openai import content
from antigravity_proxy.dialect.openai.attachments import Sound, file_part, sound_part


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
    return content.parts(contents, where, _part)


def texts(contents: MessageContent, where: str) -> list[str]:
    """The content where only text makes sense; raises BadRequest for anything else."""
    return content.texts(contents, where, lambda part: part.text if isinstance(part, Text) else None)


def image(image_url: Url | str, param: str) -> Part:
    """An image by its URL."""
    return media.from_url(image_url if isinstance(image_url, str) else image_url.url, param)


def _part(part: ContentPart, where: str) -> Part:
    match part:
        case Text():
            return Part(text=part.text)
        case Refusal():
            return Part(text=part.refusal)
        case Image():
            return image(part.image_url, f"{where}.image_url")
        case Audio():
            return sound_part(part.input_audio, f"{where}.input_audio")
        case _:
            file = part.file
            return file_part(file.file_data, file.filename, file.file_id, f"{where}.file")
