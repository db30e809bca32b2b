"""Limits of clients' keys at two daemons on one Redis: refused in the dialect, told in headers, asked for once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.deferreds import deferred, until
from support.pair import pair
from support.redis import needs_redis
from support.stack import Answer, Stack
from twisted.internet.defer import Deferred

from antigravity_proxy.simulator.faults import Fault
from antigravity_proxy.web.client_keys import ClientKey, digest, render

pytestmark = needs_redis

MESSAGES: list[dict[str, Any]] = [{"role": "user", "content": "Hello"}]


def key(name: str, **fields: Any) -> ClientKey:
    return ClientKey(name, digest(f"sk-ag-{name}".encode()).decode(), datetime(2026, 1, 1, tzinfo=UTC), **fields)


def given(directory: Path, *keys: ClientKey) -> str:
    """The path of a file with these keys."""
    path = directory / "keys.json"
    path.write_bytes(render(keys))
    return str(path)


async def ask(running: Stack, name: str, path: str = "/v1/chat/completions", **fields: Any) -> Answer:
    body = {"model": "gemini-3-flash", "max_tokens": 10, "messages": MESSAGES} | fields
    return await running.request("POST", path, body, authorization=f"Bearer sk-ag-{name}")


@deferred(30)
async def test_a_minutes_requests_and_a_days_tokens_are_one_at_both(tmp_path: Path) -> None:
    often, much = key("often", requests_per_minute=3), key("much", tokens_per_day=50)
    keys = given(tmp_path, often, much)
    async with pair(tmp_path, PROXY_CLIENT_KEYS_FILE=keys) as (one, two, _):
        left = [(await ask(each, "often")).headers["x-ratelimit-remaining-requests"] for each in (one, two, one)]
        assert left == ["2", "1", "0"]
        for path in ("/v1/chat/completions", "/v1/messages"):
            refused = await ask(two, "often", path)
            assert refused.status == 429
            assert 50 <= int(refused.headers["retry-after"]) <= 60
        served, at = 0, (one, two)
        while (answer := await ask(at[served % 2], "much")).status == 200:
            served += 1
        assert answer.status == 429
        assert "tokens a day" in answer.body.decode()
        assert (await ask(at[(served + 1) % 2], "much")).status == 429


@deferred(30)
async def test_a_stream_at_one_holds_the_only_place_at_the_other(tmp_path: Path) -> None:
    keys = given(tmp_path, key("single", concurrent=1))
    async with pair(tmp_path, PROXY_CLIENT_KEYS_FILE=keys) as (one, two, _):
        one.simulator.script(Fault(pause=0.5))
        answered = Deferred.fromCoroutine(ask(one, "single", stream=True))
        await until(lambda: bool(one.simulator.requests))
        refused = await ask(two, "single")
        assert (refused.status, refused.headers["retry-after"]) == (429, "2")
        assert (await answered).status == 200
        assert (await ask(two, "single")).status == 200
        assert (await ask(two, "single", "/v1/messages/count_tokens")).status == 200


@pytest.mark.parametrize(("name", "questions"), [("free", 0), ("limited", 1)])
@deferred(30)
async def test_redis_is_asked_once_where_there_is_a_limit_and_never_else(
    tmp_path: Path, name: str, questions: int
) -> None:
    keys = given(tmp_path, key("free"), key("limited", concurrent=9, tokens_per_day=10**6))
    async with pair(tmp_path, PROXY_CLIENT_KEYS_FILE=keys) as (one, _, redis):
        redis.ask("CONFIG", "RESETSTAT")
        for number in range(4):
            assert (await ask(one, name, stream=bool(number % 2))).status == 200
        stats = redis.ask("INFO", "commandstats").decode()
        asked = [line for line in stats.splitlines() if line.startswith("cmdstat_hgetall")]
        calls = int(asked[0].split("calls=")[1].split(",")[0]) if asked else 0
        assert calls == 4 * questions
