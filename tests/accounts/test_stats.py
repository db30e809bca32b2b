"""What the pool has done is counted, and how accounts stand is told without a look at each."""

from __future__ import annotations

from support.relayed import Request, Surroundings

from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.canonical.verdict import Cause, Failure
from antigravity_proxy.codeassist.decision_table import WITHOUT_BODY

LIMITED = Failure(429, reason="RATE_LIMIT_EXCEEDED", delay=10.0)


def test_leases_and_what_sets_aside() -> None:
    around = Surroundings("a", "b")
    counters = around.pool.counters
    request = Request(around)
    assert (counters.leases, counters.held) == (1, 1)
    request.end(LIMITED)
    assert (counters.leases, counters.held, dict(counters.set_aside)) == (2, 1, {"rate_limit": 1})
    request.end(WITHOUT_BODY[Cause.EMPTY])
    assert counters.set_aside["empty"] == 1
    around.clock.advance(1)
    request.end()
    assert (counters.leases, counters.held) == (3, 0)


def test_standings_follow_time() -> None:
    around = Surroundings("a", "b", "c", rules=Rules(max_leases=1))
    assert list(around.pool.standings()) == []
    one, _ = Request(around), Request(around)
    one.end(LIMITED)
    assert list(around.pool.standings()) == [("m", 2, 1)]
    one.end()
    assert list(around.pool.standings()) == [("m", 2, 1)]
    around.clock.advance(10)
    assert list(around.pool.standings()) == [("m", 3, 0)]


def test_renewals_by_outcome() -> None:
    around = Surroundings("a")
    tokens, (state,) = around.upstream.tokens, around.pool.states
    for refusing in (False, True):
        around.refusing = refusing
        tokens.renew(state).addErrback(lambda _: None)
        around.clock.advance(1)
    assert dict(tokens.counters.renewals) == {"renewed": 1, "temporary": 1}
