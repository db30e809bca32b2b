"""A conversation's items as a chain that its responses share: what a later link repeats is not copied. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from msgspec import Raw

#: bytes that a link of a chain takes besides its items' text, and each of its items
_LINK_BYTES = 200
_ITEM_BYTES = 100


class Items:
    """The items of ``before``, then ``own``: JSON texts, unread.

    ``size``: bytes that the own ones take; ``length`` bytes and ``count`` items in all. ``holders`` counts who needs
    them: responses, and the links behind; only their store changes it. ``response`` is the id of the one whose
    conversation this is, as far as it is complete; ``is_answered``: with that one's answer. ``touched``: when others
    heard that it is used.
    """

    __slots__ = ("before", "count", "holders", "is_answered", "length", "own", "response", "size", "touched")

    def __init__(self, before: Items | None, own: list[Raw], size: int) -> None:
        self.before = before
        self.own = own
        self.size = _LINK_BYTES + _ITEM_BYTES * len(own) + size
        self.length: int = size + (before.length if before is not None else 0)
        self.count: int = len(own) + (before.count if before is not None else 0)
        self.holders = 0
        self.response = ""
        self.is_answered = False
        self.touched = 0.0

    def links(self) -> list[Items]:
        """This link and all before it, the first of the conversation first."""
        found = []
        link: Items | None = self
        while link is not None:
            found.append(link)
            link = link.before
        found.reverse()
        return found

    def __iter__(self) -> Iterator[Raw]:
        """All items in their order."""
        return chain.from_iterable(link.own for link in self.links())

    def begins(self, items: list[Raw]) -> bool:
        """Whether these items begin with all of this chain's, text for text."""
        if self.count > len(items):
            return False
        at = 0
        for link in self.links():
            end = at + len(link.own)
            if items[at:end] != link.own:
                return False
            at = end
        return True


def text_length(items: Iterable[Raw]) -> int:
    """Bytes of these items' text."""
    return sum(len(memoryview(item)) for item in items)
