"""The ledger: one record for each request, shown once to everybody."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from antigravity_proxy.telemetry.record import BROKEN_OFF, Attempt, Ledger, Record


def test_a_record_is_shown_once_to_every_observer_at_its_end() -> None:
    clock, one, other = Clock(), list[Record](), list[Record]()
    ledger = Ledger(clock.seconds)
    ledger.observe(one.append)
    ledger.observe(other.append)
    clock.advance(5)
    record = ledger.open("req_1", "POST", "openai", "chat")
    assert (ledger.open_count, one, record.began) == (1, [], 5.0)
    clock.advance(2)
    ledger.close(record)
    ledger.close(record)
    assert one == other == [record]
    assert (ledger.open_count, record.duration) == (0, 2.0)


def test_an_observer_that_fails_troubles_nobody_else(no_leaks: list[Any]) -> None:
    seen: list[Record] = []

    def fail(record: Record) -> None:
        raise ValueError(record.id)

    ledger = Ledger(lambda: 0.0)
    ledger.observe(fail)
    ledger.observe(seen.append)
    ledger.close(ledger.open("req_1", "GET", "gemini", "models"))
    assert len(seen) == 1
    assert no_leaks.pop().check(ValueError)


def test_who_can_wait_sees_every_record_once_and_in_order(no_leaks: list[Any]) -> None:
    seen: list[str] = []

    def fail(record: Record) -> None:
        if record.id == "req_1":
            raise ValueError(record.id)

    ledger = Ledger(lambda: 0.0, lambda: 5.0)
    ledger.observe_later(fail)
    settle = ledger.observe_later(lambda record: seen.append(record.id))
    names = [f"req_{number}" for number in range(200)]
    for name in names:
        ledger.close(ledger.open(name, "POST", "openai", "chat"))
    assert 0 < len(seen) < 200  # it is never many that wait
    settle()
    settle()
    assert seen == names
    assert no_leaks.pop().check(ValueError)


def test_who_asks_for_keys_only_sees_no_other_records() -> None:
    seen: list[str] = []
    ledger = Ledger(lambda: 0.0)
    ledger.observe(lambda record: seen.append(f"limits {record.id}"), keys_only=True)
    ledger.observe(lambda record: seen.append(f"log {record.id}"))
    for identity, key in (("req_1", ""), ("req_2", "team")):
        record = ledger.open(identity, "POST", "openai", "chat")
        record.key = key
        ledger.close(record)
    assert seen == ["log req_1", "limits req_2", "log req_2"]


def test_the_last_attempts_account_counts() -> None:
    record = Record(id="req_1", began=0.0)
    assert record.account == ""
    record.attempts += [Attempt("one", 0.0), Attempt("two", 1.0)]
    assert record.account == "two"
    assert record.attempts[0].reason == BROKEN_OFF


def test_numbers_that_are_no_counts_of_tokens_are_not_believed() -> None:
    ledger = Ledger(lambda: 0.0)
    record = ledger.open("req_1", "POST", "openai", "chat")
    record.tokens_in, record.tokens_out = -5, 10**30
    ledger.close(record)
    assert record.tokens_in == 0
    assert 0 < record.tokens_out < 10**30
