"""Which public name means which upstream model, and which names model lists show. Pure look-ups (upstream.md 8.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from antigravity_proxy.canonical.call import Call, Reasoning
from antigravity_proxy.canonical.models import (
    ALIASES,
    FALLBACK,
    HIDDEN,
    IMAGE_MODEL,
    MODELS,
    OLDER,
    SEARCH_MODEL,
    SHOWN_ALIASES,
    Model,
    unlisted,
)
from antigravity_proxy.canonical.offers import Offer, Offers

Owner = Literal["google", "anthropic", "openai"]

_NOTHING_SAID = Reasoning()
_NO_OFFERS = Offers()

_PREFIX = re.compile(r"^(?:models/)?(?:(?:google|anthropic|openai)/)?")
_SUFFIX = re.compile(r"-(?:20\d{6}|latest)$")
#: longer names are nobody's; patterns with several wildcards would take long over them
_MAX_NAME = 200
_CACHED_NAMES = 1024
#: how often an id may have been replaced by another
_MAX_HOPS = 3
_OWNERS: tuple[tuple[re.Pattern[str], Owner], ...] = (
    (re.compile(r"claude"), "anthropic"),
    (re.compile(r"gpt|codex|dall-e|whisper|o\d"), "openai"),
)
_TIERS = {"none": 2, "minimal": 2, "low": 2, "medium": 1}


class PublicModel(Struct, frozen=True):
    """A name that clients may ask for, as model lists show it."""

    id: str
    owner: Owner
    display_name: str
    input_tokens: int
    output_tokens: int
    thinking: bool


class Catalogue:
    """Resolves public names. Immutable; a change of the user's mapping, or of what is offered, makes a new one.

    ``custom_mapping`` and ``anthropic_mapping`` are the desktop app's: requested name, or pattern with ``*``, to an
    upstream id or another public name. ``offers`` is what any account may use; none: not known, so the tables count.
    """

    def __init__(
        self,
        custom_mapping: Mapping[str, str] | None = None,
        anthropic_mapping: Mapping[str, str] | None = None,
        offers: Offers = _NO_OFFERS,
    ) -> None:
        mapping = {**(anthropic_mapping or {}), **(custom_mapping or {})}
        self._offered = {offer.id: offer for offer in offers.models if not offer.id.startswith(HIDDEN)}
        self._forwarded = dict(offers.forwarded)
        self._searching = frozenset(offers.searching) & self._offered.keys()
        self._exact = {name.lower(): target for name, target in mapping.items() if "*" not in name}
        patterns = sorted((n for n in mapping if "*" in n), key=lambda n: (n.count("*") - len(n), n))
        self._patterns = [(_wildcard(name), mapping[name]) for name in patterns]
        self._resolved: dict[tuple[str, int], Model] = {}
        #: the upstream ids that are offered, as far as is known
        self.ids = tuple(sorted(self._offered or MODELS))
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
            return self._available(IMAGE_MODEL)
        if call.web_search and not call.tools and not self._searches(model):
            able = sorted(self._searching - {SEARCH_MODEL})
            return self._available(able[0] if able and SEARCH_MODEL not in self._searching else SEARCH_MODEL)
        return model

    def public(self) -> tuple[PublicModel, ...]:
        """Every name that model lists show, sorted."""
        return self._public

    def find(self, name: str) -> PublicModel | None:
        """The listed model of that name."""
        return self._by_id.get(name)

    def _resolve(self, name: str, tier: int) -> str:
        """The id that a name means, whether that is offered or not."""
        if len(name) > _MAX_NAME:
            return FALLBACK
        dated = _PREFIX.sub("", name.lower())
        plain = _SUFFIX.sub("", dated)
        mapped = self._mapped((name.lower(), plain))
        if mapped is not None:
            target = _PREFIX.sub("", mapped)
            known = target in MODELS or target in self._offered
            return target if known else self._meant(target.lower(), tier) or target
        if dated in self._offered:
            return dated
        return self._meant(plain, tier) or FALLBACK

    def _mapped(self, names: tuple[str, str]) -> str | None:
        """What the user's mapping says of a name, with and without its prefix and date."""
        exact = next((self._exact[name] for name in names if name in self._exact), None)
        if exact is not None:
            return exact
        return next((target for pattern, target in self._patterns if any(map(pattern.fullmatch, names))), None)

    def _meant(self, name: str, tier: int) -> str | None:
        """What upstream offers by that name or has replaced it by, else what the tables say."""
        if name in self._offered or name in self._forwarded:
            return name
        if name in MODELS and name not in OLDER:
            return name
        return next((ids[tier] for pattern, ids in ALIASES if pattern.fullmatch(name)), None)

    def _available(self, identity: str) -> Model:
        """The model of that id or of what has replaced it; the first offered one of its kind if that isn't offered."""
        for _ in range(_MAX_HOPS):
            if identity in self._offered or identity not in self._forwarded:
                break
            identity = self._forwarded[identity]
        model = self._model(identity)
        if not self._offered or identity in self._offered:
            return model
        others = [name for name in MODELS if name in self._offered] + sorted(self._offered.keys() - MODELS.keys())
        kind = (model.family, model.image)
        return next((m for m in map(self._model, others) if (m.family, m.image) == kind), model)

    def _model(self, identity: str) -> Model:
        """What the tables know of a model, with what upstream says of it (upstream.md 8.4)."""
        model, offer = MODELS.get(identity), self._offered.get(identity)
        if model is None:
            model = unlisted(identity)
            if offer is not None and offer.thinks is False:
                model = replace(model, thinking=None)
        return model if offer is None else _as_offered(model, offer)

    def _searches(self, model: Model) -> bool:
        if self._searching:
            return model.id in self._searching
        return model.family == "gemini" and not model.image

    def _list(self) -> list[PublicModel]:
        aliases = [name for name in SHOWN_ALIASES if not self._offered or self.resolve(name).id in self._offered]
        return [_public(name, self.resolve(name)) for name in dict.fromkeys([*self.ids, *aliases, *self._exact])]


def _as_offered(model: Model, offer: Offer) -> Model:
    return replace(
        model,
        display_name=offer.display_name or model.display_name,
        context=offer.context or model.context,
        output=offer.output or model.output,
    )


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
