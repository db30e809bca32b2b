"""A reactor whose clock is the test's, and whose threads are real."""

from __future__ import annotations

from queue import Queue
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure


class Reactor(Clock):
    """A clock that takes calls from threads; the test lets them in."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: Queue[tuple[Any, ...]] = Queue()

    def callFromThread(self, function: Any, *arguments: Any) -> None:
        self._calls.put((function, *arguments))

    def wait(self, deferred: Deferred[Any]) -> Any:
        """What the deferred comes to, which threads bring about. Raises what it fails with."""
        found: list[Any] = []
        deferred.addBoth(found.append)
        while not found:
            self.from_thread()
        if isinstance(found[0], Failure):
            found[0].raiseException()
        return found[0]

    def from_thread(self) -> None:
        """Waits for the thread's next call."""
        function, *arguments = self._calls.get(timeout=5)
        function(*arguments)
