"""Which model serves a name, over sockets: the operator's aliases and chains, names of nothing, lists that agree."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.deferreds import deferred
from support.stack import stack
from twisted.logger import LogEvent, globalLogPublisher

from antigravity_proxy.simulator import faults
from antigravity_proxy.simulator.faults import Fault


@deferred()
async def test_a_chain_goes_on_where_nobody_is_free(tmp_path: Path) -> None:
    async with stack(
        tmp_path, PROXY_MODEL_ALIASES="best=claude-sonnet-4-6|gemini-3-flash,fast-*=gemini-3-flash"
    ) as run:
        assert (await run.chat(model="best")).headers["x-antigravity-model"] == "claude-sonnet-4-6"
        assert (await run.chat(model="fast-one")).headers["x-antigravity-model"] == "gemini-3-flash"
        for token in ("ya29.sim-0", "ya29.sim-1"):
            run.simulator.script(faults.rate_limited(30), token=token)
        assert (await run.chat(model="claude-sonnet-4-6")).status == 429
        answer = await run.chat(model="best")
        assert (answer.status, answer.headers["x-antigravity-model"]) == (200, "gemini-3-flash")


FAILURES = {
    "quota": faults.quota_exhausted_for("3600s"),
    "burst": faults.rate_limited(30),
    "no capacity": faults.no_capacity(503),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", FAILURES)
@deferred()
async def test_a_chain_goes_on_after_this_very_requests_failure(tmp_path: Path, fault: str, stream: bool) -> None:
    chain = "best=claude-sonnet-4-6|gemini-3.1-pro|gemini-3-flash"
    async with stack(tmp_path, PROXY_MODEL_ALIASES=chain) as run:
        run.simulator.script(FAILURES[fault], model="claude-sonnet-4-6", times=9)
        answer = await run.chat(model="best", stream=stream)
        served = run.simulator.requests[-1].model
        assert served.startswith("gemini-")
        assert (answer.status, answer.headers["x-antigravity-model"]) == (200, served)
        asked = [request.model for request in run.simulator.requests]
        assert asked == ["claude-sonnet-4-6"] * (len(asked) - 1) + [served]


@pytest.mark.parametrize(("fault", "status"), [(faults.refused("nonsense"), 400), (faults.failing(500), 500)])
@deferred()
async def test_a_chain_does_not_go_on_after_another_failure(tmp_path: Path, fault: Fault, status: int) -> None:
    async with stack(tmp_path, PROXY_MODEL_ALIASES="best=claude-sonnet-4-6|gemini-3-flash") as run:
        run.simulator.script(fault, times=9)
        assert (await run.chat(model="best")).status == status
        assert {request.model for request in run.simulator.requests} == {"claude-sonnet-4-6"}


@deferred()
async def test_a_chain_does_not_go_on_after_the_first_byte(tmp_path: Path) -> None:
    late = Fault(error=faults.rate_limited(30).body, after=2)
    async with stack(tmp_path, PROXY_MODEL_ALIASES="best=claude-sonnet-4-6|gemini-3-flash") as run:
        run.simulator.script(late, times=9)
        answer = await run.chat(model="best", stream=True)
        assert (answer.status, answer.headers["x-antigravity-model"]) == (200, "claude-sonnet-4-6")
        assert b"rate_limit" in answer.body
        assert [request.model for request in run.simulator.requests] == ["claude-sonnet-4-6"]


@deferred()
async def test_a_chain_that_ends_without_an_answer_says_so(tmp_path: Path) -> None:
    async with stack(tmp_path, PROXY_MODEL_ALIASES="best=claude-sonnet-4-6|gemini-3-flash") as run:
        run.simulator.script(faults.rate_limited(30), times=9)
        assert (await run.chat(model="best", n=2)).status == 429
        assert {request.model for request in run.simulator.requests} == {"claude-sonnet-4-6", "gemini-3-flash"}


@deferred()
async def test_a_name_of_nothing_is_served_and_warned_of_once(tmp_path: Path) -> None:
    warned: list[LogEvent] = []

    def observe(event: LogEvent) -> None:
        if "unknown model" in str(event.get("log_format")):
            warned.append(event)

    globalLogPublisher.addObserver(observe)
    try:
        async with stack(tmp_path) as run:
            for _ in range(3):
                answer = await run.chat(model="llama-3\n70b")
                assert (answer.status, answer.headers["x-antigravity-model"]) == (200, "gemini-3-flash")
            assert (await run.chat(model="gpt-5")).status == 200
    finally:
        globalLogPublisher.removeObserver(observe)
    assert [event["model"] for event in warned] == ["gemini-3-flash"]
    assert "\n" not in warned[0]["name"]


@pytest.mark.parametrize("name", ["opus", "vertex_ai/claude-opus-4-5", "gemini-3.1-pro-preview", "gpt-4o"])
@deferred()
async def test_one_model_is_shown_as_chat_would_serve_it(tmp_path: Path, name: str) -> None:
    async with stack(tmp_path) as run:
        served = (await run.chat(model=name)).headers["x-antigravity-model"]
        shown = await run.request("GET", f"/v1/models/{name}")
        assert (shown.status, shown.json["id"]) == (200, name)
        assert ("claude" in served) == (shown.json["owned_by"] == "anthropic")
        assert (await run.request("GET", "/v1/models/llama-3")).status == 404
