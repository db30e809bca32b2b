"""Fields that models are known to refuse, so that not every request has to find out. Bounded, in number and time.

A repair belongs to its request. Remembered is only that a model refused a *field* as such, and that the request without
it was taken: so nothing that one client writes into a field changes what is sent for another (upstream.md 4.3,
translation.md 14).
"""

from __future__ import annotations

from collections.abc import Iterator

from antigravity_proxy.canonical.wire import Fix

#: seconds; then a request may try the field again
KEPT_FOR = 3600.0
#: models, of which upstream offers a few dozen; and fixes of each, which clients' betas may be
MAX_MODELS, MAX_FIXES = 256, 64


#: one object for all requests of which nothing is left out
NOTHING: frozenset[Fix] = frozenset()


class Repairs:
    """By upstream model id, what is left out of its requests, and until when in monotonic seconds."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[str, dict[Fix, float]] = {}

    def of(self, model: str, now: float) -> frozenset[Fix]:
        """The quirks to leave out from the start."""
        known = self._known.get(model)
        if not known:
            return NOTHING
        return frozenset(quirk for quirk, until in known.items() if until > now)

    def remember(self, model: str, quirk: Fix, now: float) -> None:
        """The model refused the field or the beta, and took the request without it."""
        if model not in self._known and len(self._known) >= MAX_MODELS:
            del self._known[next(iter(self._known))]
        known = self._known.setdefault(model, {})
        known.pop(quirk, None)
        if len(known) >= MAX_FIXES:
            del known[next(iter(known))]
        known[quirk] = now + KEPT_FOR

    def all(self, now: float) -> Iterator[tuple[str, str]]:
        """The fields of which something is left out now, for metrics."""
        for model in self._known:
            for name in {quirk.value for quirk in self.of(model, now)}:
                yield model, name
