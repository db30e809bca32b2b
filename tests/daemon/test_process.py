"""What concerns the process as a whole."""

from __future__ import annotations

import time
import uuid

import pytest
from twisted.internet import reactor
from twisted.internet.task import Clock

from antigravity_proxy.daemon.process import hex_digits, keep_monotonic_time, new_uuid


@pytest.mark.row("clock jumps")
def test_a_jump_of_the_wall_clock_moves_no_timer() -> None:
    """The reactor's own seconds are the monotonic clock's."""
    assert abs(reactor.seconds() - time.monotonic()) < 1
    call = reactor.callLater(3600, lambda: None)
    assert abs(call.getTime() - time.monotonic() - 3600) < 1
    call.cancel()
    clock = Clock()
    keep_monotonic_time(clock)
    assert clock.seconds is time.monotonic


def test_ids_are_random_and_well_formed() -> None:
    assert len({new_uuid() for _ in range(100)}) == 100
    assert uuid.UUID(new_uuid()).version == 4
    assert len(hex_digits(24)) == 24
