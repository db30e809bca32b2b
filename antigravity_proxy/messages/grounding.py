"""The results of Claude's web search, as grounding metadata of the neutral form. Pure (translation.md 2.8)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from antigravity_proxy.canonical.content import ABSENT

#: pages and passages that are kept; a search brings some dozens
_MAX_ITEMS = 1024


class Grounding:
    """Collects searches, the pages that they found, and which passages of the text rest on them."""

    __slots__ = ("_begin", "_length", "_pages", "_queries", "_supports", "_waiting")

    def __init__(self) -> None:
        self._queries: list[str] = []
        self._pages: dict[str, tuple[int, str]] = {}  # by address: place and title
        self._supports: list[dict[str, Any]] = []
        self._length = 0  # of the text so far, in UTF-8 bytes
        self._begin = 0  # of the open block
        self._waiting: list[int] = []  # pages that the open block rests on

    def asked(self, arguments: dict[str, Any]) -> None:
        """A search begins."""
        query = arguments.get("query")
        if isinstance(query, str) and len(self._queries) < _MAX_ITEMS:
            self._queries.append(query)

    def found(self, content: Any) -> None:
        """A search has ended, with a list of pages or with an error."""
        for page in content if isinstance(content, list) else ():
            if isinstance(page, dict):
                self._page(page)

    def said(self, text: str) -> None:
        """More text."""
        self._length += len(text.encode("utf-8", "replace"))

    def cited(self, citation: dict[str, Any]) -> None:
        """The open block's text rests on a page."""
        index = self._page(citation)
        if index is not None and index not in self._waiting:
            self._waiting.append(index)

    def ended(self) -> None:
        """The open block has ended."""
        if self._waiting and len(self._supports) < _MAX_ITEMS:
            segment = {"startIndex": self._begin, "endIndex": self._length}
            self._supports.append({"segment": segment, "groundingChunkIndices": self._waiting})
        self._waiting = []
        self._begin = self._length

    def metadata(self) -> Raw:
        """``groundingMetadata``; absent where nothing was searched."""
        if not (self._queries or self._pages):
            return ABSENT
        return Raw(
            msgspec.json.encode(
                {
                    "webSearchQueries": self._queries,
                    "groundingChunks": [{"web": {"uri": url, "title": t}} for url, (_, t) in self._pages.items()],
                    "groundingSupports": self._supports,
                }
            )
        )

    def _page(self, page: dict[str, Any]) -> int | None:
        url, title = page.get("url"), page.get("title")
        if not isinstance(url, str) or not url:
            return None
        known = self._pages.get(url)
        if known is None:
            if len(self._pages) >= _MAX_ITEMS:
                return None
            known = self._pages[url] = (len(self._pages), title if isinstance(title, str) else "")
        return known[0]
