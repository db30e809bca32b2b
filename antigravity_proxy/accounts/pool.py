"""The account pool: leases accounts, takes them back, sets them aside. Holds the state that ``policy`` decides on."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from antigravity_proxy import errors
from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.policy import Moment
from antigravity_proxy.accounts.state import ALL_MODELS, AccountState, Cooldown
from antigravity_proxy.codeassist.verdict import Scope, Verdict
from antigravity_proxy.volume.accounts import Account

log = Logger()

#: cooldowns of these rows wait for a person (upstream.md 6.3, "When every usable account cools")
_FLAGGED_ROWS = frozenset({11})


class Lease:
    """One account, held for one attempt with one model. Release it exactly once, whatever happened."""

    __slots__ = ("_pool", "_released", "model", "state")

    def __init__(self, pool: Pool, state: AccountState, model: str) -> None:
        self._pool = pool
        self._released = False
        self.state = state
        self.model = model

    def succeeded(self) -> None:
        """The account served: its strikes for this model are forgotten."""
        if self.state.strikes:
            self.state.strikes.pop(self.model, None)
            self.state.strikes.pop(ALL_MODELS, None)

    def penalise(self, verdict: Verdict) -> None:
        """Sets the account aside as the verdict says."""
        self._pool.penalise(self.state, self.model, verdict)

    def release(self) -> None:
        """Gives the account back; a second call does nothing."""
        if not self._released:
            self._released = True
            self.state.in_flight -= 1


class Pool:
    """All accounts of the volume and who holds them.

    ``clock`` gives monotonic seconds, ``epoch`` the wall clock in epoch seconds, ``jitter`` a number from 0 to 1.
    """

    def __init__(self, clock: IReactorTime, epoch: Callable[[], float], jitter: Callable[[], float]) -> None:
        self._clock = clock
        self._epoch = epoch
        self._jitter = jitter
        self._states: dict[str, AccountState] = {}

    @property
    def states(self) -> Collection[AccountState]:
        """All accounts, usable or not, in the volume's order."""
        return self._states.values()

    def now(self) -> Moment:
        """This moment on both clocks."""
        return Moment(self._clock.seconds(), self._epoch())

    def update(self, accounts: Iterable[Account]) -> None:
        """Takes the volume's accounts: new ones join, gone ones leave, known ones keep cooldowns and fresh tokens.

        A lease on an account that left goes on to its end.
        """
        states: dict[str, AccountState] = {}
        for account in accounts:
            state = self._states.get(account.id)
            if state is None:
                state = AccountState(account)
            else:
                state.update(account)
            states[account.id] = state
        self._states = states

    def lease(self, model: str, tried: Sequence[AccountState] = ()) -> Lease | None:
        """The next account for ``model`` (an upstream id) that is not among ``tried``; None when there is none now."""
        now = self.now()
        state = policy.choose(self._states.values(), model, tried, now)
        return None if state is None else self.hold(state, model)

    def hold(self, state: AccountState, model: str) -> Lease:
        """A lease on this very account, whatever the policy would say: for a second try on it."""
        state.in_flight += 1
        state.last_leased = self._clock.seconds()
        return Lease(self, state, model)

    def refusal(self, model: str) -> errors.ProxyError:
        """Why nothing can be leased for ``model``, as the client is told (upstream.md 6.3, "Rules around it")."""
        now = self.now()
        free_at = policy.first_free(self._states.values(), model, now)
        if free_at is not None:
            return errors.RateLimited(
                f"All accounts are rate limited for {model}; {_free_again(free_at, now)}.",
                retry_after=max(1, math.ceil(free_at - now.monotonic)),
            )
        if not self._states:
            return errors.Unavailable("No account can be read from the credential volume; /health says why.")
        return errors.Unavailable("No account is usable at the moment; /health says why.")

    def usable(self) -> int:
        """How many accounts can serve, cooling or not."""
        now = self.now()
        return sum(policy.is_usable(state, now) for state in self._states.values())

    def penalise(self, state: AccountState, model: str, verdict: Verdict) -> None:
        """Sets an account aside as the verdict says; a longer cooldown in force stays."""
        now = self._clock.seconds()
        if verdict.scope is Scope.LAST_IN_ORDER:
            state.last_until = now + policy.LAST_FOR
        elif verdict.scope is Scope.UNTIL_CHANGED:
            state.barred = verdict.sentence
        for key in policy.cooldown_keys(verdict, model):
            strikes = state.strikes.get(key, 0)
            state.strikes[key] = strikes + 1
            until = now + policy.cooldown_length(verdict, strikes, self._jitter())
            known = state.cooldowns.get(key)
            if known is None or known.until < until:
                state.cooldowns[key] = Cooldown(until, verdict.row in _FLAGGED_ROWS)
        log.info(
            "account {account} set aside: row {row}, {scope}, stated delay {delay}",
            account=state.account.id,
            row=verdict.row,
            scope=verdict.scope.name,
            delay=verdict.delay,
            model=model,
        )


def _free_again(free_at: float, now: Moment) -> str:
    """The moment in words, for clients that ignore ``Retry-After`` (translation.md 10)."""
    seconds = max(1, math.ceil(free_at - now.monotonic))
    moment = _utc(now.epoch + seconds)
    hours, rest = divmod(seconds, 3600)
    minutes = rest // 60
    length = f"{hours} h {minutes} m" if hours else f"{minutes} m {rest % 60} s" if minutes else f"{seconds} s"
    return f"the first is free again at {moment} (in {length})"


def _utc(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
