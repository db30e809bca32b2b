"""The windows in which upstream counts an account's quota: five hours, and a week; and its tier and credits. Pure.

(upstream.md 3.1, 3.5)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

FIVE_HOURS, WEEK = "5h", "weekly"
#: their lengths in seconds
SECONDS = {FIVE_HOURS: 5 * 3600.0, WEEK: 7 * 86_400.0}
#: the share of a window that must have passed before a pace says anything
_LEAST_PASSED = 0.02


class Window(Struct, frozen=True):
    """``remaining``: what is left of it, 0 to 1; ``resets_at`` in epoch seconds, None: upstream does not say."""

    remaining: float
    resets_at: float | None = None


class Standing(Struct, frozen=True):
    """Upstream's report on an account: ``windows`` by group of models and by window, its ``tier``, its ``credits``.

    Empty, or None: not known.
    """

    windows: Mapping[str, Mapping[str, Window]] = {}
    tier: str = ""
    credits: int | None = None


def of_model(standing: Standing, model: str) -> Mapping[str, Window]:
    """The windows that count a model: those of the group that names its family, or of the only group."""
    family = family_of(model)
    named = next((each for group, each in standing.windows.items() if family_of(group) == family), None)
    if named is not None:
        return named
    return next(iter(standing.windows.values())) if len(standing.windows) == 1 else {}


def fullest(standings: Iterable[Standing], model: str) -> Mapping[str, Window]:
    """Of each window that counts a model, that of the account which has most of it left."""
    found: dict[str, Window] = {}
    for standing in standings:
        for name, window in of_model(standing, model).items():
            known = found.get(name)
            if known is None or window.remaining > known.remaining:
                found[name] = window
    return found


def family_of(name: str) -> str:
    """The family in a model's or a group's name: ``claude``, ``gemini``, or ``other``."""
    lower = name.lower()
    return "claude" if "claude" in lower or "anthropic" in lower else "gemini" if "gemini" in lower else "other"


def used_up_at(window: Window, name: str, now: float) -> float | None:
    """When the window is used up if it goes on like this (epoch seconds); None: not before it begins again."""
    length = SECONDS.get(name)
    if window.resets_at is None or length is None or window.resets_at <= now:
        return None
    if window.remaining <= 0:
        return now
    passed, used = length - (window.resets_at - now), 1.0 - window.remaining
    if passed < _LEAST_PASSED * length or used <= 0:
        return None
    at = now + window.remaining * passed / used
    return at if at < window.resets_at else None
