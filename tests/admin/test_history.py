"""The last hour in minutes, and the last errors."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from antigravity_proxy.admin.history import ERRORS, MINUTES, History
from antigravity_proxy.telemetry.record import CLIENT_LEFT, Attempt, Record


def history() -> tuple[History, Clock]:
    clock = Clock()
    clock.advance(6000.0)
    return History(clock.seconds), clock


def record(clock: Clock, **fields: Any) -> Record:
    usual = {"status": 200, "dialect": "openai", "ended": 1_000_000.0 + clock.seconds()}
    return Record(id="r", began=clock.seconds(), **usual | fields)


def test_each_request_counts_in_its_minute_by_how_it_ended() -> None:
    made, clock = history()
    for fields in (
        {},
        {"streamed": True, "tokens_in": 3, "tokens_out": 4},
        {"streamed": True, "error": "upstream_error"},
        {"status": 429, "error": "rate_limited"},
        {"status": 400, "error": "invalid_request"},
        {"status": CLIENT_LEFT, "error": "client_left"},
        {"status": 502, "error": "upstream_error"},
    ):
        made.note(record(clock, **fields))
    clock.advance(60)
    made.note(record(clock))
    *quiet, before, now = made.minutes()
    assert (before.served, before.limited, before.refused, before.failed, before.left) == (2, 1, 1, 2, 1)
    assert (before.requests, before.streams, before.tokens) == (7, 2, 7)
    assert (now.requests, now.served) == (1, 1)
    assert (len(quiet), sum(minute.requests for minute in quiet)) == (MINUTES - 2, 0)


def test_an_hour_later_nothing_is_left_of_it() -> None:
    made, clock = history()
    made.note(record(clock))
    clock.advance(59 * 60)
    assert sum(minute.requests for minute in made.minutes()) == 1
    clock.advance(60)
    assert sum(minute.requests for minute in made.minutes()) == 0


def test_what_was_given_out_does_not_change_any_more() -> None:
    made, clock = history()
    made.note(record(clock))
    before = made.minutes()
    made.note(record(clock))
    assert (before[-1].requests, made.minutes()[-1].requests) == (1, 2)


def test_errors_are_told_the_newest_first_and_bounded() -> None:
    made, clock = history()
    for number in range(ERRORS + 5):
        clock.advance(1)
        made.note(record(clock, status=500, error=f"e{number}"))
    faults = made.faults()
    assert (len(faults), faults[0].code, faults[-1].code) == (ERRORS, f"e{ERRORS + 4}", "e5")
    assert faults[0].at == 1_000_000.0 + clock.seconds()


def test_an_error_says_what_was_asked_and_who_tried_last() -> None:
    made, clock = history()
    attempts = [Attempt("one", 0.0), Attempt("two", 0.1)]
    made.note(record(clock, error="upstream_error", model="m", asked="x", attempts=attempts))
    made.note(record(clock, status=404, error="model_not_found", asked="z" * 1000))
    second, first = made.faults()
    assert (first.model, first.account, first.attempts, first.in_stream) == ("m", "two", 2, True)
    assert (second.model, second.account, second.attempts, second.in_stream) == ("z" * 80, "", 0, False)


def test_who_hung_up_or_showed_no_key_is_no_error_of_ours() -> None:
    made, clock = history()
    made.note(record(clock, status=CLIENT_LEFT, error="client_left"))
    made.note(record(clock, status=401, error="unauthorized", refused=True))
    assert made.faults() == ()
    minute = made.minutes()[-1]
    assert (minute.refused, minute.left) == (1, 1)
