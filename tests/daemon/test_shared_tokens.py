"""What official credentials share with other replicas: renewed tokens, under names of their own, and nothing else."""

from __future__ import annotations

from typing import Any

from support.deferreds import deferred

from antigravity_proxy.accounts.replication import LocalState
from antigravity_proxy.canonical.grant import IssuedToken
from antigravity_proxy.daemon.official import SharedTokens
from antigravity_proxy.secret import Secret


class Others(LocalState):
    """Other replicas, which have a token already."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, str]] = []

    def recall(self, account: str) -> None:
        self.told.append(("recall", account))

    def cooled(self, account: str, key: str, seconds: float, flagged: bool) -> None:
        self.told.append(("cooled", account))

    async def renew(self, account: str, current: Secret, ask: Any) -> IssuedToken:
        self.told.append(("renew", account))
        return IssuedToken(Secret("ya29.theirs"), 5000.0)


@deferred()
async def test_a_token_of_another_replica_is_taken() -> None:
    async def never() -> IssuedToken:
        raise AssertionError("asked")

    others = Others()
    shared = SharedTokens(others)
    shared.recall("one")
    shared.cooled("one", "", 60.0, False)
    assert (await shared.renew("one", Secret("ya29.old"), never)).access_token == Secret("ya29.theirs")
    assert others.told == [("recall", "credential one"), ("renew", "credential one")]
