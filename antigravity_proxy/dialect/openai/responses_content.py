"""The content of messages and tool results in the Responses API, as parts (translation.md 2.2, 5.1). Pure."""

from __future__ import annotations

from msgspec import Struct

from antigravity_proxy.canonical.content import Part
from antigravity_proxy.dialect import media
from antigravity_proxy.dialect.openai.parts import Sound, file_part, parts_of, sound_part, texts_of
from antigravity_proxy.errors import BadRequest


class InputText(Struct, tag_field="type", tag="input_text"):
    """The content of a user or a tool."""

    text: str


class OutputText(Struct, tag_field="type", tag="output_text"):
    """The model's content."""

    text: str


class PlainText(Struct, tag_field="type", tag="text"):
    """Text under its chat name."""

    text: str


class Refusal(Struct, tag_field="type", tag="refusal"):
    """The model's words of refusal."""

    refusal: str


class Url(Struct):
    """An image's URL, as chat has it."""

    url: str


class InputImage(Struct, tag_field="type", tag="input_image"):
    """An image, as a data URL."""

    image_url: str | Url | None = None
    file_id: str | None = None


class InputFile(Struct, tag_field="type", tag="input_file"):
    """A file, as a data URL or as bare base64 with a file name."""

    file_data: str | None = None
    filename: str | None = None
    file_url: str | None = None
    file_id: str | None = None


class InputAudio(Struct, tag_field="type", tag="input_audio"):
    """Sound."""

    input_audio: Sound


_Texts = (InputText, OutputText, PlainText)
ContentPart = InputText | OutputText | PlainText | Refusal | InputImage | InputFile | InputAudio
ItemContent = str | list[ContentPart] | None


def parts(contents: ItemContent, where: str, field: str) -> list[Part]:
    """The content of an item's ``field`` as parts, in order; raises BadRequest that names the part."""
    if isinstance(contents, list) and len(contents) == 1 and isinstance(only := contents[0], _Texts):
        return [Part(text=only.text)]  # as agents write almost all
    return parts_of(contents, f"{where}.{field}", _part)


def texts(contents: ItemContent, where: str) -> list[str]:
    """The content where only text makes sense; raises BadRequest for anything else."""
    return texts_of(contents, where, lambda part: part.text if isinstance(part, _Texts) else None)


def _part(part: ContentPart, where: str) -> Part:
    if isinstance(part, _Texts):
        return Part(text=part.text)
    match part:
        case Refusal():
            return Part(text=part.refusal)
        case InputImage():
            return _image(part, where)
        case InputAudio():
            return sound_part(part.input_audio, f"{where}.input_audio")
        case _:
            if part.file_data is None and part.file_url is not None:
                return media.readable(media.from_url(part.file_url, f"{where}.file_url"), part.filename or "")
            return file_part(part.file_data, part.filename, part.file_id, where)


def _image(image: InputImage, where: str) -> Part:
    if image.image_url is None:
        missing = "image_url" if image.file_id is None else "file_id"
        raise BadRequest("Files are not stored here: send the image as a data URL.", param=f"{where}.{missing}")
    url = image.image_url if isinstance(image.image_url, str) else image.image_url.url
    return media.from_url(url, f"{where}.image_url")
