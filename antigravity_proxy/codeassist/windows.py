"""Reads ``retrieveUserQuotaSummary``, and tier and credits of ``loadCodeAssist``. Pure (upstream.md 3.1, 3.5).

Everything is optional, and a value of an unexpected type counts as absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from antigravity_proxy import coerce
from antigravity_proxy.canonical.windows import SECONDS, Window
from antigravity_proxy.generatecontent import durations

#: the tiers that are known (upstream.md 3.1)
TIERS = frozenset({"free-tier", "legacy-tier", "standard-tier", "g1-pro-tier", "g1-ultra-tier"})
#: groups that are taken of an answer, and characters of a name
_MOST, _LONGEST = 16, 64
_MOST_CREDITS = 1 << 40


def read_windows(answer: Mapping[str, Any]) -> dict[str, dict[str, Window]]:
    """The windows by group. A fraction that is absent is zero, which proto JSON leaves out."""
    found: dict[str, dict[str, Window]] = {}
    for group in _items(answer.get("groups"))[:_MOST]:
        name = (coerce.text(group.get("displayName")) or "all models")[:_LONGEST]
        windows: dict[str, Window] = {}
        for bucket in _items(group.get("buckets")):
            which = coerce.text(bucket.get("window")) or ""
            remaining = coerce.number(bucket.get("remainingFraction", 0.0))
            if which not in SECONDS or remaining is None:
                continue
            window = Window(min(max(remaining, 0.0), 1.0), durations.timestamp(bucket.get("resetTime")))
            if which not in windows or window.remaining < windows[which].remaining:  # the tightest of several
                windows[which] = window
        if windows:
            found[name] = windows
    return found


def read_tier(answer: Mapping[str, Any]) -> tuple[str, int | None]:
    """The subscription that ``loadCodeAssist`` names, and the credits that are left of it; None: it has none."""
    paid, current = coerce.mapping(answer.get("paidTier")), coerce.mapping(answer.get("currentTier"))
    tier = coerce.text(paid.get("id")) or coerce.text(current.get("id")) or ""
    amounts = [_amount(each.get("creditAmount")) for each in _items(paid.get("availableCredits"))]
    known = [each for each in amounts if each is not None]
    return tier[:_LONGEST], sum(known) if known else None


def _amount(told: object) -> int | None:
    """Proto JSON writes 64-bit numbers as text."""
    if isinstance(told, str) and told.isascii() and told.isdigit() and len(told) < 14:
        told = int(told)
    return told if isinstance(told, int) and not isinstance(told, bool) and 0 <= told < _MOST_CREDITS else None


def _items(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
