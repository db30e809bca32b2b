"""Two daemons of one volume, as replicas on a real Redis of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from support.deferreds import until
from support.redis import RedisServer, redis_server
from support.stack import Stack, replica, stack


@asynccontextmanager
async def pair(directory: Path, **settings: Any) -> AsyncIterator[tuple[Stack, Stack, RedisServer]]:
    """Both, as soon as they share; ``settings`` are those of ``stack``."""
    (directory / "redis").mkdir()
    with redis_server(directory / "redis") as redis:
        async with stack(directory, REDIS_URL=redis.url, **settings) as one, replica(one) as two:
            await until(lambda: all(is_sharing(each) for each in (one, two)))
            yield one, two, redis


def is_sharing(running: Stack) -> bool:
    """Whether a daemon is connected, and has read what there is."""
    parts = running.daemon.account_services.replicas.parts
    return not parts.link.status.trouble and not parts.sync.is_reading


async def told(*daemons: Stack) -> None:
    """Waits until Redis, and so the other daemon, knows all that these have learnt."""
    await until(lambda: not any(each.daemon.account_services.replicas.sharing.untold for each in daemons))
    for each in daemons:
        await each.daemon.account_services.replicas.parts.link.ask([(b"PING",)])
