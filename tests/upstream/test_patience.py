"""How long an exchange waits for an upstream that says nothing."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from antigravity_proxy.ticker import Ticker
from antigravity_proxy.upstream.egress import Egress
from antigravity_proxy.upstream.exchange import Silent


class Deaf:
    """Endpoints that nobody answers on."""

    def endpointForURI(self, uri: Any) -> Any:
        return self

    def connect(self, factory: Any) -> Deferred[Any]:
        return Deferred()


@pytest.mark.parametrize(
    ("setting", "least", "patience"), [(120.0, 0.0, 120), (120.0, 300.0, 300), (600.0, 300.0, 600)]
)
def test_the_longer_patience_counts(setting: float, least: float, patience: int) -> None:
    clock = Clock()
    endpoints: Any = Deaf()
    egress = Egress(Ticker(clock), endpoints, "agent", setting)
    ended: list[Any] = []
    opening = egress.exchange(least).open(b"https://upstream.invalid/", b"POST / HTTP/1.1", b"")
    Deferred.fromCoroutine(opening).addBoth(ended.append)
    clock.pump([1.0] * (patience - 2))
    assert not ended
    clock.pump([1.0] * 4)
    (failure,) = ended
    assert isinstance(failure, Failure)
    assert failure.check(Silent)
