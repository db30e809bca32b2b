"""Replicas in one process: each with its own pool, tokens and connection to Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from support.accounts import account
from support.deferreds import until
from twisted.internet.task import deferLater

from antigravity_proxy.accounts.pool import Pool
from antigravity_proxy.accounts.replication import session_key
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.accounts.tokens import TokenKeeper
from antigravity_proxy.canonical.credential import Credential
from antigravity_proxy.canonical.grant import IssuedToken
from antigravity_proxy.replicas.connector import Connector
from antigravity_proxy.replicas.store import Replicas
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.redis_url import redis_url
from antigravity_proxy.startup import epoch

MASTER = Secret("ab" * 32)


class Upstream:
    """Google's part: ``asked`` for tokens by account, and what it says after ``seconds``."""

    def __init__(self, seconds: float = 0.05) -> None:
        self.asked: list[str] = []
        self.seconds = seconds
        self.refusal: Exception | None = None

    async def refresh(self, state: AccountState) -> IssuedToken:
        """A new token, or the refusal."""
        from twisted.internet import reactor

        self.asked.append(state.credential.id)
        await deferLater(reactor, self.seconds)
        if self.refusal is not None:
            raise self.refusal
        return IssuedToken(Secret(f"ya29.renewed-{len(self.asked)}"), epoch() + 3600)


class Replica:
    """One replica."""

    def __init__(self, url: str, upstream: Upstream, accounts: list[Credential], key: Secret | None = MASTER) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.shared = Replicas(reactor, epoch, Connector(reactor, redis_url(url)))
        self.pool = Pool(reactor, epoch, lambda: 0.0, shared=self.shared)
        self.tokens = TokenKeeper(reactor, epoch, upstream.refresh, self.shared)
        self.shared.use_key(key)
        self.pool.update(accounts)
        self.shared.startService()

    def state(self, name: str) -> AccountState:
        """An account's state."""
        return next(state for state in self.pool.states if state.credential.id == name)

    def serving(self, conversation: str = "", model: str = "m") -> str | None:
        """Who serves a request now."""
        lease = self.pool.lease(model, session=session_key(conversation, model) if conversation else b"")
        if lease is None:
            return None
        lease.release()
        return lease.state.credential.id

    def bound(self, conversation: str, model: str = "m") -> str | None:
        """Whom a conversation is bound to, as this replica knows."""
        return self.shared.account_of(session_key(conversation, model), self.reactor.seconds())

    @property
    def trouble(self) -> str:
        """What is wrong with Redis, in its own words; empty: nothing."""
        return self.shared.parts.link.status.trouble


def accounts(*names: str, **fields: Any) -> list[Credential]:
    """Accounts of these names."""
    return [account(name, **fields) for name in names]


Make = Callable[..., Replica]


@asynccontextmanager
async def farm(url: str, upstream: Upstream | None = None) -> AsyncIterator[Make]:
    """Makes replicas, and ends them. Each is made with accounts a, b, c unless told otherwise."""
    google = upstream or Upstream()
    made: list[Replica] = []

    def make(names: list[Credential] | None = None, at: str = url, key: Secret | None = MASTER) -> Replica:
        replica = Replica(at, google, accounts("a", "b", "c") if names is None else names, key)
        made.append(replica)
        return replica

    try:
        yield make
    finally:
        for replica in made:
            replica.tokens.stop()
            await replica.shared.stopService()


async def all_well(*replicas: Replica, seconds: float = 5.0) -> None:
    """Waits until these share, and have read what there is."""
    await until(lambda: all(not each.trouble and each.shared.parts.sync._round is None for each in replicas), seconds)
