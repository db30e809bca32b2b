"""The models that the simulated accounts may use, and their limits (upstream.md 8.1). Pure data.

Kept apart from the product's own table on purpose: this is what the product is checked against.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Offered(Struct, frozen=True):
    """A model: ``output`` and the thinking budget's range in tokens (None: it doesn't think)."""

    id: str
    name: str
    output: int
    thinking: tuple[int, int] | None = None
    generation: float = 0.0
    image: bool = False
    levels: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("generateContent", "streamGenerateContent", "countTokens")
    mixes_tools: bool = False

    @property
    def speaks(self) -> bool:
        """Whether it answers with sound."""
        return "-tts" in self.id

    @property
    def embeds(self) -> bool:
        """Whether it makes vectors."""
        return "embedding" in self.id

    @property
    def claude(self) -> bool:
        """Whether Anthropic's rules apply."""
        return self.id.startswith("claude")

    @property
    def gemini(self) -> bool:
        """Whether it is Google's own."""
        return self.generation > 0

    @property
    def signs(self) -> bool:
        """Whether calls in history must be signed (translation.md 2.6)."""
        return self.generation >= 3 and not self.image

    @property
    def takes_prefill(self) -> bool:
        """Whether a conversation may end with the model's own turn (upstream.md 4.4)."""
        return self.gemini and self.generation < 3.6


_ANY = (0, 65_535)

OFFERED = {
    model.id: model
    for model in (
        Offered("claude-opus-4-6-thinking", "Claude Opus 4.6", 64_000, (1024, 63_999)),
        Offered("claude-sonnet-4-6", "Claude Sonnet 4.6", 64_000, (1024, 63_999)),
        Offered("gemini-pro-agent", "Gemini 3.1 Pro (High)", 65_535, _ANY, 3.1),
        Offered("gemini-3.1-pro-low", "Gemini 3.1 Pro (Low)", 65_535, _ANY, 3.1),
        Offered("gemini-3-flash-agent", "Gemini 3.5 Flash (High)", 65_536, _ANY, 3.5),
        Offered("gemini-3.5-flash-low", "Gemini 3.5 Flash (Medium)", 65_536, _ANY, 3.5),
        Offered("gemini-3.5-flash-extra-low", "Gemini 3.5 Flash (Low)", 65_536, _ANY, 3.5),
        Offered("gemini-3-flash", "Gemini 3 Flash", 65_536, (128, 32_768), 3.0),
        Offered("gemini-3.6-flash-high", "Gemini 3.6 Flash", 65_536, (1, 65_535), 3.6),
        Offered("gemini-3.7-flash-high", "Gemini 3.7 Flash", 65_536, (1, 65_535), 3.7),
        Offered("gemini-3.1-flash-lite", "Gemini 3.1 Flash Lite", 65_535, (0, 24_576), 3.1),
        Offered("gemini-2.5-flash", "Gemini 2.5 Flash", 65_536, (0, 24_576), 2.5),
        Offered("gemini-2.5-flash-lite", "Gemini 2.5 Flash Lite", 65_536, (0, 24_576), 2.5),
        Offered("gemini-2.5-pro", "Gemini 2.5 Pro", 65_536, (128, 32_768), 2.5),
        Offered("gpt-oss-120b-medium", "GPT-OSS 120B", 32_768),
        Offered("gemini-3-pro-image", "Gemini 3 Pro Image", 65_536, None, 3.0, image=True),
        Offered("gemini-3.1-flash-image", "Gemini 3.1 Flash Image", 65_536, None, 3.1, image=True),
    )
}


_LEVELS = ("MINIMAL", "LOW", "MEDIUM", "HIGH")
_SPEAKS_WHOLE = ("generateContent", "countTokens")
_EMBEDS = ("embedContent", "batchEmbedContents", "countTokens")

#: what the simulated Gemini API offers (official-upstreams.md 7)
OFFICIAL = {
    model.id: model
    for model in (
        Offered("gemini-3.8-flash", "Gemini 3.8 Flash", 65_536, _ANY, 3.8, levels=_LEVELS[1:], mixes_tools=True),
        Offered("gemini-3.6-flash", "Gemini 3.6 Flash", 65_536, _ANY, 3.6, levels=_LEVELS, mixes_tools=True),
        Offered("gemini-3.5-flash", "Gemini 3.5 Flash", 65_536, _ANY, 3.5, levels=_LEVELS, mixes_tools=True),
        Offered("gemini-3.1-pro-preview", "Gemini 3.1 Pro", 65_536, _ANY, 3.1, levels=_LEVELS[1:], mixes_tools=True),
        Offered("gemini-3-flash-preview", "Gemini 3 Flash", 65_536, _ANY, 3.0, levels=_LEVELS, mixes_tools=True),
        Offered("gemini-2.5-flash", "Gemini 2.5 Flash", 65_536, (0, 24_576), 2.5),
        Offered("gemini-3.1-flash-image", "Gemini 3.1 Flash Image", 32_768, None, 3.1, image=True),
        Offered("gemini-embedding-2", "Gemini Embedding 2", 1, methods=_EMBEDS),
        Offered("gemini-embedding-001", "Gemini Embedding 1", 1, methods=_EMBEDS),
        Offered("gemini-3.8-flash-tts", "Gemini 3.8 Flash TTS", 16_384),
        Offered("gemini-3.1-flash-tts-preview", "Gemini 3.1 Flash TTS", 16_384, methods=_SPEAKS_WHOLE),
    )
}


#: Claude on the simulated Vertex AI; those that think by no budget think adaptively (official-upstreams.md 4, 7.2)
CLAUDE = {
    model.id: model
    for model in (
        Offered("claude-opus-4-6", "Claude Opus 4.6", 64_000, (1024, 63_999)),
        Offered("claude-sonnet-4-6", "Claude Sonnet 4.6", 64_000, (1024, 63_999)),
        Offered("claude-opus-4-8", "Claude Opus 4.8", 64_000),
        Offered("claude-opus-5", "Claude Opus 5", 64_000),
        Offered("claude-opus-5-5", "Claude Opus 5.5", 64_000),
        Offered("claude-sonnet-4-5@20250929", "Claude Sonnet 4.5", 64_000, (1024, 63_999)),
        Offered("claude-sonnet-5", "Claude Sonnet 5", 64_000),
        Offered("claude-sonnet-5-5", "Claude Sonnet 5.5", 64_000),
        Offered("claude-haiku-4-5@20251001", "Claude Haiku 4.5", 64_000, (1024, 63_999)),
        Offered("claude-haiku-5-5", "Claude Haiku 5.5", 64_000),
    )
}
#: where the simulated Vertex AI has models; elsewhere it has none of them
_LOCATIONS = {
    "claude": ("global", "us", "eu", "us-east5", "europe-west1"),
    "gemini-2.5": ("global", "us", "eu", "us-central1", "europe-west4", "us-east5"),
    "gemini-": ("global", "us", "eu"),
}


def locations(model: str) -> tuple[str, ...]:
    """Where the simulated Vertex AI has a model."""
    return next((places for start, places in _LOCATIONS.items() if model.startswith(start)), ())


def find(model: str) -> Offered:
    """A model of any face of the simulated service. Raises KeyError."""
    return OFFERED.get(model) or OFFICIAL.get(model) or CLAUDE[model]


def everything() -> dict[str, Any]:
    """The answer of ``fetchAvailableModels`` for an account that may use all of them and has used little."""
    quota = {"remainingFraction": 0.9, "resetTime": "2030-01-01T00:00:00Z"}
    models: dict[str, Any] = {
        model.id: {"displayName": model.name, "maxOutputTokens": model.output, "quotaInfo": quota}
        for model in OFFERED.values()
    }
    searching = [model.id for model in OFFERED.values() if model.gemini and not model.image]
    return {"models": models | {"chat_20706": {}}, "webSearchModelIds": searching}
