"""Content that is a text or a list of typed parts, read the same way for every endpoint. Pure (translation.md 2.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from antigravity_proxy.canonical.content import Part
from antigravity_proxy.errors import BadRequest

T = TypeVar("T")


def parts(content: str | Sequence[T] | None, where: str, read: Callable[[T, str], Part]) -> list[Part]:
    """The content as parts, in order; ``read`` makes one, and is told where it stands. Raises what ``read`` raises."""
    if content is None:
        return []
    if isinstance(content, str):
        return [Part(text=content)]
    return [read(part, f"{where}[{i}]") for i, part in enumerate(content)]


def texts(content: str | Sequence[T] | None, where: str, text_of: Callable[[T], str | None]) -> list[str]:
    """The content where only text makes sense; raises BadRequest for a part of which ``text_of`` knows none."""
    if content is None:
        return []
    if isinstance(content, str):
        return [content]
    found = []
    for i, part in enumerate(content):
        text = text_of(part)
        if text is None:
            raise BadRequest("Only text is possible here.", param=f"{where}[{i}].type")
        found.append(text)
    return found
