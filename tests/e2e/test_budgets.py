"""Budgets of clients' keys over sockets: refused in each dialect, told in headers, kept over a restart."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from support.deferreds import deferred, in_thread
from support.stack import Answer, Stack, stack
from twisted.internet.defer import Deferred, gatherResults

from antigravity_proxy.web.client_keys import ClientKey, digest, render
from antigravity_proxy.web.client_keys_writing import load

CHAT, MESSAGES, GENERATE = "/v1/chat/completions", "/v1/messages", "/v1beta/models/gemini-3-flash:generateContent"
BODY: dict[str, Any] = {
    "model": "gemini-3-flash",
    "max_tokens": 10,
    "messages": [{"role": "user", "content": "Hello"}],
    "contents": [{"parts": [{"text": "Hello"}]}],
}


def keys_file(directory: Path, **fields: Any) -> str:
    """A file with the key of Ann, ``sk-ag-ann``, and these limits."""
    path = directory / "keys.json"
    key = ClientKey("ann", digest(b"sk-ag-ann").decode(), datetime(2026, 1, 1, tzinfo=UTC), **fields)
    path.write_bytes(render((key,)))
    return str(path)


async def ask(running: Stack, path: str = CHAT, **fields: Any) -> Answer:
    return await running.request("POST", path, BODY | fields, authorization="Bearer sk-ag-ann")


@deferred(40)
async def test_a_used_up_budget_is_told_in_every_dialect_and_kept_over_a_restart(tmp_path: Path) -> None:
    given = {
        "PROXY_CLIENT_KEYS_FILE": keys_file(tmp_path, tokens_per_day=20, tokens_per_month=1000),
        "PROXY_STATE_DIR": str(tmp_path / "state"),
    }
    async with stack(tmp_path, **given) as running:
        first = await ask(running)
        assert (first.status, first.headers["x-ratelimit-limit-tokens"]) == (200, "20")
        while (last := await ask(running, stream=True)).status == 200:
            assert int(last.headers["x-ratelimit-remaining-tokens"]) < 20
        for path in (CHAT, MESSAGES, GENERATE):
            refused = await ask(running, path)
            assert refused.status == 429
            assert 0 < int(refused.headers["retry-after"]) <= 86_400
            assert "tokens a day" in refused.body.decode()
        assert (await running.chat()).status == 200
    async with stack(tmp_path / "again", **given) as running:
        assert (await ask(running)).status == 429
        keys_file(tmp_path, tokens_per_day=10_000)
        while (await ask(running)).status == 429:
            pass


@deferred(40)
async def test_the_vendors_sdks_read_what_is_left(tmp_path: Path) -> None:
    path = keys_file(tmp_path, tokens_per_day=100_000, requests_per_minute=60)
    async with stack(tmp_path, PROXY_CLIENT_KEYS_FILE=path) as running:
        messages: Any = BODY["messages"]

        def by_openai() -> Any:
            with openai.OpenAI(api_key="sk-ag-ann", base_url=f"{running.url}/v1", max_retries=0) as client:
                return client.chat.completions.with_raw_response.create(
                    model="gemini-3-flash", messages=messages
                ).headers

        def by_anthropic() -> Any:
            with anthropic.Anthropic(api_key="sk-ag-ann", base_url=running.url, max_retries=0) as client:
                return client.messages.with_raw_response.create(
                    model="gemini-3-flash", messages=messages, max_tokens=10
                ).headers

        headers = await in_thread(by_openai)
        assert headers["x-ratelimit-limit-requests"] == "60"
        assert headers["x-ratelimit-remaining-requests"] == "59"
        assert 0 < int(headers["x-ratelimit-remaining-tokens"]) < 100_000
        headers = await in_thread(by_anthropic)
        assert headers["anthropic-ratelimit-requests-remaining"] == "58"
        assert headers["anthropic-ratelimit-tokens-limit"] == "100000"
        assert headers["anthropic-ratelimit-tokens-reset"].endswith("T00:00:00Z")


@deferred(30)
async def test_a_key_without_limits_is_told_nothing(tmp_path: Path) -> None:
    async with stack(tmp_path, PROXY_CLIENT_KEYS_FILE=keys_file(tmp_path)) as running:
        assert not [name for name in (await ask(running)).headers if "ratelimit" in name]


@pytest.mark.parametrize("limit", [0, -1, 10**12 + 1, "many"])
def test_a_budget_that_can_not_be_is_refused(limit: Any, tmp_path: Path) -> None:
    from support.command import call

    path = tmp_path / "keys.json"
    assert call("client-key", "add", "ann", "--file", path, "--tokens-per-day", str(limit)).exit_code == 2
    assert not path.exists()
    made = call("client-key", "add", "ann", "--file", path, "--tokens-per-day", "5", "--tokens-per-month", "50")
    assert made.exit_code == 0
    assert (load(path)[0].tokens_per_day, load(path)[0].tokens_per_month) == (5, 50)
    assert "5 tokens a day; 50 tokens a month" in call("client-key", "list", "--file", path).stdout


@deferred(40)
async def test_choices_that_fan_out_count_each_and_can_not_pass_a_budget_together(tmp_path: Path) -> None:
    text = "word " * 200
    fields = {"messages": [{"role": "user", "content": text}]}
    async with stack(tmp_path, accounts=3, PROXY_CLIENT_KEYS_FILE=keys_file(tmp_path, tokens_per_day=100_000)) as one:
        alone = await ask(one, **fields)
        one.simulator.requests.clear()
        several = await ask(one, n=4, **fields)
        assert len(several.json["choices"]) == 4
        told = [alone.json["usage"]["total_tokens"], several.json["usage"]["total_tokens"]]
        assert len(one.simulator.requests) == 4
        rows = (await one.request("GET", "/usage?by=key")).json["rows"]
        used = sum(row["in"] + row["out"] for row in rows)
        assert used == sum(told), "each choice counts once"
        left = await ask(one, **fields)
        assert 100_000 - used - told[0] <= int(left.headers["x-ratelimit-remaining-tokens"]) < 100_000 - used
    limit = several.json["usage"]["prompt_tokens"] * 3 // 2  # a prompt counts once, whatever the number of choices
    async with stack(tmp_path / "two", PROXY_CLIENT_KEYS_FILE=keys_file(tmp_path, tokens_per_day=limit)) as two:
        answers = await gatherResults([Deferred.fromCoroutine(ask(two, n=3, **fields)) for _ in range(4)])
        assert sorted(answer.status for answer in answers) == [200, 429, 429, 429]
        assert {answer.headers["retry-after"] for answer in answers if answer.status == 429} == {"2"}
        assert len(two.simulator.requests) == 3
        refused = await ask(two, **fields)
        assert (refused.status, len(two.simulator.requests)) == (429, 3)
        assert int(refused.headers["retry-after"]) > 2
