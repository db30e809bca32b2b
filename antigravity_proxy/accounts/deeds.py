"""What the pool has done so far, counted for whoever wants to know. Plain numbers, read at any time."""

from __future__ import annotations

from collections import Counter


class Deeds:
    """Leases given, and held now; how often an account was set aside, by the verdict's name; renewals by outcome.

    A renewal's outcome is ``renewed``, why it was refused (`RefreshRejected.kind`), or ``failed``.
    """

    __slots__ = ("held", "leases", "renewals", "set_aside")

    def __init__(self) -> None:
        self.leases = 0
        self.held = 0
        self.set_aside: Counter[str] = Counter()
        self.renewals: Counter[str] = Counter()
