"""What the tests over sockets share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from antigravity_proxy.relay import failover


@pytest.fixture(autouse=True)
def no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause after upstream's trouble is tested on a clock; here it would only take time."""
    monkeypatch.setattr(failover, "TROUBLE_PAUSE", 0.005)


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What the log says."""
    told: list[str] = []

    def observe(event: LogEvent) -> None:
        told.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield told
    globalLogPublisher.removeObserver(observe)
