"""The limits of Claude's models, and the changes that help after a refusal.

Pure (official-upstreams.md 4, "Claude on vtx").
"""

from __future__ import annotations

import re

from antigravity_proxy.canonical.models import Model
from antigravity_proxy.canonical.wire import Beta, Fix, Quirk

#: the version of the form that takes sampling parameters, and the newer one that some clients ask for by name
VERSION, NEWER_VERSION = "vertex-2023-10-16", "2026-10-21"
#: the name of a beta, which may be used in a header, and how many one request may have
BETA, MAX_BETAS = re.compile(r"[A-Za-z0-9._-]{1,64}"), 32
#: what a message quotes, such as "Unexpected value(s) `a, b` for the `anthropic-beta` header"; and names with dates
_QUOTED = re.compile(r"([`'\"])([^`'\"\n]{1,2048})\1")
_DATED = re.compile(r"\b[A-Za-z0-9-]{1,50}-20\d\d-\d\d-\d\d\b")
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


def is_adaptive(model: Model, quirks: frozenset[Fix]) -> bool:
    """Whether the model thinks adaptively, and not by a budget."""
    return Quirk.PLAIN_THINKING in quirks or model.thinks_adaptively


def takes_sampling(model: Model, quirks: frozenset[Fix]) -> bool:
    """Whether the model takes temperature, top-p and top-k."""
    return Quirk.NO_SAMPLING not in quirks and model.takes_sampling


def fixes_for(message: str) -> frozenset[Fix]:
    """The changes to a request that was refused with 400 and this message; empty: nothing helps.

    Of betas those alone that it names, if it names any.
    """
    words = message.lower().replace("_", "")
    quirk = next((quirk for pattern, quirk in _CURES if pattern.search(words)), None)
    if quirk is None:
        return frozenset()
    named = _named_betas(message) if quirk is Quirk.NO_BETAS else ()
    return frozenset(map(Beta, named)) or frozenset({quirk})


def _named_betas(message: str) -> list[str]:
    quoted = ",".join(text for _, text in _QUOTED.findall(message))
    names = dict.fromkeys([*(name.strip() for name in quoted.split(",")), *_DATED.findall(message)])
    return [name for name in names if BETA.fullmatch(name) and name.lower() != Quirk.NO_BETAS.value][:MAX_BETAS]
