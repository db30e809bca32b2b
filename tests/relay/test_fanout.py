"""Several requests for one answer: when those that come are enough."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.python.failure import Failure

from antigravity_proxy.errors import RateLimited, UpstreamBroken
from antigravity_proxy.relay.context import ClientGone
from antigravity_proxy.relay.fanout import at_least_one

BROKEN, LIMITED = UpstreamBroken("broken"), RateLimited("limited")


def outcome(*running: Deferred[bytes]) -> object:
    """What became of it so far."""
    ended: list[object] = []
    Deferred.fromCoroutine(at_least_one(list(running))).addBoth(ended.append)
    found = ended[0] if ended else "waiting"
    return found.value if isinstance(found, Failure) else found


def test_one_is_enough_and_all_are_waited_for() -> None:
    assert outcome(fail(BROKEN), succeed(b""), fail(LIMITED)) is None
    assert outcome(succeed(b""), Deferred()) == "waiting"


def test_if_none_comes_the_first_failure_counts() -> None:
    assert outcome(fail(LIMITED), fail(BROKEN)) is LIMITED


@pytest.mark.parametrize("strange", [ClientGone(), ValueError("a fault of ours")])
def test_what_is_no_failed_request_is_never_passed_over(strange: Exception) -> None:
    assert outcome(succeed(b""), fail(BROKEN), fail(strange)) is strange


def test_cancelling_cancels_all() -> None:
    cancelled: list[int] = []
    running: list[Deferred[bytes]] = [Deferred(lambda _, i=i: cancelled.append(i)) for i in range(2)]
    ended: list[Failure] = []
    waiting = Deferred.fromCoroutine(at_least_one(running))
    waiting.addErrback(ended.append)
    waiting.cancel()
    assert cancelled == [0, 1]
    assert ended[0].check(CancelledError)
