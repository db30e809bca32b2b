"""The relay's surroundings on a clock, without a network: attempts end as the test says."""

from __future__ import annotations

from typing import Any

from support.accounts import account
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater

from antigravity_proxy.accounts.lease import Lease
from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.replication import LocalState
from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.accounts.tokens import TokenKeeper
from antigravity_proxy.canonical.credential import Credential
from antigravity_proxy.canonical.grant import IssuedToken, RefreshRejected
from antigravity_proxy.canonical.verdict import Failure, Verdict
from antigravity_proxy.codeassist.wire import CodeAssist
from antigravity_proxy.relay.attempt import AttemptFailed, judged
from antigravity_proxy.relay.context import RelayContext
from antigravity_proxy.relay.failover import Failover, Leg
from antigravity_proxy.relay.projects import Projects
from antigravity_proxy.relay.signatures import Signatures
from antigravity_proxy.relay.upstream import BaseUrls, Upstream
from antigravity_proxy.secret import Secret
from antigravity_proxy.telemetry.record import Record
from antigravity_proxy.ticker import Ticker

EPOCH = 1_000_000.0
REFRESH_SECONDS = 0.2


class Waiting:
    """A client that waits for its answer."""

    gone = False
    started = False
    consumer = None

    def __init__(self) -> None:
        self.record = Record(id="req_1", began=0.0)

    def send(self, data: bytes) -> None:
        """Takes bytes."""


class Surroundings:
    """The relay on a clock. Refreshes take a moment, project look-ups none; ``refusing`` refuses the former."""

    def __init__(self, *accounts: Credential | str, rules: Rules | None = None) -> None:
        self.clock = Clock()
        self.shared = LocalState()
        self.pool = Pool(self.clock, self.epoch, lambda: 0.0, rules, self.shared)
        self.pool.update(each if isinstance(each, Credential) else account(each) for each in accounts)
        self.refreshed: list[str] = []
        self.refusing = False
        self.projects_asked: list[str] = []
        nothing: Any = None
        self.upstream = Upstream(
            wire=CodeAssist(lambda: "uuid"),
            pool=self.pool,
            tokens=TokenKeeper(self.clock, self.epoch, self._refresh, self.shared),
            projects=Projects(self.clock, self._project, None),
            bases=BaseUrls(["http://one", "http://two"]),
        )
        self.context = RelayContext(
            ticker=Ticker(self.clock),
            epoch=self.epoch,
            jitter=lambda: 0.0,
            hex_digits=lambda count: "f" * count,
            egresses=nothing,
            signatures=Signatures(self.clock),
            upstream=self.upstream,
        )
        self.pool.watch(self.upstream.tokens)

    def epoch(self) -> float:
        """Epoch seconds."""
        return EPOCH + self.clock.seconds()

    def state(self, name: str) -> AccountState:
        """The account of that id."""
        return next(state for state in self.pool.states if state.credential.id == name)

    async def _refresh(self, state: AccountState) -> IssuedToken:
        self.refreshed.append(state.credential.id)
        await deferLater(self.clock, REFRESH_SECONDS)
        if self.refusing:
            raise RefreshRejected("temporary", "503")
        return IssuedToken(Secret(f"ya29.{len(self.refreshed)}"), self.epoch() + 1e9)

    async def _project(self, state: AccountState) -> str | None:
        self.projects_asked.append(state.credential.id)
        return "another"


class Request:
    """One client request on its way through the failover; every attempt waits for ``end``."""

    def __init__(
        self, around: Surroundings, model: str = "m", session: bytes = b"", repair: bool = False, system: str = ""
    ) -> None:
        self.around = around
        self.client = Waiting()
        self.leases: list[Lease] = []
        self.bases: list[bytes] = []
        self.done: list[Any] = []
        self._end: Deferred[str] = Deferred()
        legs = [Leg(around.upstream, model, session)]
        failover = Failover(around.context, legs, self.client, lambda failed: repair, lambda: (system,))
        self.running = Deferred.fromCoroutine(failover.run(self._attempt))
        self.running.addBoth(lambda result: self.done.append(getattr(result, "value", result)))

    @property
    def accounts(self) -> list[str]:
        """The accounts that were tried, in order."""
        return [lease.state.credential.id for lease in self.leases]

    @property
    def attempting(self) -> bool:
        """Whether an attempt is under way."""
        return not self._end.called and bool(self.leases) and not self.done

    async def _attempt(self, lease: Lease, base: bytes, at: int) -> str:
        self.leases.append(lease)
        self.bases.append(base)
        self._end = Deferred()
        await self.around.upstream.projects.of(lease.state)
        return await self._end

    def end(self, what: Failure | Verdict | None = None) -> Request:
        """Ends the attempt under way: well, or as upstream says, or as the connection shows."""
        end, state = self._end, self.leases[-1].state
        if what is None:
            end.callback("answered")
        elif isinstance(what, Failure):
            end.errback(judged(self.around.upstream, state, state.access_token, what))
        else:
            end.errback(AttemptFailed(what))
        return self

    def cancel(self) -> None:
        """The client leaves."""
        self.client.gone = True
        self.running.cancel()
