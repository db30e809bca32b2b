"""The models: what is known of each upstream id, and which public names mean which. Pure data (upstream.md 8).

The tables age, so everything stands in them and nothing in code.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

Family = Literal["gemini", "claude", "gpt-oss"]


class Thinking(Struct, frozen=True):
    """A model's thinking budget in tokens. ``fixed``: the id stands for one depth. ``can_be_off``: may be left out."""

    minimum: int
    maximum: int
    fixed: int | None = None
    can_be_off: bool = False


class Model(Struct, frozen=True):
    """An upstream model; context and output in tokens. ``generation`` is Gemini's, 0 for others.

    ``upstream`` serves it. Official models of Gemini 3 and later think by ``levels``, the words that they take instead
    of a budget; ``level``: the one that the name it was asked by means."""

    id: str
    family: Family
    display_name: str
    context: int = 1_048_576
    output: int = 65_536
    thinking: Thinking | None = None
    generation: float = 0.0
    image: bool = False
    upstream: str = "accounts"
    levels: tuple[str, ...] = ()
    level: str = ""

    @property
    def maker(self) -> str:
        """Who makes its thought signatures: they mean something to a family at one upstream."""
        return f"{self.family}@{self.upstream}"

    @property
    def mixes_tools(self) -> bool:
        """Whether functions and tools of the upstream's own go together (official-upstreams.md 4)."""
        return self.upstream == "gemini" and self.generation >= 3 and not self.image

    @property
    def takes_prefill(self) -> bool:
        """Whether a conversation may end with the model's own turn (upstream.md 4.4)."""
        return self.family == "gemini" and self.generation < 3.6

    @property
    def reads_media_in_results(self) -> bool:
        """Whether a tool's result may hold media itself (upstream.md 4.2)."""
        return self.family == "gemini" and self.generation >= 3

    @property
    def needs_signatures(self) -> bool:
        """Whether a call in history must carry a thought signature (translation.md 2.6)."""
        return self.family == "gemini" and self.generation >= 3 and not self.image


def _gemini(
    identity: str, name: str, generation: float, thinking: Thinking | None, output: int = 65_536, *, image: bool = False
) -> Model:
    return Model(identity, "gemini", name, output=output, thinking=thinking, generation=generation, image=image)


_WIDE = Thinking(128, 32_768)
_CLAUDE = Thinking(1024, 63_999)
_CLAUDE_OPTIONAL = Thinking(1024, 63_999, can_be_off=True)

MODELS: dict[str, Model] = {
    model.id: model
    for model in (
        Model("claude-opus-4-6-thinking", "claude", "Claude Opus 4.6", 200_000, 64_000, _CLAUDE),
        Model("claude-sonnet-4-6", "claude", "Claude Sonnet 4.6", 200_000, 64_000, _CLAUDE_OPTIONAL),
        _gemini("gemini-pro-agent", "Gemini 3.1 Pro (High)", 3.1, Thinking(128, 32_768, fixed=10_001), 65_535),
        _gemini("gemini-3.1-pro-low", "Gemini 3.1 Pro (Low)", 3.1, Thinking(128, 32_768, fixed=1001), 65_535),
        _gemini("gemini-3-flash-agent", "Gemini 3.5 Flash (High)", 3.5, Thinking(128, 32_768, fixed=10_000)),
        _gemini("gemini-3.5-flash-low", "Gemini 3.5 Flash (Medium)", 3.5, Thinking(128, 32_768, fixed=4000)),
        _gemini("gemini-3.5-flash-extra-low", "Gemini 3.5 Flash (Low)", 3.5, Thinking(128, 32_768, fixed=1000)),
        _gemini("gemini-3-flash", "Gemini 3 Flash", 3.0, _WIDE),
        _gemini("gemini-3.6-flash-high", "Gemini 3.6 Flash", 3.6, Thinking(1, 65_535)),
        _gemini("gemini-3.7-flash-high", "Gemini 3.7 Flash", 3.7, Thinking(1, 65_535)),
        _gemini("gemini-3.1-flash-lite", "Gemini 3.1 Flash Lite", 3.1, Thinking(0, 24_576), 16_384),
        _gemini("gemini-2.5-flash", "Gemini 2.5 Flash", 2.5, Thinking(0, 24_576)),
        _gemini("gemini-2.5-flash-lite", "Gemini 2.5 Flash Lite", 2.5, Thinking(0, 24_576)),
        _gemini("gemini-2.5-pro", "Gemini 2.5 Pro", 2.5, _WIDE),
        Model("gpt-oss-120b-medium", "gpt-oss", "GPT-OSS 120B", 114_000, 32_768),
        _gemini("gemini-3-pro-image", "Gemini 3 Pro Image", 3.0, None, image=True),
        _gemini("gemini-3.1-flash-image", "Gemini 3.1 Flash Image", 3.1, None, image=True),
    )
}

#: known, but maybe gone: meant by their id only where upstream offers them
OLDER = frozenset({"gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-2.5-pro"})
#: what upstream offers for other purposes (upstream.md 3.4)
HIDDEN = ("chat_", "tab_")

#: public names by pattern, the first that fits: (pattern, id at high, medium, low depth)
ALIASES: tuple[tuple[re.Pattern[str], tuple[str, str, str]], ...] = tuple(
    (re.compile(pattern), ids if len(ids) == 3 else ids * 3)
    for pattern, ids in (
        (r"claude.*opus.*|opus.*", ("claude-opus-4-6-thinking",)),
        (r"claude.*|sonnet.*|haiku.*", ("claude-sonnet-4-6",)),
        (r"gemini-.*pro-image.*", ("gemini-3-pro-image",)),
        (r"gemini-.*flash-image.*|gpt-image-.*|dall-e-.*", ("gemini-3.1-flash-image",)),
        (r"gemini-.*pro.*-low", ("gemini-3.1-pro-low",)),
        (r"gemini-.*pro.*", ("gemini-pro-agent", "gemini-pro-agent", "gemini-3.1-pro-low")),
        (r"gemini-3\.5-flash", ("gemini-3-flash-agent", "gemini-3.5-flash-low", "gemini-3.5-flash-extra-low")),
        (r"gemini-.*flash.*-lite.*", ("gemini-3.1-flash-lite",)),
        (r"gemini-.*flash.*", ("gemini-3-flash",)),
        (r"gpt-oss.*", ("gpt-oss-120b-medium",)),
        (r"gpt-.*-(mini|nano).*|gpt-3\.5.*|whisper.*|gpt-4o-.*transcribe.*", ("gemini-3-flash",)),
        (r"gpt-.*|o1.*|o3.*|o4.*|codex.*", ("gemini-pro-agent",)),
    )
)
#: for names that no pattern fits: clients name models that no account offers (clients.md 7)
FALLBACK = "gemini-3-flash"
#: for web search with a model that can't search (translation.md 2.8)
SEARCH_MODEL = "gemini-3-flash"
#: for a picture that another model is asked for
IMAGE_MODEL = "gemini-3.1-flash-image"

#: aliases shown in model lists besides the ids themselves
SHOWN_ALIASES = (
    "claude-opus-4-6",
    "claude-sonnet-4-5",
    "gemini-3.1-pro",
    "gemini-3.5-flash",
    "gpt-5",
    "gpt-5-mini",
)

_GENERATION = re.compile(r"gemini-(\d+(?:\.\d+)?)")


def unlisted(identity: str) -> Model:
    """A model that the tables don't know: sent as it is, with its family's manners."""
    if identity.startswith("claude"):
        return Model(identity, "claude", identity, 200_000, 64_000, _CLAUDE_OPTIONAL)
    if identity.startswith("gpt-oss"):
        return Model(identity, "gpt-oss", identity, 114_000, 32_768)
    found = _GENERATION.match(identity)
    image = "-image" in identity
    generation = float(found[1]) if found else 3.0
    return Model(identity, "gemini", identity, thinking=None if image else _WIDE, generation=generation, image=image)
