"""A store is whole from its constructor on: nothing has to be called first."""

from __future__ import annotations

import asyncio

from twisted.internet.task import Clock

from antigravity_proxy.replicas.connector import Connector
from antigravity_proxy.replicas.store import Replicas
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.redis_url import redis_url


def test_a_key_and_accounts_may_come_before_the_listener() -> None:
    clock = Clock()
    replicas = Replicas(clock, clock.seconds, Connector(clock, redis_url("redis://localhost")))
    replicas.recall("a")
    replicas.cooled("a", "m", 10.0, marks=0)
    replicas.use_key(Secret("07" * 32))
    replicas.bind(b"session", "a", 0.0)
    assert replicas.account_of(b"session", 0.0) == "a"
    assert asyncio.run(replicas.claim("work", "a", 1.0))
    assert replicas.sharing.replicas == 1
    assert "1 alive" in repr(replicas)
