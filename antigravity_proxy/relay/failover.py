"""Walks over accounts and base URLs until an attempt succeeds or nothing is left to try.

The table of upstream.md 6.3 says what follows a failure; here stands only how that is carried out. Nothing is tried
again once a byte of the answer has left, nor when the client has.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from twisted.internet.task import deferLater

from antigravity_proxy import errors
from antigravity_proxy.accounts.pool import Lease
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.codeassist.failure import for_client
from antigravity_proxy.codeassist.oauth import RefreshRejected
from antigravity_proxy.codeassist.verdict import UNREACHABLE, Step, Verdict
from antigravity_proxy.relay.attempt import AttemptFailed
from antigravity_proxy.relay.budget import RetryBudget
from antigravity_proxy.relay.client import Client, ClientGone
from antigravity_proxy.relay.resources import Resources

T = TypeVar("T")

#: seconds before the next attempt after upstream's own trouble; jitter adds up to as much again (6.3 row 7)
TROUBLE_PAUSE = 0.5
#: a burst limit of at most this many seconds is waited for when no other account is left (6.3 row 2)
SHORT_WAIT = 2.0
#: rows whose message tells the caller what is wrong with the request itself
_CALLERS_FAULT = frozenset({17, 18, 19, 20})


class Failover:
    """The attempts of one client request for one model.

    ``repair`` changes the request after a refusal that a changed request may cure, and says whether it did.
    """

    __slots__ = ("_base", "_budget", "_client", "_model", "_repair", "_resources", "_rows", "_tried")

    def __init__(
        self, resources: Resources, model: str, client: Client, repair: Callable[[AttemptFailed], bool]
    ) -> None:
        self._resources = resources
        self._model = model
        self._client = client
        self._repair = repair
        self._tried: list[AccountState] = []
        self._rows: list[int] = []
        self._base = 0
        self._budget = RetryBudget(resources.clock.seconds())

    async def run(self, attempt: Callable[[Lease, bytes], Awaitable[T]]) -> T:
        """Calls ``attempt`` with a lease and a base URL until it returns; it raises AttemptFailed when it failed.

        Raises a ProxyError when nothing is left to try, and ClientGone.
        """
        pool = self._resources.pool
        lease = pool.lease(self._model)
        if lease is None:
            raise pool.refusal(self._model)
        while True:
            urls = self._resources.bases.in_order(self._resources.clock.seconds())
            url = urls[self._base % len(urls)]
            try:
                result = await attempt(lease, url)
            except AttemptFailed as e:
                failed = e
            else:
                lease.succeeded()
                return result
            finally:
                lease.release()
            if failed.verdict is UNREACHABLE:
                self._resources.bases.unreachable(url, self._resources.clock.seconds())
            lease = await self._next(lease.state, failed)

    async def _next(self, state: AccountState, failed: AttemptFailed) -> Lease:
        """The lease to go on with after a failure, or the error that ends the request."""
        verdict = failed.verdict
        self._rows.append(verdict.row)
        self._check_client()
        if self._client.started or verdict.step is Step.STOP:
            self._resources.pool.penalise(state, self._model, verdict)
            raise self._error(failed)
        if verdict.step is Step.REPAIR:
            if self._budget.once("repair") and self._repair(failed):
                return self._resources.pool.hold(state, self._model)
            raise self._error(failed)
        lease = await self._elsewhere(state, verdict) or await self._same_again(state, verdict)
        if lease is None:
            raise self._error(failed)
        return lease

    def _check_client(self) -> None:
        if self._client.gone:
            raise ClientGone

    async def _elsewhere(self, state: AccountState, verdict: Verdict) -> Lease | None:
        """The next account or base URL, as far as the retry budget goes."""
        pool, clock = self._resources.pool, self._resources.clock
        in_time = self._budget.in_time(clock.seconds())
        if verdict.step is Step.NEXT_BASE:
            in_time = self._budget.spend_trouble(model_missing=verdict.row == 16) and in_time
            self._base += 1
            if verdict is UNREACHABLE:  # this account has received nothing: it is as good as before
                return pool.hold(state, self._model) if in_time else None
        self._tried.append(state)
        lease = pool.lease(self._model, self._tried) if in_time else None
        if lease is not None or verdict.step in (Step.NEXT_ACCOUNT, Step.NEXT_BASE):
            pool.penalise(state, self._model, verdict)
        if in_time and verdict.step is Step.NEXT_BASE:
            lease = lease or pool.lease(self._model)
            if lease is not None:
                await self._pause(TROUBLE_PAUSE * (1 + self._resources.jitter()), lease)
        return lease

    async def _same_again(self, state: AccountState, verdict: Verdict) -> Lease | None:
        """What may still be done on the same account when there is no other, each once a request."""
        pool, budget = self._resources.pool, self._budget
        if verdict.step is Step.REFRESH and budget.once("refresh"):
            try:
                await self._resources.tokens.renew(state)
            except RefreshRejected:
                return None
            return pool.hold(state, self._model)
        if verdict.step is Step.PROJECT and budget.once("project"):
            self._resources.projects.forget(state)
            return pool.hold(state, self._model)
        if verdict.row == 2 and verdict.delay is not None and verdict.delay <= SHORT_WAIT and budget.once("wait"):
            lease = pool.hold(state, self._model)
            await self._pause(verdict.delay, lease)
            return lease
        if verdict.step in (Step.REFRESH, Step.PROJECT):
            pool.penalise(state, self._model, verdict)
        return None

    async def _pause(self, seconds: float, lease: Lease) -> None:
        try:
            await deferLater(self._resources.clock, seconds)
        except BaseException:  # cancelled: the client left
            lease.release()
            raise

    def _error(self, failed: AttemptFailed) -> errors.ProxyError:
        """What the client is told when nothing is left (the column "client" of upstream.md 6.3)."""
        verdict, said = failed.verdict, failed.failure
        if verdict.row in _CALLERS_FAULT and said is not None:
            return verdict.error(for_client(said.message), upstream_status=said.status or None)
        refusal = self._resources.pool.refusal(self._model)
        if verdict.error is errors.RateLimited:
            return refusal if isinstance(refusal, errors.RateLimited) else errors.Unavailable(verdict.sentence)
        if verdict.row in (3, 6):
            return verdict.error(verdict.sentence, retry_after=refusal.retry_after)
        if verdict.row >= 10 and verdict.row <= 15:
            if any(row < 10 for row in self._rows) and isinstance(refusal, errors.RateLimited):
                return refusal
            if verdict.error is errors.Forbidden and set(self._rows) != {15}:
                return errors.Unavailable(verdict.sentence)
        return verdict.error(verdict.sentence)
