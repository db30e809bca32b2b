"""Long work on the reactor's thread, in slices, so that the reactor is never blocked for long."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import CooperativeTask, Cooperator, TaskStopped
from twisted.python.failure import Failure


class Slices:
    """Runs one generator at a time, from one ``yield`` to the next in each turn of the reactor: a `Cooperator` whose
    work begins at once, and gives way to newer work.
    """

    __slots__ = ("_cooperator", "_task")

    def __init__(self, clock: IReactorTime) -> None:
        self._cooperator = Cooperator(
            terminationPredicateFactory=lambda: lambda: True,  # one slice a turn
            scheduler=lambda go_on: clock.callLater(0, go_on),
        )
        self._task: CooperativeTask[Any] | None = None

    @property
    def busy(self) -> bool:
        """Work is under way."""
        return self._task is not None

    def run(self, work: Iterator[None]) -> Deferred[None]:
        """Starts at once; fires when it is done, or fails as it does. Running work is abandoned, and never fires."""
        if self._task is not None:
            self._task.stop()
        else:
            try:
                next(work)
            except StopIteration:
                return succeed(None)
            except Exception:
                return fail(Failure())
        task = self._task = self._cooperator.cooperate(work)
        done = Deferred[None]()
        task.whenDone().addCallbacks(lambda _: self._ended(task, done, None), lambda why: self._ended(task, done, why))
        return done

    def _ended(self, task: CooperativeTask[Any], done: Deferred[None], why: Failure | None) -> None:
        if self._task is task:
            self._task = None
        if why is None:
            done.callback(None)
        elif not why.check(TaskStopped):
            done.errback(why)
