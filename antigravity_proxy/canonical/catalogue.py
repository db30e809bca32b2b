"""Which public name means which upstream model, and which names model lists show. Pure look-ups (upstream.md 8.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from antigravity_proxy.canonical.call import Call, Reasoning
from antigravity_proxy.canonical.model_file import BUNDLED
from antigravity_proxy.canonical.model_names import HIGH, LOW, MEDIUM, best, budget_depth, kind_of, named
from antigravity_proxy.canonical.model_table import ModelTable
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.offers import Offers

Owner = Literal["google", "anthropic", "openai"]

_NOTHING_SAID = Reasoning()
_NO_OFFERS = Offers()

_SUFFIX = re.compile(r"(?:@.*|:.*|-(?:20\d{6}|latest))$")
#: longer names are never valid; patterns with several wildcards would take long to match them
MAX_NAME = 200
#: names that are kept with what they mean
CACHED_NAMES = 1024
#: how often an id may have been replaced by another
_MAX_HOPS = 3
_OWNERS: tuple[tuple[re.Pattern[str], Owner], ...] = (
    (re.compile(r"claude|opus|sonnet|haiku"), "anthropic"),
    (re.compile(r"gpt|codex|dall-e|whisper|o\d"), "openai"),
)
_DEPTHS = {"none": LOW, "minimal": LOW, "low": LOW, "medium": MEDIUM}


class PublicModel(Struct, frozen=True):
    """A name that clients may ask for, as model lists show it."""

    id: str
    owner: Owner
    display_name: str
    input_tokens: int
    output_tokens: int
    thinking: bool


def _bare(name: str) -> str:
    """A name without the words that routers and SDKs put before it: ``models/``, ``openrouter/anthropic/``."""
    return name.rpartition("/")[2]


class _Mapping:
    """Names, and patterns with ``*``, with their targets; an exact name comes first, then the most literal pattern."""

    def __init__(self, mapping: Mapping[str, tuple[str, ...]]) -> None:
        self.exact = {name.lower(): targets for name, targets in mapping.items() if "*" not in name}
        patterns = sorted((n for n in mapping if "*" in n), key=lambda n: (n.count("*") - len(n), n))
        self._patterns = [(_wildcard(name), mapping[name]) for name in patterns]

    def find(self, names: list[str]) -> tuple[str, ...] | None:
        """The targets of the first of these names that it holds."""
        for name in names if self.exact else ():
            if name in self.exact:
                return self.exact[name]
        if not self._patterns:
            return None
        return next((targets for pattern, targets in self._patterns if any(map(pattern.fullmatch, names))), None)


class Catalogue:
    """Resolves public names. Immutable; a change of the user's mapping, or of what is offered, makes a new one.

    ``custom_mapping`` and ``anthropic_mapping`` are the desktop app's: requested name, or pattern with ``*``, to an
    upstream id or another public name. ``aliases`` are the operator's own, and stronger: to one such target, or to
    several, of which the first that can serve does. ``offers`` is what any account may use; none: not known, so
    ``table`` counts.
    """

    def __init__(
        self,
        custom_mapping: Mapping[str, str] | None = None,
        anthropic_mapping: Mapping[str, str] | None = None,
        offers: Offers = _NO_OFFERS,
        aliases: Mapping[str, tuple[str, ...]] | None = None,
        table: ModelTable = BUNDLED,
    ) -> None:
        self.table = table
        apps = {**(anthropic_mapping or {}), **(custom_mapping or {})}
        self._mappings = (_Mapping(aliases or {}), _Mapping({name: (target,) for name, target in apps.items()}))
        self._offered = {offer.id: offer for offer in offers.models if not offer.id.startswith(table.hidden)}
        self._forwarded = dict(offers.forwarded)
        self._searching = frozenset(offers.searching) & self._offered.keys()
        self._resolved: dict[tuple[str, int], tuple[Model, ...]] = {}
        self._known: dict[str, bool] = {}
        #: the upstream ids that are offered, as far as is known
        self.ids = tuple(sorted(self._offered or table.accounts))
        self._public = tuple(sorted(self._list(), key=lambda model: model.id))
        self._by_id = {model.id: model for model in self._public}

    def resolve(self, name: str, reasoning: Reasoning = _NOTHING_SAID) -> Model:
        """The upstream model for a public name, in the order of upstream.md 8.2. Never fails: there is a fallback."""
        return self._chain(name, reasoning)[0]

    def knows(self, name: str) -> bool:
        """Whether the name means a model, and is not served by the fallback for want of one."""
        known = self._known.get(name)
        if known is None:
            known = len(name) <= MAX_NAME and self._means(name, 0) is not None
            if len(self._known) < CACHED_NAMES and len(name) <= MAX_NAME:  # names come from clients
                self._known[name] = known
        return known

    def serving(self, call: Call) -> tuple[Model, ...]:
        """The model that serves a call, or several where the operator wrote a chain: the first that can."""
        chain = self._chain(call.model, call.reasoning)
        if can_any_serve(call):
            return chain
        return tuple(self._able(model, call) for model in chain)

    def _chain(self, name: str, reasoning: Reasoning) -> tuple[Model, ...]:
        depth = depth_of(reasoning)
        key = (name, depth)
        models = self._resolved.get(key)
        if models is None:
            meant = self._means(name, depth) if len(name) <= MAX_NAME else None
            models = tuple(self._available(identity, depth) for identity in meant or (self.table.fallback,))
            if len(self._resolved) < CACHED_NAMES and len(name) <= MAX_NAME:  # names come from clients
                self._resolved[key] = models
        return models

    def _able(self, model: Model, call: Call) -> Model:
        """The model, unless the call wants a search or a picture that this one can't do."""
        if call.output.kind == "image" and not model.image:
            return self._available(self.table.pictures)
        if call.web_search and not call.tools and not self._searches(model):
            usual = self.table.search
            able = sorted(self._searching - {usual})
            return self._available(able[0] if able and usual not in self._searching else usual)
        return model

    def mapped(self, name: str) -> tuple[str, ...] | None:
        """The target that operator or desktop app have set for a name; None: none."""
        if len(name) > MAX_NAME:
            return None
        whole = name.lower().removeprefix("models/")
        dated = _bare(whole)
        return self._mapped(dict.fromkeys((name.lower(), whole, dated, _SUFFIX.sub("", dated))))

    def public(self) -> tuple[PublicModel, ...]:
        """Every name that model lists show, sorted."""
        return self._public

    def find(self, name: str) -> PublicModel | None:
        """The model of that name, listed or not; None where the name means none."""
        listed = self._by_id.get(name)
        if listed is not None or "*" in name or not self.knows(name):
            return listed
        return _public(name, self.resolve(name))

    def _means(self, name: str, depth: int) -> tuple[str, ...] | None:
        """The ids that a name means, whether they are offered or not; None: it means none."""
        whole = name.lower().removeprefix("models/")
        dated = _bare(whole)
        plain = _SUFFIX.sub("", dated)
        mapped = self._mapped(dict.fromkeys((name.lower(), whole, dated, plain)))
        if mapped is not None:
            return tuple(self._target(target, depth) for target in mapped)
        if dated in self._offered:
            return (dated,)
        meant = self._meant(plain, depth)
        return None if meant is None else (meant,)

    def _target(self, written: str, depth: int) -> str:
        """The id that a mapping's target means: an id that is known, another public name, or an id all the same."""
        target = written.removeprefix("models/")
        for each in (target, _bare(target)):
            if each in self.table.accounts or each in self._offered:
                return each
        return self._meant(_bare(target.lower()), depth) or target

    def _mapped(self, names: Iterable[str]) -> tuple[str, ...] | None:
        """The mapping's target of a name, with and without its prefixes and date."""
        some = list(names)
        return next((found for mapping in self._mappings if (found := mapping.find(some)) is not None), None)

    def _meant(self, name: str, depth: int) -> str | None:
        """The model on offer by that name, its replacement, or one of that generation and kind; else the tables'."""
        if name in self._offered or name in self._forwarded:
            return name
        if name in self.table.accounts and name not in self.table.older:
            return name
        said = named(name)
        if said is not None:
            alike = (m for m in self._all() if m.generation == said.generation and kind_of(m) == said.kind)
            found = best(alike, said.generation, depth if said.depth is None else said.depth)
            if found is not None:
                return found.id
        return self.table.alias(name, depth)

    def _all(self) -> list[Model]:
        """The models on offer, the tables' models first; the tables if the offer is not known."""
        if not self._offered:
            return [model for name, model in self.table.accounts.items() if name not in self.table.older]
        listed = [name for name in self.table.accounts if name in self._offered]
        return [self._model(name) for name in (*listed, *sorted(self._offered.keys() - self.table.accounts.keys()))]

    def _available(self, identity: str, depth: int = HIGH) -> Model:
        """The model of that id or of what has replaced it; one of its kind that is offered, if that isn't."""
        for _ in range(_MAX_HOPS):
            if identity in self._offered or identity not in self._forwarded:
                break
            identity = self._forwarded[identity]
        model = self._model(identity)
        if not self._offered or identity in self._offered:
            return model
        family = [m for m in self._all() if (m.family, m.image) == (model.family, model.image)]
        same = [m for m in family if kind_of(m) == kind_of(model)]
        return best(same, model.generation, depth) or next(iter(family), model)

    def _model(self, identity: str) -> Model:
        """The tables' entry of a model, corrected by what upstream reports (upstream.md 8.4)."""
        model, offer = self.table.account_model(identity), self._offered.get(identity)
        if offer is None:
            return model
        if offer.thinks is False and identity not in self.table.accounts:
            model = replace(model, thinking=None)
        return self.table.as_offered(model, offer)

    def _searches(self, model: Model) -> bool:
        if self._searching:
            return model.id in self._searching
        return model.searches

    def _list(self) -> list[PublicModel]:
        aliases = [name for name in self.table.shown if not self._offered or self.resolve(name).id in self._offered]
        names = [name for mapping in self._mappings for name in mapping.exact]
        return [_public(name, self.resolve(name)) for name in dict.fromkeys([*self.ids, *aliases, *names])]


def owner_of(name: str) -> Owner:
    """Whose model a public name means."""
    plain = _bare(name.lower())
    return next((owner for pattern, owner in _OWNERS if pattern.match(plain)), "google")


def can_any_serve(call: Call) -> bool:
    """Whether a call wants nothing that some models can't do: a picture, or a search."""
    return not call.web_search and call.output.kind != "image"


def depth_of(reasoning: Reasoning) -> int:
    """The depth that a client asks for (upstream.md 8.3); nothing said means high."""
    if reasoning.mode == "off":
        return LOW
    if reasoning.effort is not None:
        return _DEPTHS.get(reasoning.effort, HIGH)
    if reasoning.budget is not None and reasoning.budget >= 0:
        return budget_depth(reasoning.budget)
    return HIGH


def _wildcard(name: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, name.lower().split("*"))))


def _public(name: str, model: Model) -> PublicModel:
    shown = model.display_name if name == model.id else f"{name} ({model.display_name})"
    return PublicModel(name, owner_of(name), shown, model.context, model.output, model.thinking is not None)
