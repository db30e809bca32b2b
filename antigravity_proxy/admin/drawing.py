"""Draws the page's fragments: each once as long as it shows the same, and of many a few in each turn of the reactor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from antigravity_proxy.admin.board import Fragment
from antigravity_proxy.admin.markup import filled, flat

#: fragments that are drawn in one turn: some two milliseconds
_AT_ONCE = 2
#: fragments whose text is kept; more than the pages that may be watched show in ordinary times
_MOST = 1000


class Drawing:
    """Remembers what it has drawn."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._drawn: dict[str, tuple[Any, str]] = {}

    async def texts(self, fragments: Iterable[Fragment], *, anew: bool = False) -> dict[str, str]:
        """The fragments' HTML by their ids; what stands in another comes before that.

        ``anew``: as of now, for a page without a script to count its times; else as it was drawn when it last changed.
        """
        texts: dict[str, str] = {}
        count = 0
        for fragment in fragments:
            drawn = self._drawn.get(fragment.id)
            if anew or drawn is None or drawn[0] != fragment.shows:
                if count and count % _AT_ONCE == 0:
                    await deferLater(self._clock, 0)
                count += 1
                drawn = self._drawn[fragment.id] = (fragment.shows, flat(fragment.draw()))
            texts[fragment.id] = drawn[1]
            if fragment.parts:
                texts[fragment.id] = filled(drawn[1], {"parts": "".join(texts[part] for part in fragment.parts)})
        if len(self._drawn) > _MOST:
            self._drawn.clear()
        return texts
