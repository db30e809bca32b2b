"""The table of models: what is known of each, and which public names mean which. Pure (upstream.md 8)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from antigravity_proxy.canonical.credential import ACCOUNTS, VERTEX
from antigravity_proxy.canonical.models import Family, Model, generation_in
from antigravity_proxy.canonical.offers import Offer

#: the most names that are listed in a report of corrections
_TOLD = 20
#: the newest of these serves names that mean no model
_FLASH = re.compile(r"gemini-\d{1,3}(?:\.\d{1,2})?-flash")
_DATED = re.compile(r"-(20\d{6})$")


class Rule(Struct, frozen=True):
    """Facts of models: those whose ids fit, of a family, from a generation on and below another, at some upstreams."""

    ids: re.Pattern[str]
    of: Family | None
    since: float
    below: float
    at: tuple[str, ...]
    facts: dict[str, Any]

    def fits(self, identity: str, upstream: str, family: Family | None, generation: float) -> bool:
        """Whether it speaks of this model."""
        return (
            (self.of is None or self.of == family)
            and self.since <= generation < self.below
            and upstream in self.at
            and bool(self.ids.match(identity))
        )


class ModelTable(Struct, frozen=True, kw_only=True):
    """All that is known of models. ``accounts`` are the accounts' by id, ``official`` those of each official upstream.

    ``same``: the official id of an account's model, and the depth that the accounts' id means. ``older``: meant by
    their id only where upstream offers them. ``aliases``: public names by pattern, the first that fits, with the ids at
    high, medium and low depth. ``hidden`` ids serve other purposes; ``shown`` aliases are listed. ``fallback``
    serves names that mean no model, ``official_fallback`` where there are no accounts. ``search``, ``pictures``: for
    models that can't. ``corrected``: what an operator's file speaks of.
    """

    accounts: dict[str, Model]
    official: dict[str, dict[str, Model]]
    same: dict[str, tuple[str, str]]
    older: frozenset[str]
    aliases: tuple[tuple[re.Pattern[str], tuple[str, str, str]], ...]
    rules: tuple[Rule, ...]
    fallback: str
    official_fallback: str
    search: str
    pictures: str
    hidden: tuple[str, ...]
    shown: tuple[str, ...]
    corrected: tuple[str, ...] = ()
    #: what an operator states of models, by section and id: field names
    stated: dict[tuple[str, str], frozenset[str]] = {}

    @property
    def told(self) -> str:
        """The subjects of an operator's file, in words."""
        more = len(self.corrected) - _TOLD
        return ", ".join(self.corrected[:_TOLD]) + (f" and {more} more" if more > 0 else "")

    def account_model(self, identity: str) -> Model:
        """The accounts' model of that id; one that is not listed has what the rules say."""
        return self.accounts.get(identity) or described(self.rules, identity, ACCOUNTS, {})

    def official_model(self, identity: str, upstream: str, level: str = "", offer: Offer | None = None) -> Model:
        """The model of that id at an official upstream, with what ``models.list`` says of it."""
        found = self.official[upstream].get(identity) or described(self.rules, identity, upstream, {})
        if offer is not None:
            found = self.as_offered(found, offer)
            if offer.thinks is False and "thinking" not in self._stated(found):
                found = replace(found, thinking=None)
        return replace(found, level=level) if level else found

    def as_offered(self, model: Model, offer: Offer) -> Model:
        """A model with what upstream says of it, unless an operator says otherwise."""
        told = {"display_name": offer.display_name, "context": offer.context, "output": offer.output}
        stated = self._stated(model)
        return replace(model, **{field: value for field, value in told.items() if value and field not in stated})

    def _stated(self, model: Model) -> frozenset[str]:
        section = "accounts" if model.upstream == ACCOUNTS else "official"
        return self.stated.get((section, model.id), frozenset())

    def alias(self, name: str, depth: int) -> str | None:
        """The id that a public name means by its pattern, at a depth."""
        return next((ids[depth] for pattern, ids in self.aliases if pattern.match(name)), None)

    def newest_flash(self, offered: Iterable[str]) -> str:
        """The newest Flash of these ids: for names that mean no model."""
        found = ((generation_in(each) or 0.0, each) for each in offered if _FLASH.fullmatch(each))
        return max(found, default=(0.0, self.official_fallback))[1]

    def claude_id(self, name: str) -> str | None:
        """The id that Vertex has for a public name of Claude's; None: it has none.

        A dated name is ``name@date``; one without is the alias of the dated id where there is one.
        """
        if not name.startswith("claude"):
            return None
        known = self.official[VERTEX]
        for each in (name, _DATED.sub(r"@\1", name), _DATED.sub("", name)):
            if each in known:
                return each
        return next((each for each in known if each.partition("@")[0] == name), None)


def described(rules: Iterable[Rule], identity: str, upstream: str, own: Mapping[str, Any]) -> Model:
    """The model of that id: what the rules say of it, and above that the facts of its ``own``."""
    stated = dict(own)
    generation = generation_in(identity)
    if generation is not None:
        stated.setdefault("generation", generation)
    facts: dict[str, Any] = {}
    for rule in rules:
        known = facts | stated
        if rule.fits(identity, upstream, known.get("family"), known.get("generation", 0.0)):
            facts |= rule.facts
    return Model(id=identity, upstream=upstream, **({"display_name": identity} | facts | stated))
