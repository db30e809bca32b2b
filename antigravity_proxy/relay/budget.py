"""How often one client request may be tried. Pure (upstream.md 6.3, "Rules around it")."""

from __future__ import annotations

#: further attempts after upstream's own trouble: rows 3, 6 to 9, 16, 22 to 24
TROUBLE_ATTEMPTS = 2
#: seconds after a request's arrival from which no new attempt starts: clients have retries of their own
LAST_START = 60.0
#: row 16: another account or host may have the model, but not a third
MISSING_MODEL_ATTEMPTS = 1


class RetryBudget:
    """Counts one request's attempts; ``arrived`` in monotonic seconds."""

    __slots__ = ("_arrived", "_missing_left", "_once", "_trouble_left")

    def __init__(self, arrived: float) -> None:
        self._arrived = arrived
        self._trouble_left = TROUBLE_ATTEMPTS
        self._missing_left = MISSING_MODEL_ATTEMPTS
        self._once: tuple[str, ...] = ()

    def in_time(self, now: float) -> bool:
        """Whether a further attempt may still start."""
        return self.left(now) >= 0

    def left(self, now: float) -> float:
        """Seconds in which a further attempt may still start."""
        return LAST_START - (now - self._arrived)

    def spend_trouble(self, *, model_missing: bool = False) -> bool:
        """Whether a further attempt after upstream's trouble is allowed; it is spent by asking."""
        if model_missing:
            self._missing_left -= 1
            return self._missing_left >= 0
        self._trouble_left -= 1
        return self._trouble_left >= 0

    def once(self, what: str) -> bool:
        """True the first time it is asked about ``what``: for repairs that are tried once a request."""
        if what in self._once:
            return False
        self._once += (what,)
        return True
