"""What the tests over sockets share."""

from __future__ import annotations

import pytest

from antigravity_proxy.relay import failover


@pytest.fixture(autouse=True)
def no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause after upstream's trouble is tested on a clock; here it would only take time."""
    monkeypatch.setattr(failover, "TROUBLE_PAUSE", 0.005)
