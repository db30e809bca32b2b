"""The event loop is watched: how late it is, and where it hangs."""

from __future__ import annotations

import time
from typing import Any

from support.deferreds import deferred, wait
from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.logger import LogEvent, globalLogPublisher

from antigravity_proxy.telemetry.loop import BEAT, LoopWatch


def test_each_beat_tells_how_late_it_is() -> None:
    clock, late = Clock(), list[float]()
    watch = LoopWatch(clock, late.append)
    watch.startService()
    clock.advance(BEAT)
    clock.advance(BEAT + 0.25)
    watch.stopService()
    assert late == [0.0, 0.25]
    assert not clock.getDelayedCalls()


def test_a_blocked_loop_is_counted_once_each_time_and_not_every_stack_is_told(no_leaks: list[Any]) -> None:
    clock = Clock()
    watch = LoopWatch(clock, lambda late: None, patience=1000.0)
    watch.startService()
    now = 0.0
    for _ in range(8):
        watch.look(now + 2000)
        watch.look(now + 3000)
        watch.look(now)
    watch.stopService()
    assert watch.blocked == 8
    told, no_leaks[:] = len(no_leaks), []
    assert 5 <= told < 8


@deferred()
async def test_the_place_where_it_hangs_is_told(no_leaks: list[Any]) -> None:
    told: list[LogEvent] = []
    globalLogPublisher.addObserver(told.append)
    watch = LoopWatch(reactor, lambda late: None, patience=0.1)
    watch.startService()
    try:
        _hang()
        await wait(0.01)
    finally:
        watch.stopService()
        globalLogPublisher.removeObserver(told.append)
    assert watch.blocked >= 1
    assert any("_hang (telemetry/test_loop.py:" in event.get("stack", "") for event in told)
    no_leaks.clear()


def _hang() -> None:
    time.sleep(BEAT + 0.5)
