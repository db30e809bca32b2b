"""The driver of a request's coroutine, beside Twisted's own for what both do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.python.failure import Failure

from antigravity_proxy.coroutines import Pending, Running

Ways = list[object]


def run(waits: list[Deferred[int]], seen: Ways) -> Running:
    async def work() -> None:
        try:
            for each in waits:
                seen.append(await each)
        except ZeroDivisionError:
            seen.append("divided")
        except CancelledError:
            seen.append("cancelled")
            raise

    def ended(failure: Failure | None) -> None:
        seen.append("end" if failure is None else type(failure.value).__name__)

    running = Running(work(), ended)
    running.start()
    return running


def later() -> Deferred[int]:
    return Deferred()


def test_it_runs_straight_through_what_is_there_already() -> None:
    seen: Ways = []
    run([succeed(1), succeed(2)], seen)
    assert seen == [1, 2, "end"]


def test_it_waits_and_goes_on() -> None:
    seen: Ways = []
    first, second = later(), later()
    run([first, second], seen)
    assert seen == []
    first.callback(1)
    assert seen == [1]
    second.callback(2)
    assert seen == [1, 2, "end"]


@pytest.mark.parametrize("make", [lambda: fail(ZeroDivisionError()), later])
def test_a_failure_is_raised_in_it(make: Callable[[], Deferred[int]]) -> None:
    seen: Ways = []
    waits_for = make()
    run([waits_for], seen)
    if not waits_for.called:
        waits_for.errback(ZeroDivisionError())
    assert seen == ["divided", "end"]


def test_what_it_raises_is_told_at_its_end() -> None:
    seen: Ways = []
    run([fail(KeyError())], seen)
    assert seen == ["KeyError"]


def test_cancelling_it_cancels_what_it_waits_for_and_does_nothing_afterwards() -> None:
    seen: Ways = []
    running = run([later()], seen)
    running.cancel()
    running.cancel()
    assert seen == ["cancelled", "CancelledError"]


def test_a_paused_result_is_waited_for() -> None:
    seen: Ways = []
    paused = succeed(1)
    paused.pause()
    run([paused], seen)
    assert seen == []
    paused.unpause()
    assert seen == [1, "end"]


def test_a_coroutine_that_it_returns_goes_on_in_its_place() -> None:
    seen: Ways = []
    waits = later()

    async def second() -> None:
        seen.append(await waits)
        raise KeyError

    async def first() -> Any:
        seen.append("first")
        return second()

    def ended(failure: Failure | None) -> None:
        seen.append("end" if failure is None else type(failure.value).__name__)

    running = Running(first(), ended)
    running.start()
    assert seen == ["first"]
    waits.callback(2)
    assert seen == ["first", 2, "KeyError"]


def ours(waits_for: Pending[int], seen: Ways) -> Callable[[], None]:
    async def work() -> None:
        seen.append(await waits_for)

    running = Running(work(), lambda failure: seen.append("end" if failure is None else type(failure.value).__name__))
    running.start()
    return running.cancel


def twisteds(waits_for: Pending[int], seen: Ways) -> Callable[[], None]:
    async def work() -> None:
        seen.append(await waits_for)

    running = Deferred.fromCoroutine(work())
    running.addCallbacks(lambda _: seen.append("end"), lambda failure: seen.append(type(failure.value).__name__))
    return running.cancel


@pytest.mark.parametrize("drive", [ours, twisteds])
@pytest.mark.parametrize("is_there_before", [False, True])
def test_a_pending_result_ends_as_it_is_told(drive: Any, is_there_before: bool) -> None:
    for fire, expected in (
        (lambda waits_for: waits_for.fire(1), [1, "end"]),
        (lambda waits_for: waits_for.fail(KeyError()), ["KeyError"]),
    ):
        cancelled: Ways = []
        waits_for = Pending[int](lambda: cancelled.append("cancelled"))  # noqa: B023 - called in this turn
        seen: Ways = []
        if is_there_before:
            fire(waits_for)
        cancel = drive(waits_for, seen)
        if not is_there_before:
            assert seen == []
            fire(waits_for)
        waits_for.fire(2)
        waits_for.fail(ZeroDivisionError())
        cancel()
        waits_for.cancel()
        assert (seen, cancelled) == (expected, [])


@pytest.mark.parametrize("drive", [ours, twisteds])
def test_a_pending_result_that_is_cancelled_says_so_first(drive: Any) -> None:
    seen: Ways = []
    waits_for = Pending[int](lambda: seen.append("on_cancel"))
    cancel = drive(waits_for, seen)
    cancel()
    waits_for.fire(1)
    assert seen == ["on_cancel", "CancelledError"]


@pytest.mark.parametrize("drive", [ours, twisteds])
def test_a_pending_result_may_end_otherwise_when_it_is_cancelled(drive: Any) -> None:
    seen: Ways = []

    def on_cancel() -> None:
        waits_for.fire(3)

    waits_for = Pending[int](on_cancel)
    drive(waits_for, seen)()
    assert seen == [3, "end"]
