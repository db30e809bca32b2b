"""Tests that wait: bounded, since a hung reactor can't be stopped from outside."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread


def deferred(seconds: float = 10.0) -> Callable[..., Any]:
    """Runs an async test on the reactor, for at most so long."""

    def decorate(function: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Deferred[None]]:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Deferred[None]:
            from twisted.internet import reactor

            test = Deferred.fromCoroutine(function(*args, **kwargs))
            ended: Deferred[None] = Deferred(lambda _: test.cancel())
            test.addBoth(lambda result: None if ended.called else ended.callback(result))
            return ended.addTimeout(seconds, reactor)  # also where the test's own end waits for what never comes

        return run

    return decorate


def in_thread(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
    """Calls something that blocks, such as an official client, in a thread."""
    return deferToThread(function, *args, **kwargs)


async def wait(seconds: float) -> None:
    """Lets the reactor run: for what only real sockets do."""
    from twisted.internet import reactor
    from twisted.internet.task import deferLater

    await deferLater(reactor, seconds)


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Waits until something is so; fails if it never is."""
    for _ in range(int(seconds / 0.01)):
        if condition():
            return
        await wait(0.01)
    raise AssertionError("it never came to be")
