"""The models of the official upstreams, and which of the accounts' models they are. Pure data (official-upstreams 7.2).

The tables age; what ``models.list`` tells beats them.
"""

from __future__ import annotations

import re

from msgspec.structs import replace

from antigravity_proxy.canonical.credential import GEMINI, VERTEX
from antigravity_proxy.canonical.models import MODELS, Model, Thinking, unlisted
from antigravity_proxy.canonical.offers import Offer

_ANY_DEPTH, _NO_MINIMAL = ("MINIMAL", "LOW", "MEDIUM", "HIGH"), ("LOW", "MEDIUM", "HIGH")
_THINKS = Thinking(128, 32_768)

#: Gemini's models: id, name, generation, the levels of thinking
_GEMINI: tuple[tuple[str, str, float, tuple[str, ...]], ...] = (
    ("gemini-4-argon", "Gemini 4 Argon", 4.0, _NO_MINIMAL),
    ("gemini-4-hydrogen", "Gemini 4 Hydrogen", 4.0, _NO_MINIMAL),
    ("gemini-3.8-flash", "Gemini 3.8 Flash", 3.8, _NO_MINIMAL),
    ("gemini-3.7-flash", "Gemini 3.7 Flash", 3.7, _ANY_DEPTH),
    ("gemini-3.6-flash", "Gemini 3.6 Flash", 3.6, _ANY_DEPTH),
    ("gemini-3.5-flash", "Gemini 3.5 Flash", 3.5, _ANY_DEPTH),
    ("gemini-3.5-flash-lite", "Gemini 3.5 Flash Lite", 3.5, _ANY_DEPTH),
    ("gemini-3.1-pro-preview", "Gemini 3.1 Pro", 3.1, _NO_MINIMAL),
    ("gemini-3.1-flash-lite", "Gemini 3.1 Flash Lite", 3.1, _ANY_DEPTH),
    ("gemini-3-flash-preview", "Gemini 3 Flash", 3.0, _ANY_DEPTH),
)
OFFICIAL: dict[str, Model] = {
    identity: Model(identity, "gemini", name, thinking=_THINKS, generation=generation, upstream=GEMINI, levels=levels)
    for identity, name, generation, levels in _GEMINI
} | {
    identity: replace(MODELS[identity], upstream=GEMINI)
    for identity in (
        "gemini-2.5-flash",
        "gemini-2.5-flash-lite",
        "gemini-2.5-pro",
        "gemini-3-pro-image",
        "gemini-3.1-flash-image",
    )
}

#: the accounts' models by id, with the official id of the same model and the depth that the accounts' id means
SAME: dict[str, tuple[str, str]] = {
    "gemini-pro-agent": ("gemini-3.1-pro-preview", "HIGH"),
    "gemini-3.1-pro-low": ("gemini-3.1-pro-preview", "LOW"),
    "gemini-3-flash": ("gemini-3-flash-preview", ""),
    "gemini-3-flash-agent": ("gemini-3.5-flash", "HIGH"),
    "gemini-3.5-flash-low": ("gemini-3.5-flash", "MEDIUM"),
    "gemini-3.5-flash-extra-low": ("gemini-3.5-flash", "LOW"),
    "gemini-3.6-flash-high": ("gemini-3.6-flash", "HIGH"),
    "gemini-3.7-flash-high": ("gemini-3.7-flash", "HIGH"),
    "claude-opus-4-6-thinking": ("claude-opus-4-6", ""),
} | {
    identity: (identity, "")
    for identity in (
        "gemini-3.1-flash-lite",
        "gemini-2.5-flash",
        "gemini-2.5-flash-lite",
        "gemini-2.5-pro",
        "gemini-3-pro-image",
        "gemini-3.1-flash-image",
        "claude-sonnet-4-6",
    )
}

#: Claude on Vertex (official-upstreams.md 7.2)
CLAUDE = (
    "claude-opus-4-6",
    "claude-opus-4-8",
    "claude-opus-5",
    "claude-opus-5-5",
    "claude-sonnet-4-6",
    "claude-sonnet-5",
    "claude-sonnet-5-5",
    "claude-haiku-4-5@20251001",
    "claude-haiku-5-5",
    "claude-sonnet-4-5@20250929",
)
#: what makes vectors, and what speaks
EMBEDDING = ("gemini-embedding-2", "gemini-embedding-001")
SPEECH = ("gemini-3.8-flash-tts", "gemini-3.8-flash-lite-tts", "gemini-3.1-flash-tts-preview")
#: for names that mean no model, where no account serves and nothing newer is offered
NEWEST_FLASH = "gemini-3.8-flash"
_FLASH = re.compile(r"gemini-(\d+(?:\.\d+)?)-flash")
_DATED = re.compile(r"-(20\d{6})$")


def model(identity: str, upstream: str, level: str = "", offer: Offer | None = None) -> Model:
    """The model of that id at an official upstream, with what ``models.list`` says of it."""
    found = OFFICIAL.get(identity)
    if found is None:
        found = unlisted(identity)
        if speaks(identity) or embeds(identity):
            found = replace(found, thinking=None)
        levels = (
            _NO_MINIMAL
            if found.thinking is not None and found.family == "gemini" and found.generation >= 3 and not found.image
            else ()
        )
        found = replace(found, levels=levels)
    if offer is not None:
        found = replace(
            found,
            display_name=offer.display_name or found.display_name,
            context=offer.context or found.context,
            output=offer.output or found.output,
            thinking=None if offer.thinks is False else found.thinking,
        )
    return replace(found, upstream=upstream, level=level)


def newest_flash(offered: list[str]) -> str:
    """The newest Flash of these ids."""
    found = [(float(match[1]), identity) for identity in offered if (match := _FLASH.fullmatch(identity))]
    return max(found)[1] if found else NEWEST_FLASH


def claude_id(name: str) -> str | None:
    """The id that Vertex has for a public name of Claude's; None: it is none.

    A dated name is ``name@date``; one without is the alias of the dated id where there is one.
    """
    at, alias = _DATED.sub(r"@\1", name), _DATED.sub("", name)
    dated = (each for each in CLAUDE if each.partition("@")[0] == name)
    return next((each for each in (name, at, alias, *dated) if each in CLAUDE), None)


def known(upstream: str) -> tuple[str, ...]:
    """The ids that an upstream has as far as the tables tell."""
    return (*OFFICIAL, *CLAUDE) if upstream == VERTEX else (*OFFICIAL, *EMBEDDING, *SPEECH)


def embeds(identity: str) -> bool:
    """Whether a model makes vectors."""
    return "embedding" in identity


def speaks(identity: str) -> bool:
    """Whether a model speaks."""
    return "-tts" in identity
