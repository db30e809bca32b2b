"""How long a connection may take: no socket, no clock but numbers."""

from __future__ import annotations

import pytest

from antigravity_proxy.settings.limits import (
    BODY_CHECK_SECONDS,
    BODY_GRACE_SECONDS,
    BODY_MEAN_RATE,
    BODY_MIN_RATE,
    FULL_DEADLINE,
    HEAD_DEADLINE,
    IDLE_SECONDS,
    WRITE_STALL,
)
from antigravity_proxy.web.deadlines import Deadlines, Wait


@pytest.mark.parametrize(("what", "seconds"), [(Wait.HEAD, HEAD_DEADLINE), (Wait.NEXT, IDLE_SECONDS)])
def test_a_deadline_is_absolute_and_short_while_others_wait_for_a_place(what: Wait, seconds: float) -> None:
    deadlines = Deadlines(0.0)
    deadlines.wait(what, 10.0)
    deadlines.received = 1000  # bytes buy no time
    assert deadlines.expired(10.0 + seconds - 0.1, full=False) is None
    assert deadlines.expired(10.0 + seconds, full=False) is what
    assert deadlines.expired(10.0 + FULL_DEADLINE, full=True) is what


def test_an_answer_may_take_as_long_as_it_takes() -> None:
    deadlines = Deadlines(0.0)
    deadlines.wait(Wait.NOTHING, 0.0)
    assert deadlines.expired(1e9, full=True) is None


def test_a_body_goes_on_while_it_makes_progress() -> None:
    deadlines = Deadlines(0.0)
    deadlines.body_begins(0.0)
    deadlines.received = int(BODY_MIN_RATE * BODY_CHECK_SECONDS)
    assert deadlines.expired(BODY_CHECK_SECONDS, full=False) is None
    deadlines.received = int(BODY_MIN_RATE * BODY_CHECK_SECONDS) - 1
    assert deadlines.expired(2 * BODY_CHECK_SECONDS, full=False) is Wait.BODY


def test_a_body_must_be_fast_enough_in_the_mean_after_a_while() -> None:
    deadlines, now = Deadlines(0.0), 0.0
    deadlines.body_begins(now)
    while True:
        now += BODY_CHECK_SECONDS
        deadlines.received = int(max(BODY_MIN_RATE, BODY_MEAN_RATE / 2) * BODY_CHECK_SECONDS)
        if deadlines.expired(now, full=False) is Wait.BODY:
            break
    assert now >= BODY_GRACE_SECONDS


def test_a_client_that_takes_nothing_is_given_up_and_one_that_takes_little_is_not() -> None:
    deadlines = Deadlines(0.0)
    assert not deadlines.takes_nothing(1e9, 5)  # nothing is said to wait
    deadlines.stalled_since = 0.0
    assert not deadlines.takes_nothing(WRITE_STALL, 4)
    assert deadlines.stalled_since == WRITE_STALL
    assert not deadlines.takes_nothing(2 * WRITE_STALL, 4)
    assert deadlines.takes_nothing(2 * WRITE_STALL + 0.1, 4)


def test_a_connection_that_closes_may_take_longer_while_its_answer_is_taken() -> None:
    deadlines = Deadlines(0.0)
    deadlines.takes_nothing(0.0, 0)
    deadlines.wait(Wait.CLOSE, 0.0)
    deadlines.takes_nothing(1.0, 100)
    deadlines.takes_nothing(WRITE_STALL - 1, 50)
    assert deadlines.expired(WRITE_STALL, full=False) is None
    assert deadlines.expired(2 * WRITE_STALL - 1, full=False) is Wait.CLOSE
