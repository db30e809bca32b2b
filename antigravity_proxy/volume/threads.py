"""Threads for what may hang in a dead mount: not the reactor's own, which do DNS, and never in the way of the end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

T = TypeVar("T")

#: what health says while that is so
HANGS = "a read of the data directory hangs"


class _Thread(Thread):
    """Doesn't hold up the end of the process: it may hang in a dead network mount."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, daemon=True, **kwargs)


class _Threads(ThreadPool):
    threadFactory = _Thread


class OwnThread:
    """One thread that does one piece of work after the other, between ``start`` and ``stop``."""

    def __init__(self, reactor: Any, name: str) -> None:
        self._reactor = reactor
        self._threads = _Threads(1, 1, name)

    def start(self) -> None:
        """Begins to work."""
        self._threads.start()

    def run(self, work: Callable[[], Any]) -> Deferred[Any]:
        """Does the work; fires with its outcome on the reactor's thread."""
        done: Deferred[Any] = deferToThreadPool(self._reactor, self._threads, work)
        return done

    def stop(self, patience: float) -> None:
        """Waits up to ``patience`` seconds for what is under way; what hangs is left behind."""
        stopping = _Thread(target=self._threads.stop)
        stopping.start()
        stopping.join(patience)


def within(seconds: float, work: Callable[[], T]) -> T:
    """Does the work while the caller waits, for ``seconds`` at most: TimeoutError; work that hangs is left behind."""
    outcome: Future[T] = Future()

    def do() -> None:
        try:
            outcome.set_result(work())
        except BaseException as e:
            outcome.set_exception(e)

    _Thread(target=do).start()
    return outcome.result(seconds)
