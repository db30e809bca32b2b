"""Live access tokens: refreshed before they expire, once for all waiters, kept in memory only."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from antigravity_proxy.accounts.policy import TOKEN_MARGIN
from antigravity_proxy.accounts.replication import LocalState, SharedState
from antigravity_proxy.accounts.state import AccountState, LastFailure
from antigravity_proxy.accounts.stats import Counters
from antigravity_proxy.accounts.waiting import SingleFlight
from antigravity_proxy.accounts.watcher import PoolWatcher
from antigravity_proxy.canonical.grant import Grant, IssuedToken, Metadata, RefreshRejected
from antigravity_proxy.secret import Secret

log = Logger()

#: seconds of life left below which a token is refreshed in the background (upstream.md 7)
REFRESH_AHEAD = 300.0
#: seconds to wait after the first, second, … temporary failure in a row (upstream.md 7)
BACK_OFF = (5.0, 15.0, 60.0, 300.0)
#: seconds to wait after the OAuth client itself was refused (upstream.md 7)
MISCONFIGURED_PAUSE = 300.0

Keep = Callable[[str, Grant, IssuedToken], None]
Refresh = Callable[[AccountState], Coroutine[Deferred[Any], Any, IssuedToken]]


class TokenKeeper(PoolWatcher):
    """Hands out access tokens and renews them.

    ``refresh`` asks upstream for a new token; it raises RefreshRejected. A new token is passed to the replicas by
    ``shared``, and to ``keep``: an account's id, the grant that was used, and the new token.
    """

    def __init__(
        self,
        clock: IReactorTime,
        epoch: Callable[[], float],
        refresh: Refresh,
        shared: SharedState | None = None,
        keep: Keep | None = None,
        counters: Counters | None = None,
    ) -> None:
        self._clock = clock
        self._keep = keep
        self._shared = LocalState() if shared is None else shared
        self._epoch = epoch
        self._refresh = refresh
        self._flights: SingleFlight[None] = SingleFlight()
        #: why the OAuth client is refused, for health; empty: it isn't
        self.misconfigured = ""
        #: how this machine's clock is wrong, for health; empty: it isn't, as far as is known
        self.clock_trouble = ""
        self.counters = Counters() if counters is None else counters

    def live(self, state: AccountState) -> Secret | None:
        """The account's token if it lives; one that soon won't is renewed behind the scenes."""
        left = state.expires_at - self._epoch()
        if left < REFRESH_AHEAD and self._may_refresh(state) and not self._flights.running(state):
            self.renew(state).addErrback(lambda _: None)  # logged where it failed; the next caller tries again
        return state.access_token if left > TOKEN_MARGIN else None

    def tokenless(self, state: AccountState) -> None:
        """As PoolWatcher's: it is renewed."""
        self.live(state)

    def renew(self, state: AccountState) -> Deferred[None]:
        """Fires when the account has a new token; fails with RefreshRejected."""
        return self._flights.do(state, lambda: Deferred.fromCoroutine(self._renew(state)))

    def expire(self, state: AccountState, refused: Secret) -> bool:
        """Upstream refused this token: it is not handed out again, and a new one is asked for.

        Returns whether this is the second in a row, with no success since the first: then a third one would be
        refused too, and none is asked for now. Does nothing when the account has a newer token meanwhile.
        """
        if state.access_token != refused:
            return False
        again = state.refused is not None and state.refused != refused
        state.refused = refused
        state.expires_at = 0.0
        if not again:
            self.live(state)
        return again

    def stop(self) -> None:
        """Gives up what is under way."""
        self._flights.cancel()

    def _may_refresh(self, state: AccountState) -> bool:
        return not state.barred and state.grant.is_renewable and state.refresh_after <= self._clock.seconds()

    async def _renew(self, state: AccountState) -> None:
        used = state.grant
        try:
            issued = await self._issued(state)
        except RefreshRejected as e:
            self._rejected(state, e)
            raise
        except CancelledError:
            raise
        except Exception:
            self.counters.renewals["failed"] += 1
            self._back_off(state)
            log.failure("refresh of account {account} failed", Failure(), account=state.credential.id)
            raise
        self.misconfigured = self.clock_trouble = ""
        self.counters.renewals["renewed"] += 1
        state.renewed(issued)
        log.info("account {account} has a new access token", account=state.credential.id)
        if self._keep is not None:
            self._keep(state.credential.id, used, issued)

    async def _issued(self, state: AccountState) -> IssuedToken:
        """A new token; that of a machine's own account is not shared."""
        if isinstance(state.grant, Metadata):
            return await self._refresh(state)
        return await self._shared.renew(state.credential.id, state.access_token, lambda: self._refresh(state))

    def _rejected(self, state: AccountState, e: RefreshRejected) -> None:
        self.counters.renewals[e.kind] += 1
        if e.kind == "dead":
            state.barred = "its sign-in has expired or was revoked: sign in again"
            state.last_failure = LastFailure(self._epoch(), state.barred)
            self._shared.barred(state.credential.id, state.sign_in, state.barred)
        elif e.kind == "misconfigured":
            self.misconfigured = str(e)
            state.refresh_after = self._clock.seconds() + MISCONFIGURED_PAUSE
        else:
            self._back_off(state, e.pause)
            self.clock_trouble = e.clock or self.clock_trouble
            state.last_failure = LastFailure(self._epoch(), f"its token could not be renewed: {e}")
        log.warn("account {account}: no new token: {kind}", account=state.credential.id, kind=e.kind)

    def _back_off(self, state: AccountState, stated: float | None = None) -> None:
        pause = BACK_OFF[min(state.refresh_failures, len(BACK_OFF) - 1)] if stated is None else stated
        state.refresh_failures += 1
        state.refresh_after = self._clock.seconds() + pause
