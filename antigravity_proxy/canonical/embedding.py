"""Texts that are to become vectors, in no dialect. Data only (official-upstreams.md 8.2)."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Raw, Struct

#: contents that are asked for together; more go in several shares, in order
AT_ONCE = 100


class EmbeddingCall(Struct, frozen=True):
    """``contents``: a JSON object each, in Gemini's form, one vector for each. ``options`` hold for all of them, or for
    each by itself where there are several: ``outputDimensionality``, ``taskType``, ``title``, as JSON.
    """

    model: str
    contents: tuple[Raw, ...]
    options: tuple[dict[str, Raw], ...]

    def shares(self) -> Iterator[EmbeddingCall]:
        """Calls of `AT_ONCE` contents at most."""
        for start in range(0, len(self.contents), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            yield EmbeddingCall(self.model, self.contents[part], self.options[part])


class Vectors(Struct, frozen=True):
    """The vectors in the order of the contents, and the tokens of all of them, 0: upstream doesn't say."""

    values: tuple[tuple[float, ...], ...]
    tokens: int = 0
