"""Parts of requests and of answers that all OpenAI endpoints have in common (translation.md 2.2, 2.8, 2.11). Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from antigravity_proxy.canonical.content import Part
from antigravity_proxy.dialect import media
from antigravity_proxy.dialect.parts import UNREADABLE, grounding
from antigravity_proxy.errors import BadRequest

T = TypeVar("T")


def parts_of(content: str | Sequence[T] | None, where: str, read: Callable[[T, str], Part]) -> list[Part]:
    """The content as parts, in order; ``read`` makes one, and gets its place. Raises what ``read`` raises."""
    if content is None:
        return []
    if isinstance(content, str):
        return [Part(text=content)]
    return [read(part, f"{where}[{i}]") for i, part in enumerate(content)]


def texts_of(content: str | Sequence[T] | None, where: str, text_of: Callable[[T], str | None]) -> list[str]:
    """The content where only text makes sense; raises BadRequest for a part of which ``text_of`` knows none."""
    if content is None:
        return []
    if isinstance(content, str):
        return [content]
    found = []
    for i, part in enumerate(content):
        text = text_of(part)
        if text is None:
            raise BadRequest("Only text is supported here.", param=f"{where}[{i}].type")
        found.append(text)
    return found


# -- sound and files in requests

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
        raise BadRequest("Unsupported audio format: use mp3 or wav.", param=f"{where}.format")
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


# -- citations and log probabilities in answers


class _LogProb(Struct, rename="camel"):
    token: str = ""
    log_probability: float = 0.0


class _Top(Struct):
    candidates: list[_LogProb] = []


class _LogProbs(Struct, rename="camel"):
    chosen_candidates: list[_LogProb] = []
    top_candidates: list[_Top] = []


def text_citations(metadata: Raw, text: str) -> list[dict[str, Any]]:
    """The citations of a text, and their places. Upstream counts UTF-8 bytes, OpenAI characters."""
    found = grounding(metadata)
    supports = [(each.segment, each) for each in found.grounding_supports if each.segment is not None]
    places = _characters(text, {place for segment, _ in supports for place in (segment.start_index, segment.end_index)})
    cited: list[dict[str, Any]] = []
    for segment, support in supports:
        start, end = places[segment.start_index], places[segment.end_index]
        pages = filter(None, map(found.page, support.grounding_chunk_indices))
        cited += ({"start_index": start, "end_index": end, "url": page.uri, "title": page.title} for page in pages)
    return cited


def _characters(text: str, places: set[int]) -> dict[int, int]:
    """The number of whole characters before each place, which counts UTF-8 bytes; in one walk over the text."""
    octets = text.encode("utf-8", "replace")
    found: dict[int, int] = {}
    told = characters = 0
    for place in sorted(places):
        end = min(max(place, 0), len(octets))
        while end < len(octets) and octets[end] & 0xC0 == 0x80:  # within a character
            end -= 1
        characters += len(octets[told:end].decode())
        found[place], told = characters, end
    return found


def log_probabilities(result: Raw) -> list[dict[str, Any]]:
    """Each token's log probability and others'; empty where upstream's form is not the expected one."""
    try:
        found = msgspec.json.decode(result, type=_LogProbs)
    except UNREADABLE:
        return []
    content = []
    for position, chosen in enumerate(found.chosen_candidates):
        top = found.top_candidates[position].candidates if position < len(found.top_candidates) else []
        content.append({**_log_prob(chosen), "top_logprobs": [_log_prob(other) for other in top]})
    return content


def _log_prob(found: _LogProb) -> dict[str, Any]:
    return {"token": found.token, "logprob": found.log_probability, "bytes": list(found.token.encode())}
