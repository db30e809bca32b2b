"""Responses that one replica keeps are found by another: sealed, bounded, and no longer than they are used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.deferreds import deferred, until
from support.redis import RedisServer, needs_redis, redis_server
from support.replicas import all_well, farm
from support.stack import KEY, Stack, stack

pytestmark = needs_redis


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as running:
        yield running


def stored(redis: RedisServer) -> list[bytes]:
    return [key for key in redis.all_keys() if b":v:" in key]


async def create(running: Stack, **fields: Any) -> Any:
    answer = await running.request("POST", "/v1/responses", {"model": "gemini-3-flash", **fields})
    assert answer.status == 200, answer.body
    return answer.json


async def well(running: Stack) -> None:
    replicas = running.daemon.account_services.replicas
    await until(lambda: replicas.parts.link.status.well)


@deferred(60)
async def test_a_conversation_goes_on_at_another_replica(redis: RedisServer, tmp_path: Path) -> None:
    settings = {"REDIS_URL": redis.url, "PROXY_API_KEY": f"{KEY},sk-other"}
    same = settings | {"ANTIGRAVITY_DATA_DIR": str(tmp_path / "one" / "volume")}
    async with stack(tmp_path / "one", **settings) as one, stack(tmp_path / "two", **same) as two:
        await well(one)
        await well(two)
        first = await create(one, input="One secret word")
        second = await create(one, input="Two", previous_response_id=first["id"])
        await until(lambda: len(stored(redis)) == 2)
        assert all(b"secret word" not in redis.ask("GET", name) for name in stored(redis))
        await create(two, input="Three", previous_response_id=second["id"])
        contents = two.simulator.requests[-1].json["request"]["contents"]
        said = [part["text"] for turn in contents if turn["role"] == "user" for part in turn["parts"]]
        assert said == ["One secret word", "Two", "Three"]
        shown = await two.request("GET", f"/v1/responses/{first['id']}")
        assert shown.json == first
        item = {"type": "item_reference", "id": second["output"][0]["id"]}
        await create(two, input=[{"role": "user", "content": "x"}, item])
        other = await two.request("GET", f"/v1/responses/{first['id']}", authorization="Bearer sk-other")
        assert other.status == 404
        assert (await one.request("DELETE", f"/v1/responses/{first['id']}")).status == 200
        assert 3_500_000 < redis.ask("PTTL", stored(redis)[0]) <= 3_600_000

        async with stack(tmp_path / "three", **same) as three:
            await well(three)
            assert (await three.request("GET", f"/v1/responses/{first['id']}")).status == 404
            await create(three, input="Three", previous_response_id=second["id"])  # what goes on from it does
            redis.ask("SET", stored(redis)[0], "nonsense")
            fourth = {"model": "gemini-3-flash", "input": "x", "previous_response_id": "resp_" + "0" * 24}
            refused = await three.request("POST", "/v1/responses", fourth)
            assert refused.json["error"]["code"] == "previous_response_not_found"


@deferred(30)
async def test_what_a_replica_puts_there_is_bounded(redis: RedisServer) -> None:
    async with farm(redis.url) as make:
        one = make()
        await all_well(one)
        shared = one.shared.responses
        shared.limit = 100_000
        for n in range(50):
            shared.put(b"owner", f"resp_{n}", b"x" * 9_000)
        await until(lambda: len(stored(redis)) == 11)
        assert shared.size <= 100_000
        assert await shared.get(b"owner", "resp_49") == b"x" * 9_000
        assert await shared.get(b"owner", "resp_0") is None
        assert await shared.get(b"other", "resp_49") is None
        shared.put(b"owner", "large", b"x" * (5 << 20))
        shared.touch(b"owner", ["resp_49"])
        assert await shared.get(b"owner", "large") is None


@deferred(30)
async def test_while_redis_is_away_nobody_waits(redis: RedisServer) -> None:
    async with farm(redis.url) as make:
        one = make()
        await all_well(one)
        redis.kill()
        await until(lambda: not one.shared.parts.link.status.well)
        shared = one.shared.responses
        shared.put(b"owner", "resp_1", json.dumps("x").encode())
        shared.touch(b"owner", ["resp_1"])
        assert await shared.get(b"owner", "resp_1") is None
