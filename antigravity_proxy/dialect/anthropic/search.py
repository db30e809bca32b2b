"""The results of a web search, in Anthropic's form: its pages, and the text with citations (translation.md 2.8).

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from antigravity_proxy.dialect.parts import Grounding


class Page(Struct, frozen=True, tag_field="type", tag="web_search_result"):
    """A page that the search found."""

    url: str
    title: str
    encrypted_content: str = ""
    page_age: str | None = None


class Citation(Struct, frozen=True, tag_field="type", tag="web_search_result_location"):
    """A page that a stretch of the text rests on."""

    url: str
    title: str
    cited_text: str
    encrypted_index: str = ""


class Stretch(Struct, frozen=True, tag_field="type", tag="text", omit_defaults=True):
    """A stretch of the answer; without citations it is plain text."""

    text: str
    citations: tuple[Citation, ...] = ()


def pages(found: Grounding) -> tuple[Page, ...]:
    """The pages of a search."""
    return tuple(Page(source.web.uri, source.web.title) for source in found.grounding_chunks if source.web is not None)


def stretches(found: Grounding, text: str) -> Iterator[Stretch]:
    """The whole text in order, cut where citations begin and end; of overlapping citations the first counts."""
    octets = text.encode()
    told = 0
    for (start, end), indices in sorted(_cited(found, octets).items()):
        webs = [web for index in dict.fromkeys(indices) if (web := found.page(index)) is not None]
        if start < told or start >= end or not webs:
            continue
        if start > told:
            yield Stretch(octets[told:start].decode())
        passage = octets[start:end].decode()
        yield Stretch(passage, tuple(Citation(web.uri, web.title, passage) for web in webs))
        told = end
    if told < len(octets):
        yield Stretch(octets[told:].decode())


def _cited(found: Grounding, octets: bytes) -> dict[tuple[int, int], list[int]]:
    """The indices of pages by the stretch that rests on them, in bytes."""
    cited: dict[tuple[int, int], list[int]] = {}
    for support in found.grounding_supports:
        if (segment := support.segment) is not None:
            bounds = _boundary(octets, segment.start_index), _boundary(octets, segment.end_index)
            cited.setdefault(bounds, []).extend(support.grounding_chunk_indices)
    return cited


def _boundary(octets: bytes, index: int) -> int:
    """The nearest place before ``index`` where a character begins or the text ends."""
    index = min(max(index, 0), len(octets))
    while index < len(octets) and octets[index] & 0xC0 == 0x80:
        index -= 1
    return index
