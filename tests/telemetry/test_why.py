"""What is remembered of requests: bounded, cheap, and without a word of what was asked."""

from __future__ import annotations

import sys
import time
from typing import Any

import msgspec
import pytest
from support.accounts import account
from support.judging import judge
from support.threaded_clock import Reactor
from twisted.internet.task import Clock

from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.accounts.standing import FRESH, MOST_BYTES, Boards
from antigravity_proxy.accounts.state import Cooldown
from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.canonical.verdict import Failure
from antigravity_proxy.state.store import StateStore
from antigravity_proxy.state.usage import UsageLedger
from antigravity_proxy.telemetry import why
from antigravity_proxy.telemetry.record import Attempt, Record
from antigravity_proxy.telemetry.why import WhyLog

NOW = 1_000_000.0


def record(identity: str = "r", **fields: Any) -> Record:
    return Record(id=identity, began=0.0, ended=NOW, **({"method": "POST", "status": 200} | fields))


def pool_of(*names: str, rules: Rules | None = None, **fields: Any) -> tuple[Clock, Pool]:
    clock = Clock()
    pool = Pool(clock, lambda: NOW + clock.seconds(), lambda: 0.0, rules)
    pool.update([account(name, **fields) for name in names])
    return clock, pool


def told(pool: Pool, clock: Clock, model: str = "m") -> dict[str, tuple[int, str]]:
    board = Boards(clock).of(pool, model)
    clock.advance(0)
    return {line.account: (line.place, line.why) for line in board.lines}


def test_who_was_passed_over_and_why_is_told() -> None:
    clock, pool = pool_of("free", "cooling", "flagged", "barred", "used", "reserved", "busy", rules=Rules(reserve=0.1))
    find = pool.find
    pool.penalise(find("cooling"), "m", judge(Failure(429, reason="RATE_LIMIT_EXCEEDED", delay=60)))  # type: ignore[arg-type]
    pool.penalise(find("flagged"), "m", judge(Failure(403, reason="VALIDATION_REQUIRED")))  # type: ignore[arg-type]
    find("barred").bar("for a test")  # type: ignore[union-attr]
    pool.observed_quota("used", {"m": ModelQuota(0.0, NOW + 100)})
    pool.observed_quota("reserved", {"m": ModelQuota(0.05, NOW + 100)})
    pool.rules = Rules(reserve=0.1, max_leases=1)
    find("busy").in_flight = 1  # type: ignore[union-attr]
    found = told(pool, clock)
    assert found["free"] == (1, "100 % of its quota left, 0 under way")
    assert [found[name][0] for name in found if name != "free"] == [0] * 6
    assert found["cooling"][1].startswith("it cools: ")
    assert "out of use: unverified" in found["flagged"][1]
    assert found["barred"][1] == "out of use: barred"
    assert found["used"][1] == "its quota is used up"
    assert found["reserved"][1] == "its quota is down to the reserve"
    assert found["busy"][1] == "it is busy: 1 under way"


def test_what_spoke_for_one_is_told() -> None:
    clock, pool = pool_of("a", "b", rules=Rules(preferred="b", priorities={"a": 3}))
    pool.observed_quota("a", {"m": ModelQuota(0.25, NOW + 100)})
    found = told(pool, clock)
    assert found["b"] == (1, "the preferred account, 100 % of its quota left, 0 under way")
    assert found["a"] == (2, "priority 3, 25 % of its quota left, 0 under way")


def test_a_model_that_it_may_not_use_and_a_day_that_is_over() -> None:
    clock, pool = pool_of("a", models=("other",))
    assert told(pool, clock)["a"] == (0, "it may not use the model")
    clock, pool = pool_of("a", max_per_day=1)
    lease = pool.lease("m")
    assert lease is not None
    lease.release()
    assert told(pool, clock)["a"] == (0, "it is at its daily limit of requests")


def test_what_keeps_everybody_from_a_model_is_said_of_each() -> None:
    clock, pool = pool_of("a", "b")
    pool.resting_models.rest("m", Cooldown(clock.seconds() + 30))
    assert told(pool, clock) == dict.fromkeys(("a", "b"), (0, "upstream can't serve the model to anybody for a while"))


def test_one_board_serves_a_second_and_is_filled_off_the_way() -> None:
    clock, pool = pool_of("a")
    boards = Boards(clock)
    first = boards.of(pool, "m")
    assert first.lines == ()
    clock.advance(0)
    assert first.lines
    assert boards.of(pool, "m") is first
    clock.advance(FRESH)
    assert boards.of(pool, "m") is not first
    clock.advance(0)


def test_of_ten_thousand_accounts_a_few_are_looked_at() -> None:
    clock, pool = pool_of(*(f"a{number}" for number in range(10_000)))
    clock.advance(10)
    board = Boards(clock).of(pool, "m")
    began = time.process_time()
    clock.advance(0)
    assert time.process_time() - began < 0.05
    assert (board.accounts, len(board.lines)) == (len(pool.states), 8)
    assert len(msgspec.json.encode(board.lines)) < MOST_BYTES


def test_a_request_is_explained_by_its_attempts() -> None:
    log = WhyLog()
    attempts = [Attempt("a", 0.1, 0.2, "rate_limited", 429), Attempt("b", 0.3, 1.0, "")]
    log(record(attempts=attempts, duration=1.5, model="m", asked="gpt-4", key="ann", upstream="accounts"))
    found = log.explain("r")
    assert found is not None
    assert found["began"] == "1970-01-12T13:46:38.500+00:00"
    assert [(each["account"], each["outcome"], each["status"]) for each in found["attempts"]] == [
        ("a", "rate_limited", 429),
        ("b", "served", 0),
    ]
    assert log.explain("another") is None


def test_of_two_with_one_id_the_later_counts_and_refusals_push_nobody_out() -> None:
    log = WhyLog()
    log(record(status=429))
    log(record(status=200))
    assert (len(log), log.explain("r")["status"]) == (1, 200)  # type: ignore[index]
    log(record("refused", refused=True))
    log(record("looked", method="GET"))
    assert len(log) == 1


@pytest.mark.parametrize(("many", "attempts", "long"), [(10_000, 1, 10), (400, 1000, 1 << 20)])
def test_its_memory_is_bounded_in_requests_and_bytes(many: int, attempts: int, long: int) -> None:
    log = WhyLog()
    for number in range(many):
        log(record(str(number), asked="x" * long, attempts=[Attempt("a", 0.0)] * attempts))
    assert len(log) <= why.MOST
    assert log.size <= why.MOST_BYTES
    assert log.explain(str(many - 1)) is not None
    assert log.explain("0") is None
    assert len(log.explain(str(many - 1))["asked"]) <= 200  # type: ignore[index]


def test_with_the_usage_ledger_it_costs_three_microseconds_a_request() -> None:
    clock, pool = pool_of("a")
    boards, log = Boards(clock), WhyLog()
    usage = UsageLedger(StateStore(Reactor(), lambda: NOW, None), lambda: NOW)
    records = [
        record(str(number), attempts=[Attempt(f"account-{number % 50}", 0.0)], key=f"key-{number % 7}")
        for number in range(20_000)
    ]
    best, tracer = float("inf"), sys.gettrace()
    sys.settrace(None)  # coverage's own cost is not what is measured
    try:
        for _ in range(5):
            began = time.process_time()
            for each in records:
                each.boards = (boards.of(pool, "m"),)
                usage(each)
                log(each)
            best = min(best, (time.process_time() - began) / len(records))
    finally:
        sys.settrace(tracer)
    clock.advance(0)
    print(f"{best * 1e6:.2f} µs")
    assert best < 3e-6
