"""A daemon on Redis: what it says of that, and that it serves whatever becomes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.deferreds import deferred, wait
from support.redis import RedisServer, needs_redis, redis_server
from support.stack import Stack, free_port, stack


async def health(running: Stack, **wanted: Any) -> Any:
    """What /health says as soon as it says this, or in the end."""
    found: Any = {}
    for _ in range(600):
        found = (await running.request("GET", "/health")).json
        if all(found[name] == value for name, value in wanted.items()):
            break
        await wait(0.01)
    return found


@needs_redis
@deferred(30)
async def test_it_says_how_it_stands_with_redis(tmp_path: Path) -> None:
    redis: RedisServer
    with redis_server(tmp_path) as redis:
        async with stack(tmp_path, REDIS_URL=redis.url) as running:
            assert (await health(running, replicas=1))["status"] == "healthy"
            assert b"antigravity_redis_up 1.0" in (await running.request("GET", "/metrics")).body
            redis.kill()
            found = await health(running, status="degraded")
            assert any(warning.startswith("Redis") for warning in found["warnings"])
            assert (await running.chat()).status == 200
            assert b"antigravity_redis_up 0.0" in (await running.request("GET", "/metrics")).body
            redis.start()
            assert (await health(running, status="healthy"))["warnings"] == []


@deferred(30)
async def test_it_starts_and_serves_without_redis_and_says_so_after_a_moment(tmp_path: Path) -> None:
    url = f"redis://someone:hunter2@127.0.0.1:{free_port()}"
    async with stack(tmp_path, REDIS_URL=url) as running:
        assert (await running.chat()).status == 200
        found = await health(running, status="degraded")
        assert found["warnings"] == ["Redis refuses connections: replicas do not share their state meanwhile"]
        assert (await running.request("GET", "/health/ready")).status == 200
        assert "hunter2" not in str(found)


@deferred()
async def test_without_the_setting_nothing_is_said_of_replicas(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        assert (await running.request("GET", "/health")).json["replicas"] is None
        assert b"antigravity_redis" not in (await running.request("GET", "/metrics")).body
