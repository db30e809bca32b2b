"""Walks over accounts and base URLs until an attempt succeeds or nothing is left to try.

The table of upstream.md 6.3 says what follows a failure; this module only carries that out. Nothing is tried
again once a byte of the answer has left, nor when the client has.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from msgspec import Struct
from twisted.internet.task import deferLater

from antigravity_proxy.accounts.lease import Lease
from antigravity_proxy.accounts.state import AccountState, Shortage, joined
from antigravity_proxy.canonical.credential import ACCOUNTS
from antigravity_proxy.canonical.grant import RefreshRejected
from antigravity_proxy.canonical.verdict import Cause, Scope, Step, Verdict
from antigravity_proxy.relay import exhausted
from antigravity_proxy.relay.attempt import AttemptFailed
from antigravity_proxy.relay.budget import RetryBudget
from antigravity_proxy.relay.context import Client, ClientGone, RelayContext
from antigravity_proxy.relay.refusals import Doubts
from antigravity_proxy.relay.upstream import Upstream
from antigravity_proxy.telemetry.record import Attempt

T = TypeVar("T")

#: seconds before the next attempt after upstream's own trouble; jitter adds up to as much again (6.3 row 7)
TROUBLE_PAUSE = 0.5
#: upstreams and models whose standing is noted of one request
_MOST_BOARDS = 4
#: seconds by which a wait is longer than the cooldown that it waits for: timers may be early by a rounding error
_MARGIN = 0.001
#: what an account can't better
_NEXT = frozenset({Step.NEXT_ACCOUNT, Step.OWN_PROJECT})


class Leg(Struct, frozen=True):
    """One way to serve a request: an upstream, its id of the model, the conversation's key there, empty for none."""

    upstream: Upstream
    model: str
    session: bytes = b""


class Failover:
    """The attempts of one client request: with the first of its legs that has a free credential, then with others.

    ``repair`` changes the request after a refusal that a changed request may cure, and says whether it did; None:
    nothing may be changed. ``system`` gives the request's system text.
    """

    __slots__ = (
        "_at",
        "_base",
        "_bases",
        "_began",
        "_client",
        "_context",
        "_counted",
        "_doubts",
        "_legs",
        "_model",
        "_pool",
        "_repair",
        "_seen",
        "_session",
        "_system",
        "_tried",
        "_upstream",
    )

    def __init__(
        self,
        context: RelayContext,
        legs: Sequence[Leg],
        client: Client,
        repair: Callable[[AttemptFailed], bool] | None = None,
        system: Callable[[], Sequence[str]] = lambda: (),
    ) -> None:
        self._context = context
        self._legs = legs
        self._client = client
        self._repair = repair
        self._tried: dict[AccountState, None] = {}  # an empty set takes three times as much
        self._seen: list[Verdict] = []
        self._began = context.clock.seconds()
        self._counted: RetryBudget | None = None  # made where something fails
        self._system = system
        self._doubts: dict[int, Doubts] = {}  # by the numbers of the legs
        self._take(0)

    def _take(self, at: int) -> None:
        """Goes on by this leg."""
        self._at = at
        leg = self._legs[at]
        upstream = self._upstream = leg.upstream
        self._model, self._session = leg.model, leg.session
        self._pool = upstream.pool
        bases = upstream.bases  # one order for all attempts
        self._bases = bases.in_order(self._context.clock.seconds()) if bases.avoided else bases.urls
        self._base = 0
        if upstream.refusals.has_refused:  # then the text must be known that is about to pass
            self._doubting()

    @property
    def _budget(self) -> RetryBudget:
        if self._counted is None:
            self._counted = RetryBudget(self._began)
        return self._counted

    def _doubting(self) -> Doubts:
        """The refusals that the request meets on the present leg."""
        found = self._doubts.get(self._at)
        if found is None:
            upstream = self._upstream
            found = Doubts(self._context.clock, upstream.refusals, upstream.pool, self._model, self._system)
            self._doubts[self._at] = found
        return found

    async def run(self, attempt: Callable[[Lease, bytes, int], Awaitable[T]]) -> T:
        """Calls ``attempt`` with a lease, a base URL and its leg's number until it returns.

        It raises AttemptFailed when it failed. Raises a ProxyError when nothing is left to try, and ClientGone.
        """
        try:
            self._note_standing()
            lease = self._lease() or self._next_leg() or await self._later()
            if lease is None:
                raise exhausted.no_account(self._model, self._shortage(), self._context.epoch())
            while True:
                base = self._bases[self._base % len(self._bases)]
                noted = self._note(lease)
                try:
                    result = await attempt(lease, base, self._at)
                except AttemptFailed as e:
                    failed = e
                    if not self._client.gone:
                        noted.reason = e.verdict.cause.value
                        noted.status = 0 if e.failure is None else e.failure.http_status
                else:
                    noted.reason = ""
                    self._served(lease, base)
                    return result
                finally:
                    noted.upstream_trace = lease.upstream_trace
                    noted.took = self._context.clock.seconds() - self._client.record.began - noted.began
                    lease.release()
                lease = await self._next(lease, failed, base)
                _let_go(failed)
        finally:
            for doubts in self._doubts.values():
                doubts.settle()

    def _served(self, lease: Lease, base: bytes) -> None:
        """An attempt has succeeded."""
        upstream = self._upstream
        lease.succeeded()
        if upstream.bases.avoided:
            upstream.bases.answered(base)
        self._pool.served(self._model)
        if self._at in self._doubts:
            self._doubts[self._at].passed(lease.state)
        else:
            upstream.refusals.answered(lease.state)

    def _note_standing(self) -> None:
        """Records the ranks of the accounts, for later questions."""
        boards, record = self._context.boards, self._client.record
        if boards is None or len(record.boards) >= _MOST_BOARDS:
            return
        for leg in self._legs[:_MOST_BOARDS]:
            board = boards.of(leg.upstream.pool, leg.model)
            if not record.boards:
                record.boards = (board,)
            elif not any(board is known for known in record.boards):
                record.boards = (*record.boards, board)

    def _note(self, lease: Lease) -> Attempt:
        """Notes an attempt that begins."""
        record = self._client.record
        credential, began = lease.state.credential, self._context.clock.seconds() - record.began
        noted = Attempt(credential.id, began, upstream=credential.upstream)
        if record.trace is not None:
            noted.span = self._context.hex_digits(16)
            lease.traceparent = record.trace.header(noted.span)
        record.attempts.append(noted)
        return noted

    def _lease(self, *, keep: bool = False) -> Lease | None:
        """An account that this request has not tried yet."""
        return self._pool.lease(self._model, self._tried, self._session, keep=keep)

    def _next_leg(self) -> Lease | None:
        """An account of the next leg that has one free and untried; goes on by that leg."""
        for at in range(self._at + 1, len(self._legs)):
            leg = self._legs[at]
            lease = leg.upstream.pool.lease(leg.model, self._tried, leg.session)
            if lease is not None:
                self._take(at)
                return lease
        return None

    def _shortage(self) -> Shortage:
        """Why no leg can serve: the shortest wait of all."""
        found = [leg.upstream.pool.shortage(leg.model) for leg in self._legs]
        return found[0] if len(found) == 1 else joined(found)

    async def _next(self, held: Lease, failed: AttemptFailed, base: bytes) -> Lease:
        """The lease to go on with after a failure at a base URL, or the error that ends the request."""
        state = held.state
        if failed.failure is not None and state.credential.upstream != ACCOUNTS:
            self._pool.groups.learn(state, failed.failure)
        own_egress = state.credential.egress is not None
        verdict = failed.verdict.applied(failed.failure, self._model, own_egress=own_egress)
        if self._client.gone:  # which breaks the connection to upstream: that is not the host's fault
            raise ClientGone
        lease: Lease | None = None
        if not self._client.started and (refusal := self._doubting().judge(state, verdict)) is not verdict:
            self._tried[state] = None
            if refusal.step is Step.OTHER_ACCOUNT:
                lease = self._lease() if self._in_time() else None
                refusal = refusal if lease is not None else self._doubting().alone()
            self._client.record.attempts[-1].reason = refusal.cause.value
            if refusal.step is Step.STOP and self._in_time():
                lease = self._next_leg()  # another upstream has other rules
            if lease is not None:
                return lease
            if refusal.step is Step.STOP:
                raise refusal.error(refusal.client_words)
        self._seen.append(verdict)
        if verdict.about_host:
            self._upstream.bases.failed(base, self._context.clock.seconds())
        if verdict.skips_group:
            self._tried.update(dict.fromkeys(self._pool.groups.members(state)))
        if self._client.started or verdict.step is Step.STOP:
            self._pool.penalise(state, self._model, verdict, held.location)
        elif verdict.step is Step.REPAIR:
            if self._repair is not None and self._budget.once("repair") and self._repair(failed):
                lease = self._again(state)
        elif verdict.step is Step.NEXT_BASE:
            lease = await self._next_base(state, verdict)
        elif verdict.step is Step.OTHER_EGRESS:
            lease = self._other_egress(state, verdict)
        elif verdict.step is Step.NEXT_LOCATION:
            lease = await self._next_location(held, verdict)
        elif verdict.step is Step.OWN_PROJECT and state.credential.quota_project and not state.without_quota_project:
            state.without_quota_project = True
            lease = self._again(state)
        elif verdict.step is Step.NEXT_UPSTREAM:
            lease = self._next_upstream(state, verdict)
        else:
            lease = await self._next_account(state, verdict)
        if lease is None:
            raise exhausted.nothing_left(
                failed.verdict, failed.failure, self._seen, self._model, self._shortage(), self._context.epoch()
            )
        return lease

    def _in_time(self) -> bool:
        return self._budget.in_time(self._context.clock.seconds())

    def _again(self, state: AccountState) -> Lease | None:
        """The same account; another if that has been set aside meanwhile."""
        return self._pool.again(state, self._model) or self._lease()

    async def _next_base(self, state: AccountState, verdict: Verdict) -> Lease | None:
        """The next base URL with the next untried account, as far as the retry budget goes."""
        may = self._budget.spend_trouble(model_missing=verdict.model_missing) and self._in_time()
        if verdict.cause is Cause.MODEL_FAILED:  # it will hardly do better a third time (upstream.md 5.4)
            may = self._budget.once("model failed") and may
        self._base += 1
        if verdict.never_sent:  # this account has received nothing: it is as good as before
            return self._again(state) if may else None
        self._tried[state] = None
        self._pool.penalise(state, self._model, verdict)
        if not may:
            return None
        if self._pool.free_in(self._model) == 0:
            await self._pause(TROUBLE_PAUSE * (1 + self._context.jitter()))
            lease = self._lease(keep=True) or self._next_leg()
            lease = lease or self._pool.lease(self._model, (), self._session, keep=True)
            if lease is not None:
                return lease
        return self._next_leg() or await self._later()

    def _next_upstream(self, state: AccountState, verdict: Verdict) -> Lease | None:
        """The next leg; with none, and where the model is only short of capacity, a credential of another group."""
        may = self._budget.spend_trouble() and self._in_time()
        self._tried.update(dict.fromkeys(self._pool.groups.members(state)))
        if self._budget.once("rest"):  # its steps count requests, not attempts
            self._pool.penalise(state, self._model, verdict)
        if not may:
            return None
        lease = self._next_leg()
        if lease is None and verdict.about_capacity:
            lease = self._pool.lease(self._model, self._tried, self._session, keep=True, resting=True)
        return lease

    async def _next_location(self, held: Lease, verdict: Verdict) -> Lease | None:
        """The same credential at its next location, else the next one, else the next leg."""
        state = held.state
        may = (not verdict.about_capacity or self._budget.spend_trouble()) and self._in_time()
        self._pool.penalise(state, self._model, verdict, held.location)
        if not may:
            self._tried[state] = None
            return None
        lease = self._pool.again(state, self._model) if state.credential.locations else None
        if lease is not None:
            return lease
        self._tried[state] = None
        return self._lease() or self._next_leg() or await self._later()

    async def _next_account(self, state: AccountState, verdict: Verdict) -> Lease | None:
        """The next untried account; with none, what may still be done on this one, each once a request."""
        self._tried[state] = None
        if verdict.step in _NEXT:
            self._pool.penalise(state, self._model, verdict)
        if verdict.step is Step.PROJECT:
            self._upstream.projects.forget(state)
        lease = self._lease() or self._next_leg() if self._in_time() else None
        if verdict.step in _NEXT:
            return lease or (await self._later() if self._in_time() else None)
        if lease is None and self._in_time():
            lease = await self._mended(state, verdict)
            if lease is not None:
                return lease
        elif verdict.step is Step.PROJECT:
            self._upstream.projects.renew(state)
        self._pool.penalise(state, self._model, verdict)
        return lease

    async def _mended(self, state: AccountState, verdict: Verdict) -> Lease | None:
        """The same account, with a new token, another project, or no project."""
        if verdict.step is Step.REFRESH and verdict.scope is not Scope.ACCOUNT and self._budget.once("refresh"):
            try:
                await self._upstream.tokens.renew(state)
            except RefreshRejected:
                return None
            return self._again(state)
        if verdict.step is Step.PROJECT:
            if self._budget.once("project"):
                return self._again(state)
            if self._budget.once("no project"):
                self._upstream.projects.do_without(state)
                return self._again(state)
        return None

    def _other_egress(self, state: AccountState, verdict: Verdict) -> Lease | None:
        """An account that leaves this machine by another way: one where the location is refused (upstream.md 6.3
        row 18), every one where the account's own proxy doesn't connect; then that proxy once more.
        """
        self._pool.penalise(state, self._model, verdict)
        mine = state.credential.egress
        self._tried.update((s, None) for s in self._pool.states if s.credential.egress == mine)
        is_dead = verdict.about_egress
        if not self._in_time() or not (is_dead or self._budget.once("egress")):
            return None
        lease = self._lease() or self._next_leg()
        if lease is None and is_dead and self._budget.spend_trouble():
            lease = self._again(state)
        return lease

    async def _later(self) -> Lease | None:
        """Waits, once a request, for an account that is busy, or free again in a moment; an untried one first.

        Of several legs for that which is free first.
        """
        if not self._budget.once("wait"):
            return None
        if len(self._legs) > 1:
            waits = [leg.upstream.pool.shortage(leg.model).wait for leg in self._legs]
            self._take(waits.index(min(waits)))
        if self._pool.is_full(self._model):
            lease = await self._pool.queue(self._model, self._tried, self._session)
            return lease or self._lease()  # one may have ceased to cool meanwhile
        seconds = self._pool.free_in(self._model)
        patience = min(self._pool.rules.patience, self._budget.left(self._context.clock.seconds()))
        if not seconds or seconds > patience:
            return None
        await self._pause(seconds + _MARGIN)
        return self._lease() or self._pool.lease(self._model, (), self._session)

    async def _pause(self, seconds: float) -> None:
        await deferLater(self._context.clock, seconds)
        if self._client.gone:
            raise ClientGone


def _let_go(e: BaseException | None) -> None:
    """Frees what the ended frames behind an error hold: an attempt may have read many megabytes before it failed."""
    while e is not None:
        traceback.clear_frames(e.__traceback__)
        e = e.__cause__ or e.__context__
