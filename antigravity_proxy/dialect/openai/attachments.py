"""Sound and files in messages, whatever the endpoint calls their fields (translation.md 2.2). Pure."""

from __future__ import annotations

import re

from msgspec import Struct

from antigravity_proxy.canonical.content import Part
from antigravity_proxy.dialect import media
from antigravity_proxy.errors import BadRequest

_SOUND_FORMAT = re.compile(r"[a-z0-9]{1,16}")
_MIME_BY_SUFFIX = {
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "json": "text/plain",
}


class Sound(Struct):
    """Sound as base64, with the name of its format (``mp3``, ``wav``, …)."""

    data: str
    format: str


def sound_part(sound: Sound, where: str) -> Part:
    """The part for a sound; raises BadRequest."""
    if not _SOUND_FORMAT.fullmatch(sound.format):
        raise BadRequest("No format of sound: use mp3 or wav.", param=f"{where}.format")
    return media.inline(f"audio/{sound.format}", sound.data, f"{where}.data")


def file_part(data: str | None, filename: str | None, file_id: str | None, where: str) -> Part:
    """The part for a file, which is a data URL or bare base64 with a file name; raises BadRequest."""
    if data is None:
        missing = "file_data" if file_id is None else "file_id"
        raise BadRequest("Files are not stored here: send the file itself in file_data.", param=f"{where}.{missing}")
    name = filename or ""
    if data.startswith("data:"):
        part = media.from_url(data, f"{where}.file_data")
    else:
        mime = _MIME_BY_SUFFIX.get(name.rpartition(".")[2].lower(), "")
        part = media.inline(mime, data, f"{where}.file_data")
    return media.readable(part, name)
