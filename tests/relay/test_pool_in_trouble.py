"""Fifty accounts, any failures, in any order: what must hold of every lease, every answer and every wait."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from support.accounts import account
from support.relayed import EPOCH, Request, Surroundings

from antigravity_proxy import errors
from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.replication import SESSION_SECONDS, session_key
from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.canonical.verdict import Cause, Failure
from antigravity_proxy.codeassist.decision_table import WITHOUT_BODY
from antigravity_proxy.relay.context import ClientGone

COUNT = 50
MODELS = ["claude", "flash"]
RULES = [Rules(), Rules(max_leases=2), Rules(mode="cache-first", max_wait=20.0), Rules(mode="performance-first")]
ENDS: list[Any] = [
    None,
    None,
    Failure(429, reason="QUOTA_EXHAUSTED", delay=3600.0),
    Failure(429, reason="QUOTA_EXHAUSTED"),
    Failure(429, reason="RATE_LIMIT_EXCEEDED", delay=0.4, model="flash"),
    Failure(429, reason="RATE_LIMIT_EXCEEDED", delay=30.2),
    Failure(429),
    Failure(429, reason="MODEL_CAPACITY_EXHAUSTED"),
    Failure(503, reason="MODEL_CAPACITY_EXHAUSTED"),
    Failure(500),
    Failure(408),
    Failure(401),
    Failure(403, reason="VALIDATION_REQUIRED"),
    Failure(403, appeal=True),
    Failure(403, reason="SERVICE_DISABLED"),
    Failure(403),
    Failure(404),
    Failure(400),
    WITHOUT_BODY[Cause.UNREACHABLE],
    WITHOUT_BODY[Cause.SILENT],
    WITHOUT_BODY[Cause.EMPTY],
]
#: after these the request may go to the same account: it is another one by then, or that account has received nothing
SAME = (WITHOUT_BODY[Cause.UNREACHABLE], Failure(400), Failure(401))


class Trouble(RuleBasedStateMachine):
    """Requests begin, end, fail and are given up, in any order; time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Checked] = []
        self.bound: dict[bytes, tuple[str, float]] = {}

    @initialize(rules=st.sampled_from(RULES), step=st.integers(0, 10))
    def begin(self, rules: Rules, step: int) -> None:
        quotas = [n * step % 11 for n in range(COUNT)]
        accounts = [
            account(
                f"a{n}",
                quota={"flash": ModelQuota(left / 10, EPOCH + 600.0 * left)} if n % 2 else None,
                expires_at=EPOCH + 100.0 * n,
                refresh_token="" if n % 7 == 0 else "1//r",
            )
            for n, left in enumerate(quotas)
        ]
        self.around = Surroundings(*accounts, rules=rules)
        self.now = self.around.pool.now

    @rule(model=st.sampled_from(MODELS), session=st.integers(0, 4), count=st.sampled_from([1, 3, 20]))
    def requests_arrive(self, model: str, session: int, count: int) -> None:
        for _ in range(count):
            self.requests.append(Checked(self, model, session))
            self.settle()

    @precondition(lambda self: self.requests)
    @rule(which=st.integers(0, 999), what=st.sampled_from(ENDS), count=st.sampled_from([1, 1, 5, 30]))
    def attempts_end(self, which: int, what: Any, count: int) -> None:
        for _ in range(count):
            running = [request for request in self.requests if request.attempting]
            if running:
                running[which % len(running)].finish(what)
                self.settle()

    @precondition(lambda self: self.requests)
    @rule(which=st.integers(0, 999))
    def a_client_leaves(self, which: int) -> None:
        self.requests[which % len(self.requests)].cancel()
        self.settle()

    @rule(seconds=st.sampled_from([0.01, 0.5, 1.0, 2.0, 10.0, 61.0, 400.0]))
    def time_passes(self, seconds: float) -> None:
        self.around.clock.advance(seconds)
        self.settle()

    @rule(refusing=st.booleans())
    def refreshes_are_refused(self, refusing: bool) -> None:
        self.around.refusing = refusing

    def settle(self) -> None:
        for request in self.requests:
            if request.fault is not None:
                raise request.fault
        self.requests = [request for request in self.requests if not request.done]

    def teardown(self) -> None:
        if not hasattr(self, "around"):
            return
        while self.requests:
            for request in self.requests:
                if request.attempting:
                    request.finish(None)
            self.around.clock.advance(1.0)
            self.settle()
        pool, clock = self.around.pool, self.around.clock
        assert {state.in_flight for state in pool.states} == {0}
        self.around.refusing = False
        clock.advance(1.0)  # what is being renewed
        assert clock.getDelayedCalls() == []
        clock.advance(10 * 86400.0)  # longer than any cooldown
        self.nobody_starves()

    def nobody_starves(self) -> None:
        """Each account that can serve gets its turn, when all is well again."""
        pool = self.around.pool
        if pool.rules.mode != "balance":
            return
        able = {s.credential.id for s in pool.states if policy.eligibility(s, "flash", pool.rules, self.now()).rank}
        served = set()
        for _ in range(25 * len(able)):  # one with a twentieth of its quota left had its turn set that far off
            lease = pool.lease("flash")
            assert lease is not None
            served.add(lease.state.credential.id)
            lease.release()
            self.around.clock.advance(1.0)
            if served == able:
                return
        assert served == able


class Checked(Request):
    """A request that looks at every lease it gets, and at its end."""

    def __init__(self, machine: Trouble, model: str, session: int) -> None:
        self.machine = machine
        self.model = model
        self.session = session
        self.last: Any = None
        self.fault: BaseException | None = None
        super().__init__(machine.around, model, session_key(str(session), model) if session else b"", repair=True)
        self.running.addCallback(lambda _: self.check_end())
        self.running.addErrback(self.wrong)

    async def _attempt(self, lease: Any, base: bytes, at: int) -> str:
        now, pool, state = self.machine.now(), self.around.pool, lease.state
        assert policy.cooling(state, self.model, now) is None, "a cooling account is left alone"
        assert not state.barred
        if pool.rules.max_leases:
            assert state.in_flight <= pool.rules.max_leases
        tried = {each.state for each in self.leases}
        if state in tried and self.last not in SAME:
            assert not [s for s in pool.states if s not in tried and self.eligibility(s).rank], (
                "an untried one comes first"
            )
        if self.session:
            self.check_session(lease, tried)
        return await super()._attempt(lease, base, at)

    def eligibility(self, state: Any) -> policy.Eligibility:
        return policy.eligibility(state, self.model, self.around.pool.rules, self.machine.now())

    def check_session(self, lease: Any, tried: set[Any]) -> None:
        """A session is where it was, unless that account cannot serve it; it is served there, but for a moment."""
        key, bound, around = session_key(str(self.session), self.model), self.machine.bound, self.around
        now = self.machine.now().monotonic
        name = around.shared.account_of(key, now)
        assert name is not None
        before, seen = bound.get(key, (name, now))
        if before != name and now - seen < SESSION_SECONDS:
            found = self.eligibility(around.state(before))
            assert found.rank is None, "sessions stick"
            assert not found.busy, "sessions stick to accounts that are only busy"
        bound[key] = (name, now)
        if lease.state.credential.id != name and self.last not in SAME:
            state = around.state(name)
            found = self.eligibility(state)
            at_once = found.rank is not None and found.rank[0] <= policy.MARKED
            assert state in tried or not at_once, "a session is served where it is"

    def finish(self, what: Any) -> None:
        self.last = what
        self.end(what)

    def wrong(self, failure: Any) -> None:
        self.fault = failure.value

    def check_end(self) -> None:
        """What the client is told is true."""
        error = self.done[0]
        if error == "answered" or self.client.gone:
            return
        assert isinstance(error, errors.ProxyError), error
        assert not isinstance(error, ClientGone)
        now, pool = self.machine.now(), self.around.pool
        found = [policy.eligibility(state, self.model, pool.rules, now) for state in pool.states]
        first = min((each.cools for each in found if each.cools), default=None)
        if isinstance(error, errors.RateLimited):
            assert self.model in error.message
            assert not any(state.credential.id in error.message.split() for state in pool.states)
            if any(each.rank for each in found):
                assert error.retry_after == 1
            else:
                assert first is not None
                assert error.retry_after is not None
                assert abs(error.retry_after - max(1, math.ceil(first - now.monotonic))) <= 1
        elif not self.leases:
            assert isinstance(error, errors.Unavailable)
            busy = any(each.busy for each in found)
            assert error.retry_after == (1 if busy else None)
            assert busy or first is None


TestTrouble = Trouble.TestCase
#: a failure's steps are shown as they were found: to shorten them takes minutes
TestTrouble.settings = settings(phases=[Phase.generate])
