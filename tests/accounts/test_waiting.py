"""The short line of those who wait for what others give back."""

from __future__ import annotations

from twisted.internet.task import Clock

from antigravity_proxy.accounts.waiting import MAX_WAITING, QUEUE_SECONDS, WaitingLine


class Counter:
    """A line for a number of free places, and what those who waited got."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.line: WaitingLine[str] = WaitingLine(self.clock)
        self.free: list[str] = []
        self.got: list[tuple[str, str | None]] = []

    def wait(self, who: str, wanted: str = "") -> None:
        def take() -> str | None:
            return next((self.free.pop(i) for i, place in enumerate(self.free) if wanted in place), None)

        self.line.join(take).addCallback(lambda place: self.got.append((who, place)))

    def give(self, place: str) -> None:
        self.free.append(place)
        self.line.given_back()


def test_first_come_first_served() -> None:
    counter = Counter()
    for who in ("x", "y", "z"):
        counter.wait(who)
    counter.give("1")
    counter.give("2")
    assert counter.got == [("x", "1"), ("y", "2")]


def test_what_the_first_cannot_use_goes_to_the_next() -> None:
    counter = Counter()
    counter.wait("x", wanted="red")
    counter.wait("y")
    counter.give("blue")
    counter.give("red")
    assert counter.got == [("y", "blue"), ("x", "red")]


def test_nobody_waits_for_long() -> None:
    counter = Counter()
    counter.wait("x")
    counter.clock.advance(QUEUE_SECONDS)
    assert counter.got == [("x", None)]
    counter.give("1")
    assert (counter.free, len(counter.line), counter.clock.getDelayedCalls()) == (["1"], 0, [])


def test_too_many_are_refused_at_once() -> None:
    counter = Counter()
    for number in range(MAX_WAITING + 1):
        counter.wait(str(number))
    assert counter.got == [(str(MAX_WAITING), None)]
    counter.clock.advance(QUEUE_SECONDS)


def test_who_leaves_takes_nothing_along() -> None:
    counter = Counter()
    gone = counter.line.join(lambda: "place")
    gone.addErrback(lambda _: None)
    gone.cancel()
    counter.wait("y")
    counter.give("1")
    assert counter.got == [("y", "1")]
    assert counter.clock.getDelayedCalls() == []
