"""The models: what upstream offers, and which public name means which of them. Pure data and look-ups.

State of upstream.md 8; the tables age, so everything stands in them and nothing in code.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Literal

from msgspec import Struct

from antigravity_proxy.canonical.call import Call, Reasoning

Family = Literal["gemini", "claude", "gpt-oss"]
Owner = Literal["google", "anthropic", "openai"]


class Thinking(Struct, frozen=True):
    """A model's thinking budget in tokens. ``fixed``: the id stands for one depth. ``can_be_off``: may be left out."""

    minimum: int
    maximum: int
    fixed: int | None = None
    can_be_off: bool = False


class Model(Struct, frozen=True):
    """An upstream model; context and output in tokens. ``generation`` is Gemini's, 0 for others."""

    id: str
    family: Family
    display_name: str
    context: int = 1_048_576
    output: int = 65_536
    thinking: Thinking | None = None
    generation: float = 0.0
    image: bool = False

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


class PublicModel(Struct, frozen=True):
    """A name that clients may ask for, as model lists show it."""

    id: str
    owner: Owner
    display_name: str
    input_tokens: int
    output_tokens: int
    thinking: bool


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
_OLDER = frozenset({"gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-2.5-pro"})
#: what upstream offers for other purposes (upstream.md 3.4)
_HIDDEN = ("chat_", "tab_")

#: public names by pattern, the first that fits: (pattern, id at high, medium, low depth)
_ALIASES: tuple[tuple[re.Pattern[str], tuple[str, str, str]], ...] = tuple(
    (re.compile(pattern), ids if len(ids) == 3 else ids * 3)
    for pattern, ids in (
        (r"claude-opus-.*", ("claude-opus-4-6-thinking",)),
        (r"claude-.*", ("claude-sonnet-4-6",)),
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
_SHOWN_ALIASES = (
    "claude-opus-4-6",
    "claude-sonnet-4-5",
    "gemini-3.1-pro",
    "gemini-3.5-flash",
    "gpt-5",
    "gpt-5-mini",
)

_NOTHING_SAID = Reasoning()

_PREFIX = re.compile(r"^(?:models/)?(?:(?:google|anthropic|openai)/)?")
_SUFFIX = re.compile(r"-(?:20\d{6}|latest)$")
#: longer names are nobody's; patterns with several wildcards would take long over them
_MAX_NAME = 200
_CACHED_NAMES = 1024
_GENERATION = re.compile(r"gemini-(\d+(?:\.\d+)?)")
_OWNERS: tuple[tuple[re.Pattern[str], Owner], ...] = (
    (re.compile(r"claude"), "anthropic"),
    (re.compile(r"gpt|codex|dall-e|whisper|o\d"), "openai"),
)
_TIERS = {"none": 2, "minimal": 2, "low": 2, "medium": 1}


class Catalogue:
    """Resolves public names. Immutable; a change of the user's mapping, or of what is offered, makes a new one.

    ``custom_mapping`` and ``anthropic_mapping`` are the desktop app's: requested name, or pattern with ``*``, to an
    upstream id or another public name. ``offered`` are the upstream ids that any account may use; None: not known.
    """

    def __init__(
        self,
        custom_mapping: Mapping[str, str] | None = None,
        anthropic_mapping: Mapping[str, str] | None = None,
        offered: Collection[str] | None = None,
    ) -> None:
        mapping = {**(anthropic_mapping or {}), **(custom_mapping or {})}
        self._offered = None if offered is None else frozenset(i for i in offered if not i.startswith(_HIDDEN))
        self._exact = {name.lower(): target for name, target in mapping.items() if "*" not in name}
        patterns = sorted((n for n in mapping if "*" in n), key=lambda n: (n.count("*") - len(n), n))
        self._patterns = [(_wildcard(name), mapping[name]) for name in patterns]
        self._resolved: dict[tuple[str, int], Model] = {}
        self._public = tuple(sorted(self._list(), key=lambda model: model.id))
        self._by_id = {model.id: model for model in self._public}

    def resolve(self, name: str, reasoning: Reasoning = _NOTHING_SAID) -> Model:
        """The upstream model for a public name, in the order of upstream.md 8.2. Never fails: see FALLBACK."""
        key = (name, _tier(reasoning))
        model = self._resolved.get(key)
        if model is None:
            model = self._available(self._resolve(*key))
            if len(self._resolved) < _CACHED_NAMES and len(name) <= _MAX_NAME:  # names come from clients
                self._resolved[key] = model
        return model

    def serving(self, call: Call) -> Model:
        """The model that serves a call: its name's, unless it wants a search or a picture that this one can't do."""
        model = self.resolve(call.model, call.reasoning)
        if call.output.kind == "image" and not model.image:
            return self._available(MODELS[IMAGE_MODEL])
        if call.web_search and not call.tools and (model.family != "gemini" or model.image):
            return self._available(MODELS[SEARCH_MODEL])
        return model

    def public(self) -> tuple[PublicModel, ...]:
        """Every name that model lists show, sorted."""
        return self._public

    def find(self, name: str) -> PublicModel | None:
        """The listed model of that name."""
        return self._by_id.get(name)

    def _resolve(self, name: str, tier: int) -> Model:
        if len(name) > _MAX_NAME:
            return MODELS[FALLBACK]
        plain = _SUFFIX.sub("", _PREFIX.sub("", name.lower()))
        mapped = self._mapped((name.lower(), plain))
        if mapped is not None:
            target = _PREFIX.sub("", mapped)
            return MODELS.get(target) or self._by_id_or_pattern(target.lower(), tier) or _unlisted(target)
        return self._by_id_or_pattern(plain, tier) or MODELS[FALLBACK]

    def _mapped(self, names: tuple[str, str]) -> str | None:
        """What the user's mapping says of a name, with and without its prefix and date."""
        exact = next((self._exact[name] for name in names if name in self._exact), None)
        if exact is not None:
            return exact
        return next((target for pattern, target in self._patterns if any(map(pattern.fullmatch, names))), None)

    def _by_id_or_pattern(self, name: str, tier: int) -> Model | None:
        if self._offered is not None and name in self._offered:
            return MODELS.get(name) or _unlisted(name)
        if name in MODELS and name not in _OLDER:
            return MODELS[name]
        return next((MODELS[ids[tier]] for pattern, ids in _ALIASES if pattern.fullmatch(name)), None)

    def _available(self, model: Model) -> Model:
        """The model, or the first offered one of its kind if it isn't offered itself."""
        if self._offered is None or model.id in self._offered:
            return model
        others = [MODELS[i] for i in MODELS if i in self._offered]
        others += [_unlisted(i) for i in sorted(self._offered - MODELS.keys())]
        return next((m for m in others if (m.family, m.image) == (model.family, model.image)), model)

    def _list(self) -> list[PublicModel]:
        ids = MODELS if self._offered is None else sorted(self._offered)
        return [_public(name, self.resolve(name)) for name in dict.fromkeys([*ids, *_SHOWN_ALIASES, *self._exact])]


def _unlisted(identity: str) -> Model:
    """A model that the tables don't know: sent as it is, with its family's manners."""
    if identity.startswith("claude"):
        return Model(identity, "claude", identity, 200_000, 64_000, _CLAUDE_OPTIONAL)
    if identity.startswith("gpt-oss"):
        return Model(identity, "gpt-oss", identity, 114_000, 32_768)
    found = _GENERATION.match(identity)
    image = "-image" in identity
    generation = float(found[1]) if found else 3.0
    return Model(identity, "gemini", identity, thinking=None if image else _WIDE, generation=generation, image=image)


def _tier(reasoning: Reasoning) -> int:
    """0 high, 1 medium, 2 low depth (upstream.md 8.3); nothing said means high."""
    if reasoning.mode == "off":
        return 2
    if reasoning.effort is not None:
        return _TIERS.get(reasoning.effort, 0)
    if reasoning.budget is not None and reasoning.budget >= 0:
        return 2 if reasoning.budget < 2000 else 1 if reasoning.budget < 7000 else 0
    return 0


def _wildcard(name: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, name.lower().split("*"))))


def _public(name: str, model: Model) -> PublicModel:
    owner: Owner = next((owner for pattern, owner in _OWNERS if pattern.match(name)), "google")
    shown = model.display_name if name == model.id else f"{name} ({model.display_name})"
    return PublicModel(name, owner, shown, model.context, model.output, model.thinking is not None)
