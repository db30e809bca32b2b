"""The facts about a model. Pure; the facts themselves are data: `model_table` (upstream.md 8)."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from msgspec import Meta, Struct

Family = Literal["gemini", "claude", "gpt-oss"]
#: what comes out of a model
Output = Literal["text", "pictures", "vectors", "speech"]
#: a number of tokens
Tokens = Annotated[int, Meta(ge=0, le=100_000_000)]

#: Google writes gemini-3.5-…, Anthropic claude-opus-4-5-… and earlier claude-3-5-…; -20250514 is a date
_GENERATIONS = (
    re.compile(r"gemini-(\d{1,3})(?:\.(\d{1,2}))?(?!\d)"),
    re.compile(r"claude-(?:[a-z]+-)?(\d{1,3})(?:[.-](\d{1,2}))?(?!\d)"),
)


class Thinking(Struct, frozen=True, forbid_unknown_fields=True):
    """A model's thinking budget in tokens. ``fixed``: the id has one depth. ``can_be_off``: may be left out."""

    minimum: Tokens
    maximum: Tokens
    fixed: Tokens | None = None
    can_be_off: bool = False


class Model(Struct, frozen=True):
    """A model at one upstream; context and output in tokens. ``generation``: 0 where the id has none.

    ``upstream`` serves it. Official models of Gemini 3 and later think by ``levels``, the words that they take instead
    of a budget; ``level``: the one that the requested name means. The other fields are explained in `models.toml`.
    """

    id: str
    family: Family
    display_name: str
    context: int = 1_048_576
    output: int = 65_536
    thinking: Thinking | None = None
    generation: float = 0.0
    makes: Output = "text"
    upstream: str = "accounts"
    levels: tuple[str, ...] = ()
    level: str = ""
    searches: bool = False
    mixes_tools: bool = False
    takes_prefill: bool = False
    reads_media_in_results: bool = False
    needs_signatures: bool = False
    formats_beside_tools: bool = False
    takes_sampling: bool = True
    takes_force: bool = True
    thinks_adaptively: bool = False
    streams_speech: bool = False
    styles_speech: bool = False

    @property
    def image(self) -> bool:
        """Whether pictures come out of it."""
        return self.makes == "pictures"

    @property
    def maker(self) -> str:
        """The maker of its thought signatures: they mean something to a family at one upstream."""
        return f"{self.family}@{self.upstream}"


def generation_in(identity: str) -> float | None:
    """The generation that a model's id says; None: it says none."""
    found = next((match for each in _GENERATIONS if (match := each.match(identity))), None)
    return None if found is None else generation(found[1], found[2] or "0")


def generation(major: str, minor: str) -> float:
    """A generation as a number that sorts: 4.9, 4.10 and 4.11 are 4.9, 4.91 and 4.911."""
    return int(major) + (int(minor) / 10 if int(minor) < 10 else 0.9 + int(minor) / 1000)
