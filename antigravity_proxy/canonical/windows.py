"""The windows in which upstream counts an account's quota: five hours, and a week (upstream.md 3.5). Pure."""

from __future__ import annotations

from msgspec import Struct

FIVE_HOURS, WEEK = "5h", "weekly"
#: their lengths in seconds
SECONDS = {FIVE_HOURS: 5 * 3600.0, WEEK: 7 * 86_400.0}


class Window(Struct, frozen=True):
    """``remaining``: what is left of it, 0 to 1; ``resets_at`` in epoch seconds, None: upstream does not say."""

    remaining: float
    resets_at: float | None = None
