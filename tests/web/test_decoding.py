"""Large bodies are worked on in a thread: what a client that leaves meanwhile leaves behind."""

from __future__ import annotations

import threading
import weakref
from typing import Any

import pytest
from support.threaded_clock import Reactor
from twisted.internet.defer import CancelledError, Deferred

from antigravity_proxy.web.bodies import LARGE
from antigravity_proxy.web.decoding import Decoding


class Body:
    """Something large that a request holds."""


def test_a_client_that_leaves_while_its_body_waits_takes_it_away() -> None:
    reactor = Reactor()
    decoding = Decoding(reactor)
    began, go_on = threading.Event(), threading.Event()

    def first() -> str:
        began.set()
        assert go_on.wait(5)
        return "first"

    ended: list[Any] = []
    Deferred.fromCoroutine(decoding.run(LARGE + 1, first)).addBoth(ended.append)
    assert began.wait(5)
    body, done = Body(), []
    kept = weakref.ref(body)

    def second(body: Body = body) -> str:
        done.append(body)
        return "second"

    waiting = Deferred.fromCoroutine(decoding.run(LARGE + 1, second))
    waiting.addBoth(ended.append)
    del body, second
    waiting.cancel()
    assert ended[0].check(CancelledError)
    ended.clear()
    assert kept() is None  # while the thread is still busy with another's
    go_on.set()
    reactor.from_thread()
    assert ended == ["first"]
    decoding.stopService()
    assert not done


@pytest.mark.parametrize("size", [LARGE, LARGE + 1])
def test_what_the_work_raises_comes_out(size: int) -> None:
    reactor = Reactor()
    decoding = Decoding(reactor)
    ended: list[Any] = []
    Deferred.fromCoroutine(decoding.run(size, lambda: 1 // 0)).addBoth(ended.append)
    if size > LARGE:
        reactor.from_thread()
    assert ended[0].check(ZeroDivisionError)
    decoding.stopService()
