"""The one slow clock of many deadlines."""

from __future__ import annotations

from twisted.internet.task import Clock

from antigravity_proxy.ticker import INTERVAL, Ticker


class Watched:
    """Counts its ticks, and begins to watch others at its first."""

    def __init__(self, ticker: Ticker, *others: Watched) -> None:
        self.ticker = ticker
        self.others = others
        self.ticks = 0

    def tick(self, now: float) -> None:
        self.ticks += 1
        for other in self.others:
            self.ticker.watch(other)
        self.others = ()


def test_what_begins_within_a_tick_makes_no_second_clock() -> None:
    clock = Clock()
    ticker = Ticker(clock)
    second = Watched(ticker)
    first = Watched(ticker, second)
    ticker.watch(first)
    clock.advance(INTERVAL)
    assert len(clock.getDelayedCalls()) == 1
    clock.advance(INTERVAL)
    assert (first.ticks, second.ticks) == (2, 1)
    ticker.stop()
    assert clock.getDelayedCalls() == []


def test_nothing_watched_takes_no_timer() -> None:
    clock = Clock()
    ticker = Ticker(clock)
    first = Watched(ticker)
    ticker.watch(first)
    ticker.leave(first)
    clock.advance(INTERVAL)
    assert (first.ticks, clock.getDelayedCalls()) == (0, [])
