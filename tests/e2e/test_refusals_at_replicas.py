"""What upstream refuses, at two daemons on one Redis: plain and streamed, with one account and with several."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.deferreds import deferred, in_thread, until, wait
from support.pair import pair, told
from support.redis import needs_redis
from support.sdks import DIALECTS, QUESTION
from support.stack import Answer, Stack
from support.webhooks import Receiver

from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.daemon import webhook
from antigravity_proxy.simulator import faults
from antigravity_proxy.simulator.faults import Fault

pytestmark = [needs_redis, pytest.mark.replicas]

MODEL = "gemini-3-flash"
AGENT = "You are an agent of some kind."
ALL = pytest.mark.parametrize(("accounts", "stream"), [(1, False), (1, True), (3, False), (3, True)])


async def asked(running: Stack, stream: bool, fault: Fault | None, system: str = AGENT) -> tuple[Answer, int]:
    """The answer to a request that upstream answers so, and the number of attempts."""
    running.simulator.clear_script()
    running.simulator.requests.clear()
    if fault is not None:
        running.simulator.script(fault, times=9)
    messages = [{"role": "system", "content": system}, {"role": "user", "content": QUESTION}]
    answer = await running.chat(messages=messages, stream=stream)
    await until(lambda: all(not state.in_flight for state in running.daemon.pool.states))
    return answer, len(running.simulator.requests)


def code(answer: Answer) -> str:
    return str(answer.json["error"]["code"])


def cooling(*daemons: Stack) -> list[int]:
    return [sum(bool(state.cooldowns) for state in each.daemon.pool.states) for each in daemons]


@ALL
@deferred(60)
async def test_a_refused_request(tmp_path: Path, accounts: int, stream: bool) -> None:
    async with pair(tmp_path, accounts=accounts) as (one, two, _):
        for state in one.daemon.pool.states:
            one.daemon.pool.observed_quota(state.credential.id, {MODEL: ModelQuota(0.9)})
        await until(lambda: all(state.quota.get(MODEL) for state in two.daemon.pool.states))
        if accounts == 1:
            answer, attempts = await asked(one, stream, faults.bare_limit())
            assert (answer.status, attempts) == (429, 1)
            await until(lambda: cooling(two) == [1])
            answer, attempts = await asked(two, stream, None)
            assert (answer.status, attempts) == (429, 0)
            return
        for attempts in (2, 1):
            for each in (one, two):  # who was refused is remembered by each for itself
                answer, found = await asked(each, stream, faults.bare_limit())
                assert (answer.status, code(answer), found) == (400, "upstream_refuses_request", attempts)
        await told(one, two)
        assert cooling(one, two) == [0, 0]
        for each in (one, two):
            assert (await asked(each, stream, None))[0].status == 200


@ALL
@deferred(60)
async def test_this_program_refused(tmp_path: Path, accounts: int, stream: bool) -> None:
    async with pair(tmp_path, accounts=accounts) as (one, two, _):
        answer, attempts = await asked(one, stream, faults.forbidden())
        if accounts == 1:
            assert (answer.status, attempts) == (403, 1)
            await until(lambda: cooling(one) == cooling(two) == [1])
            assert (await asked(two, stream, None))[1] == 0
            return
        for each, attempts in ((one, 1), (two, 3), (two, 1)):
            answer, found = await asked(each, stream, faults.forbidden())
            assert (answer.status, code(answer), found) == (503, "upstream_refuses_client", attempts)
        await told(one, two)
        assert cooling(one, two) == [0, 0]
        for each in (one, two):
            assert (await asked(each, stream, None))[0].status == 200
            assert not any("refuses this program" in warning for warning in each.daemon.health.warnings())


@ALL
@deferred(60)
async def test_a_notice_as_an_answer(tmp_path: Path, accounts: int, stream: bool) -> None:
    words = "This version of Antigravity is no longer supported. Please update to receive the latest features!"
    body = b'{"response":{"candidates":[{"content":{"role":"model","parts":[{"text":"%b"}]},"finishReason":"STOP"}]}}'
    async with pair(tmp_path, accounts=accounts) as (one, two, _):
        for each in (one, two):
            answer, attempts = await asked(each, stream, Fault(events=(body % words.encode(),)))
            assert (answer.status, attempts) == (503, 1)
        await told(one, two)
        assert cooling(one, two) == [0, 0]


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setattr(webhook, "EVERY", 0.05)
    made = Receiver()
    yield made
    made.stop()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("accounts", [1, 3])
@deferred(60)
async def test_an_account_barred_for_its_terms(tmp_path: Path, receiver: Receiver, accounts: int, stream: bool) -> None:
    async with pair(tmp_path, accounts=accounts, PROXY_WEBHOOK_URL=receiver.url) as (one, two, _):
        answer, attempts = await asked(one, stream, faults.barred())
        assert (answer.status, attempts) == (503, 1)
        await until(lambda: bool(two.daemon.pool.terms_rest))
        for dialect in DIALECTS:
            with DIALECTS[dialect](two.url) as ask:
                found: Any = await in_thread(ask, stream)
            assert (found.status, found.retry_after) == (503, None)
        assert len(one.simulator.requests) == 1, "nobody else is asked, at either"
        await until(lambda: bool(receiver.posts))
        await wait(0.3)  # several looks of both
        assert [post["event"] for post in receiver.posts].count("account_barred") == 1
        assert two.daemon.pool.terms_rest.end()
        await until(lambda: not one.daemon.pool.terms_rest)
        answer, attempts = await asked(one, stream, None)
        assert (answer.status, attempts) == ((200, 1) if accounts > 1 else (503, 0))
