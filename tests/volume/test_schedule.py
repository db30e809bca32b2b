"""When to look and when to read, as a pure function of what was seen."""

from __future__ import annotations

from typing import Any

import pytest

from antigravity_proxy.volume.reader import VolumeState
from antigravity_proxy.volume.removals import CONFIRM
from antigravity_proxy.volume.schedule import (
    CONTENT_CHECK,
    LARGE,
    LARGE_CONTENT_CHECK,
    POLL,
    RETRY,
    SETTLE,
    Schedule,
)


def settled(**state: Any) -> tuple[Schedule, VolumeState]:
    """A schedule at 100 s whose volume has been still for a while."""
    schedule, known = Schedule(), VolumeState(revision=1, **state)
    schedule.has_read("s", 90.0, known)
    schedule.has_read("s", 90.0 + SETTLE, known)
    schedule.has_read("s", 100.0, known)
    return schedule, known


def first_read(schedule: Schedule, signature: object, start: float) -> float:
    """How long after ``start`` the next read is wanted, looking as often as the schedule says."""
    now = start
    while not schedule.wants_read(signature, now):
        pause = schedule.pause(now)
        assert 0.0 < pause <= POLL
        now += pause
    return now - start


def test_the_first_look_reads() -> None:
    assert Schedule().wants_read(object(), 0.0)
    assert Schedule().pause(0.0) == 0.0


def test_another_signature_is_read_at_once() -> None:
    schedule, _ = settled()
    assert not schedule.wants_read("s", 100.1)
    assert schedule.wants_read("t", 100.1)


def test_a_still_volume_is_polled_and_its_content_checked() -> None:
    schedule, _ = settled()
    assert schedule.pause(100.0) == POLL
    assert first_read(schedule, "s", 100.0) == pytest.approx(CONTENT_CHECK)


def test_a_large_one_is_checked_less_often() -> None:
    schedule, _ = settled(size=LARGE + 1)
    assert first_read(schedule, "s", 100.0) == pytest.approx(LARGE_CONTENT_CHECK)
    assert first_read(settled(size=LARGE)[0], "s", 100.0) == pytest.approx(CONTENT_CHECK)


@pytest.mark.parametrize(("signature", "revision"), [("t", 1), ("s", 2), ("t", 2)])
def test_after_a_change_one_more_read_comes_when_it_has_settled(signature: str, revision: int) -> None:
    schedule, _ = settled(size=LARGE + 1)
    changed = VolumeState(revision=revision, size=LARGE + 1)
    schedule.has_read(signature, 100.0, changed)
    assert first_read(schedule, signature, 100.0) == pytest.approx(SETTLE)
    schedule.has_read(signature, 103.0, changed)
    assert first_read(schedule, signature, 103.0) == pytest.approx(LARGE_CONTENT_CHECK)


def test_reads_in_between_do_not_put_the_settling_off() -> None:
    schedule, _ = settled()
    changed = VolumeState(revision=2)
    schedule.has_read("t", 100.0, changed)
    schedule.has_read("t", 102.0, changed)
    assert first_read(schedule, "t", 102.0) == pytest.approx(SETTLE - 2.0)


def test_a_further_change_settles_anew() -> None:
    schedule, _ = settled()
    schedule.has_read("t", 100.0, VolumeState(revision=2))
    schedule.has_read("u", 102.0, VolumeState(revision=3))
    assert first_read(schedule, "u", 102.0) == pytest.approx(SETTLE)


def test_a_removal_is_confirmed_early_and_exactly_then() -> None:
    schedule, known = settled(unconfirmed=1)
    schedule.has_read("s", 100.1, known)
    assert first_read(schedule, "s", 100.1) == pytest.approx(CONFIRM)


@pytest.mark.parametrize("trouble", [{"error": "gone"}, {"config_error": "half-written"}])
def test_a_round_that_failed_is_followed_by_another(trouble: dict[str, str]) -> None:
    schedule, known = settled(**trouble)
    schedule.has_read("s", 100.0, known)
    assert first_read(schedule, "s", 100.0) == pytest.approx(RETRY)


def test_an_added_account_is_in_effect_within_half_a_second_and_a_removed_one_within_two() -> None:
    read = 0.05  # what a round may take
    assert POLL + read <= 0.5
    assert POLL + read + CONFIRM + read <= 2.0
