"""What Claude's models take, and what cures a refusal. Pure (official-upstreams.md 4, "Claude on vtx")."""

from __future__ import annotations

import re

from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.wire import Quirk

#: the version of the form that takes sampling parameters, and the newer one that some clients ask for by name
VERSION, NEWER_VERSION = "vertex-2023-10-16", "2026-10-21"
_CURES: tuple[tuple[re.Pattern[str], Quirk], ...] = (
    (re.compile(r"anthropic-?beta|beta header"), Quirk.NO_BETAS),
    (re.compile(r"\bsignature\b|(?:expected|must be) \W?(?:thinking|redactedthinking)"), Quirk.LOST_SIGNATURES),
    (re.compile(r"budgettokens|thinking\.type|adaptive"), Quirk.PLAIN_THINKING),
    (re.compile(r"temperature|\btopp\b|\btopk\b"), Quirk.NO_SAMPLING),
    (re.compile(r"stopsequences"), Quirk.NO_STOP_SEQUENCES),
    (re.compile(r"prefill|must end with a user"), Quirk.NO_PREFILL),
)


def version(asked: str) -> str:
    """The version to send for the client's own ``anthropic-version``."""
    return NEWER_VERSION if asked == NEWER_VERSION else VERSION


def is_adaptive(model: Model, quirks: frozenset[Quirk]) -> bool:
    """Whether the model thinks adaptively, and not by a budget."""
    return Quirk.PLAIN_THINKING in quirks or model.thinks_adaptively


def takes_sampling(model: Model, quirks: frozenset[Quirk]) -> bool:
    """Whether the model takes temperature, top-p and top-k."""
    return Quirk.NO_SAMPLING not in quirks and model.takes_sampling


def quirk_for(message: str) -> Quirk | None:
    """What to change for a request that was refused with 400 and this message; None: nothing helps."""
    words = message.lower().replace("_", "")
    return next((quirk for pattern, quirk in _CURES if pattern.search(words)), None)
