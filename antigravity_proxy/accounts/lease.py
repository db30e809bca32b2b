"""A lease: one account, held while one attempt runs; or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Collection

from msgspec import Struct

from antigravity_proxy.accounts.policy import at
from antigravity_proxy.accounts.state import ALL_MODELS, AccountState


class Lease(Struct, eq=False):
    """One account, held for one attempt with one model. Release it exactly once, whatever happened.

    ``on_release`` is called with the account when it is given back. ``traceparent`` is the header that identifies the
    attempt to upstream, ``upstream_trace`` upstream's own id of it; empty: none. ``location``: where the
    model is asked, empty: its upstream has none. ``group``: who shares the account's quotas, itself among them; empty:
    it has its own.
    """

    on_release: Callable[[AccountState], object]
    state: AccountState
    model: str
    location: str = ""
    group: Collection[AccountState] = ()
    traceparent: bytes = b""
    upstream_trace: str = ""
    released: bool = False

    def __repr__(self) -> str:
        return f"<Lease of {self.state.credential.id} for {self.model}{', released' * self.released}>"

    def succeeded(self) -> None:
        """The account served: its strikes for this model are forgotten, and those of its group."""
        state = self.state
        state.refused = None
        if state.strikes:
            forgotten = (self.model, ALL_MODELS, at(self.model, self.location))
            for each in self.group or (state,):
                each.strikes = {key: count for key, count in each.strikes.items() if key[0] not in forgotten}

    def release(self) -> None:
        """Gives the account back; a second call does nothing."""
        if not self.released:
            self.released = True
            self.on_release(self.state)
