"""Texts that are to become vectors, in no dialect. Data only (official-upstreams.md 8.2)."""

from __future__ import annotations

from msgspec import Raw, Struct


class EmbeddingCall(Struct, frozen=True):
    """``contents``: a JSON object each, in Gemini's form, one vector for each. ``options`` hold for all of them, or for
    each by itself where there are several: ``outputDimensionality``, ``taskType``, ``title``, as JSON.
    """

    model: str
    contents: tuple[Raw, ...]
    options: tuple[dict[str, Raw], ...]

    def part(self, start: int, end: int | None = None) -> EmbeddingCall:
        """The call for these contents alone."""
        return EmbeddingCall(self.model, self.contents[start:end], self.options[start:end])


class Vectors(Struct, frozen=True):
    """The vectors in the order of the contents, and the tokens of all of them, 0: upstream doesn't say."""

    values: tuple[tuple[float, ...], ...]
    tokens: int = 0
