"""The seam behind which replicas share: the process's own store, and that a second one needs nothing but the seam."""

from __future__ import annotations

from typing import Any

import pytest
from support.accounts import account
from support.judging import judge
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.replication import Listener, LocalState, LookUp, Renewal, session_key
from antigravity_proxy.accounts.tokens import TokenKeeper
from antigravity_proxy.canonical.grant import IssuedToken
from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.canonical.verdict import Failure
from antigravity_proxy.secret import Secret

BARRED = Failure(403, appeal=True)


def test_a_binding_is_remembered_while_it_is_used() -> None:
    local = LocalState(seconds=10)
    local.bind(b"s", "a", 0.0)
    assert local.account_of(b"s", 9.0) == "a"
    assert local.account_of(b"s", 18.0) == "a"
    assert local.account_of(b"s", 28.0) is None
    assert local.account_of(b"never heard of", 0.0) is None


def test_the_longest_unused_is_forgotten_first() -> None:
    local = LocalState(max_sessions=3)
    for name in (b"1", b"2", b"3"):
        local.bind(name, "a", 0.0)
    assert local.account_of(b"1", 1.0) == "a"
    local.bind(b"4", "b", 2.0)
    assert [local.account_of(name, 3.0) for name in (b"1", b"2", b"3", b"4")] == ["a", None, "a", "b"]
    assert len(local) == 3


def test_what_has_expired_takes_no_room() -> None:
    local = LocalState(seconds=10)
    for number in range(100):
        local.bind(b"%d" % number, "a", 0.0)
    local.bind(b"new", "b", 11.0)
    assert len(local) == 1


class Bus:
    """What several replicas' mirrors hang on; a stand-in for a store elsewhere."""

    def __init__(self) -> None:
        self.mirrors: list[Mirror] = []
        self.sessions: dict[bytes, str] = {}
        self.grants: dict[str, IssuedToken] = {}


class Mirror:
    """One replica's store on the bus."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._listener: Any = None
        bus.mirrors.append(self)

    def listen(self, listener: Listener, part: str = "") -> None:
        self._listener = listener

    def cooled(self, account: str, key: str, seconds: float, marks: int) -> None:
        for other in self._others():
            other.on_cooled(account, key, seconds, marks)

    def recall(self, account: str) -> None:
        if account in self._bus.grants:
            self._listener.on_renewed(account, self._bus.grants[account])

    def barred(self, account: str, sign_in: str, reason: str) -> None:
        for other in self._others():
            other.on_barred(account, sign_in, reason)

    def observed(self, account: str, figures: Any) -> None:
        for other in self._others():
            other.on_observed(account, figures)

    def grouped(self, account: str, sign_in: str, project: str) -> None:
        for other in self._others():
            other.on_grouped(account, sign_in, project)

    async def project(self, account: str, refused: str | None, ask: LookUp) -> str | None:
        found = await ask()
        for other in self._others():
            other.on_project(account, found)
        return found

    async def claim(self, work: str, account: str, seconds: float) -> bool:
        return True

    def forgiven(self, account: str) -> None:
        for other in self._others():
            other.on_forgiven(account)

    def account_of(self, session: bytes, now: float) -> str | None:
        return self._bus.sessions.get(session)

    def bind(self, session: bytes, account: str, now: float) -> None:
        self._bus.sessions[session] = account

    async def renew(self, account: str, current: Secret, ask: Renewal) -> IssuedToken:
        if account not in self._bus.grants:
            self._bus.grants[account] = await ask()
        for other in self._others():
            other.on_renewed(account, self._bus.grants[account])
        return self._bus.grants[account]

    def _others(self) -> list[Any]:
        return [mirror._listener for mirror in self._bus.mirrors if mirror is not self]


class Replica:
    """A pool and a token keeper on a bus; ``started`` is its own monotonic zero."""

    def __init__(self, bus: Bus, started: float) -> None:
        self.clock = Clock()
        self.clock.advance(started)
        store = Mirror(bus)
        self.pool = Pool(self.clock, lambda: 1000.0, lambda: 0.0, shared=store)
        self.pool.update([account("a", expires_at=0.0), account("b")])
        self.asked = 0
        self.tokens = TokenKeeper(self.clock, lambda: 1000.0, self._refresh, store)

    async def _refresh(self, state: Any) -> IssuedToken:
        self.asked += 1
        return IssuedToken(Secret("ya29.new"), 5000.0)

    def served_by(self, name: str) -> str:
        lease = self.pool.lease("m", session=session_key(name, "m"))
        assert lease is not None
        lease.release()
        return lease.state.credential.id


@pytest.fixture
def replicas() -> tuple[Replica, Replica]:
    bus = Bus()
    return Replica(bus, 0.0), Replica(bus, 5000.0)


def test_replicas_share_cooldowns_whatever_their_clocks_say(replicas: tuple[Replica, Replica]) -> None:
    one, two = replicas
    for state in one.pool.states:
        one.pool.penalise(state, "m", judge(Failure(429, reason="RATE_LIMIT_EXCEEDED", delay=30)))
    assert two.pool.free_in("m") == 30.0
    assert two.pool.free_in("other") == 0.0
    two.clock.advance(30)
    assert two.pool.free_in("m") == 0.0
    assert one.pool.free_in("m") == 30.0


def test_replicas_share_sessions(replicas: tuple[Replica, Replica]) -> None:
    one, two = replicas
    assert one.served_by("s") == "b"
    assert one.served_by("t") == "b"
    assert two.served_by("s") == "b"


def test_replicas_share_fresh_tokens_and_ask_once(replicas: tuple[Replica, Replica]) -> None:
    one, two = replicas
    a = next(iter(one.pool.states))
    one.tokens.renew(a)
    assert [next(iter(each.pool.states)).expires_at for each in replicas] == [5000.0, 5000.0]
    done: list[Any] = []
    waiting: Deferred[None] = two.tokens.renew(next(iter(two.pool.states)))
    waiting.addBoth(done.append)
    assert done == [None]
    assert (one.asked, two.asked) == (1, 0)


def test_an_account_taken_back_into_use_is_so_at_every_replica(replicas: tuple[Replica, Replica]) -> None:
    one, other = replicas
    for state in one.pool.states:
        one.pool.penalise(state, "m", judge(Failure(429, delay=600.0)))
    assert other.pool.lease("m") is None
    assert other.pool.forgive("b")
    assert [replica.served_by("s") for replica in replicas] == ["b", "b"]
    assert not one.pool.forgive("gone")
    one.pool.replica_events.on_forgiven("gone")


def test_what_is_told_of_unknown_accounts_or_of_older_tokens_changes_nothing(replicas: tuple[Replica, Replica]) -> None:
    one, _ = replicas
    one.pool.replica_events.on_cooled("gone", "m", 5.0, 0)
    one.pool.replica_events.on_renewed("gone", IssuedToken(Secret("x"), 9.0))
    one.pool.replica_events.on_renewed("b", IssuedToken(Secret("older"), 9.0))
    assert [state.access_token.reveal() for state in one.pool.states] == ["ya29.a", "ya29.b"]
    one.pool.replica_events.on_cooled("b", "m", 60.0, 0)
    one.pool.replica_events.on_cooled("b", "m", 5.0, 0)
    one.clock.advance(6)
    assert one.served_by("s") == "a"


def test_whoever_joins_later_is_told_what_others_know(replicas: tuple[Replica, Replica]) -> None:
    one, two = replicas
    one.tokens.renew(next(iter(one.pool.states)))
    two.pool.update([])
    two.pool.update([account("a", expires_at=0.0)])
    assert [state.expires_at for state in two.pool.states] == [5000.0]


def test_a_token_that_upstream_has_refused_is_not_taken_from_others(replicas: tuple[Replica, Replica]) -> None:
    one, _ = replicas
    a = next(iter(one.pool.states))
    a.refused = Secret("ya29.bad")
    one.pool.replica_events.on_renewed("a", IssuedToken(Secret("ya29.bad"), 9000.0))
    assert a.access_token == Secret("ya29.a")
    one.pool.replica_events.on_renewed("a", IssuedToken(Secret("ya29.good"), 9000.0))
    assert a.access_token == Secret("ya29.good")


def test_a_bar_holds_everywhere_for_the_same_sign_in(replicas: tuple[Replica, Replica]) -> None:
    one, two = replicas
    two.pool.update([account("a", expires_at=0.0), account("b", refresh_token="1//another")])
    for state in one.pool.states:
        one.pool.penalise(state, "m", judge(BARRED))
    assert [bool(state.barred) for state in one.pool.states] == [True, True]
    assert [bool(state.barred) for state in two.pool.states] == [True, False]
    two.pool.replica_events.on_barred("gone", "", "")


def test_figures_of_quotas_reach_everybody(replicas: tuple[Replica, Replica]) -> None:
    one, two = replicas
    one.pool.observed_quota("a", {"m": ModelQuota(0.25, 9000.0)})
    assert [state.quota for state in two.pool.states] == [{"m": ModelQuota(0.25, 9000.0)}, {}]
    two.pool.replica_events.on_observed("gone", {})


def test_a_project_is_taken_where_none_is_known_and_unless_it_was_refused(replicas: tuple[Replica, Replica]) -> None:
    one, _ = replicas
    a, b = one.pool.states
    a.project, a.project_refused = None, "old"
    one.pool.replica_events.on_project("a", "old")
    assert a.project is None
    one.pool.replica_events.on_project("a", "new")
    one.pool.replica_events.on_project("b", "new")
    one.pool.replica_events.on_project("gone", "new")
    assert (a.project, b.project) == ("new", "p")


def test_a_process_alone_asks_for_itself() -> None:
    async def ask() -> str:
        return "found"

    async def everything() -> tuple[str | None, bool]:
        local = LocalState()
        local.recall("a")
        local.barred("a", "", "")
        local.observed("a", {})
        return await local.project("a", None, ask), await local.claim("quota", "a", 60.0)

    done: list[Any] = []
    Deferred.fromCoroutine(everything()).addBoth(done.append)
    assert done == [("found", True)]
