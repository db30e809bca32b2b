"""A lease: one account, held while one attempt runs; or why there is none."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from antigravity_proxy.accounts.state import ALL_MODELS, AccountState


class Shortage(Struct, frozen=True):
    """Why there is no lease for a model.

    ``is_busy``: somebody could serve if it were not at the limit of its leases. ``free_in``: seconds until the first
    that merely cools is free, 0: one is free now; None: time alone brings none back. ``accounts``: how many there are.
    """

    is_busy: bool
    free_in: float | None
    accounts: int


class Lease:
    """One account, held for one attempt with one model. Release it exactly once, whatever happened.

    ``on_release`` is told of the account when it is given back. ``traceparent`` is the header under which upstream is
    told of the attempt, ``upstream_trace`` the id that it calls it by itself; empty: none.
    """

    __slots__ = ("_on_release", "_released", "model", "state", "traceparent", "upstream_trace")

    def __init__(self, on_release: Callable[[AccountState], object], state: AccountState, model: str) -> None:
        self._on_release = on_release
        self._released = False
        self.state = state
        self.model = model
        self.traceparent = b""
        self.upstream_trace = ""

    def __repr__(self) -> str:
        return f"<Lease of {self.state.credential.id} for {self.model}{', released' * self._released}>"

    def succeeded(self) -> None:
        """The account served: its strikes for this model are forgotten."""
        state = self.state
        state.refused = None
        if state.strikes:
            forgotten = (self.model, ALL_MODELS)
            state.strikes = {key: count for key, count in state.strikes.items() if key[0] not in forgotten}

    def release(self) -> None:
        """Gives the account back; a second call does nothing."""
        if not self._released:
            self._released = True
            self._on_release(self.state)
