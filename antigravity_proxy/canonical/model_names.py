"""The kind, generation and depth that a model's name states. Pure (upstream.md 8.2, translation.md 14)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from antigravity_proxy.canonical.models import Model, generation

#: depths: high, medium, low
HIGH, MEDIUM, LOW = 0, 1, 2
#: thinking budgets in tokens below which a model with one depth is low, or medium (upstream.md 8.3)
LOW_BUDGET, MEDIUM_BUDGET = 2000, 7000
_GEMINI = re.compile(r"gemini-(\d{1,3})(?:\.(\d{1,2}))?-(pro-image|flash-image|flash-lite|flash|pro)(?![a-z])(.*)")
_DEPTH = re.compile(r"-(high|medium|low)$")
_DEPTHS = {"high": HIGH, "medium": MEDIUM, "low": LOW}
_KINDS = ("opus", "sonnet", "haiku", "lite", "flash", "pro")


class Named(Struct, frozen=True):
    """A Gemini model by its generation and kind. ``depth``: the name says it."""

    generation: float
    kind: str
    depth: int | None


def named(name: str) -> Named | None:
    """The parts of a public Gemini name; None for any other name."""
    found = _GEMINI.fullmatch(name)
    if found is None:
        return None
    depth = _DEPTH.search(found[4])
    kind = "lite" if found[3] == "flash-lite" else found[3]
    return Named(generation(found[1], found[2] or "0"), kind, _DEPTHS[depth[1]] if depth else None)


def kind_of(model: Model) -> str:
    """A model's kind: Opus is not Sonnet, and Flash is not Pro; empty where its id names none."""
    kind = next((kind for kind in _KINDS if kind in model.id), "")
    return f"{kind}-image" if model.image else kind


def budget_depth(budget: int) -> int:
    """The depth that a thinking budget in tokens comes to."""
    return LOW if budget < LOW_BUDGET else MEDIUM if budget < MEDIUM_BUDGET else HIGH


def best(models: Iterable[Model], generation: float | None, depth: int) -> Model | None:
    """Of models of one kind, the one of that generation (None: any), or nearest to it, and of the asked depth."""

    def distance(model: Model) -> tuple[float, float, float]:
        own = _depth_of(model)
        far = 0.0 if generation is None else abs(model.generation - generation)
        return far, 0.5 if own is None else abs(own - depth), -1 if own is None else own

    return min(models, key=distance, default=None)


def _depth_of(model: Model) -> int | None:
    """The one depth of a model: from the tables, since ids mislead; from the id if no table has it."""
    if model.thinking is not None and model.thinking.fixed is not None:
        return budget_depth(model.thinking.fixed)
    found = _DEPTH.search(model.id)
    return _DEPTHS[found[1]] if found else None
