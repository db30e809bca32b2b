"""Refusals that are no account's fault, through the whole stack: what official clients see, and who was asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.deferreds import deferred, in_thread, until
from support.sdks import DIALECTS, QUESTION, Told
from support.stack import Answer, Stack, stack

from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.operator import running as running_findings
from antigravity_proxy.simulator import faults
from antigravity_proxy.simulator.faults import Fault
from antigravity_proxy.simulator.server import Simulator

TEXT = f"Hello from the simulated model. You said: {QUESTION}"
MODEL = "gemini-3-flash"
AGENT = "You are a Claude agent, built on Anthropic's Claude Agent SDK."
KINDS_400 = {"openai": "invalid_request_error", "anthropic": "invalid_request_error", "gemini": "INVALID_ARGUMENT"}
KINDS_503 = {"openai": "server_error", "anthropic": "api_error", "gemini": "UNAVAILABLE"}


def quota_left(running: Stack) -> None:
    """Every account is known to have quota left."""
    for state in running.daemon.pool.states:
        running.daemon.pool.observed_quota(state.credential.id, {MODEL: ModelQuota(0.9)})


def cooling(running: Stack) -> int:
    return sum(bool(state.cooldowns) for state in running.daemon.pool.states)


def tokens(running: Stack) -> list[str]:
    return [request.token for request in running.simulator.requests]


async def asked_by_all(running: Stack, dialect: str, stream: bool, fault: Fault, times: int) -> tuple[Told, int]:
    """What the official client made of it, and the number of attempts."""
    running.simulator.clear_script()
    running.simulator.requests.clear()
    running.simulator.script(fault, times=times)
    with DIALECTS[dialect](running.url) as ask:
        told: Told = await in_thread(ask, stream)
    await until(lambda: all(not state.in_flight for state in running.daemon.pool.states))
    return told, len(running.simulator.requests)


@pytest.mark.parametrize("accounts", [2, 5])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
@deferred(30)
async def test_a_refused_request_shows_two_accounts_and_sets_nobody_aside(
    tmp_path: Path, dialect: str, stream: bool, accounts: int
) -> None:
    async with stack(tmp_path, accounts=accounts) as running:
        quota_left(running)
        told, attempts = await asked_by_all(running, dialect, stream, faults.bare_limit(), 9)
        assert (told.status, told.kind, told.retry_after, attempts) == (400, KINDS_400[dialect], None, 2)
        assert len(set(tokens(running))) == 2
        assert cooling(running) == 0
        told, attempts = await asked_by_all(running, dialect, stream, faults.bare_limit(), 1)
        assert (told.text, attempts) == (TEXT, 2)  # the other account answers: it was the account's matter
        assert cooling(running) == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
@deferred(30)
async def test_one_account_alone_is_at_a_limit(tmp_path: Path, dialect: str, stream: bool) -> None:
    async with stack(tmp_path, accounts=1) as running:
        quota_left(running)
        told, attempts = await asked_by_all(running, dialect, stream, faults.bare_limit(), 9)
        assert (told.status, told.retry_after in ("5", "6"), attempts) == (429, True, 1)
        assert cooling(running) == 1


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
@deferred(30)
async def test_this_program_is_refused_and_served_again(tmp_path: Path, dialect: str, stream: bool) -> None:
    async with stack(tmp_path, accounts=3) as running:
        told, attempts = await asked_by_all(running, dialect, stream, faults.forbidden(), 9)
        assert (told.status, told.kind, attempts) == (503, KINDS_503[dialect], 3)
        told, attempts = await asked_by_all(running, dialect, stream, faults.forbidden(), 9)
        assert (told.status, told.kind, attempts) == (503, KINDS_503[dialect], 1)
        assert cooling(running) == 0
        told, attempts = await asked_by_all(running, dialect, stream, faults.forbidden(), 0)
        assert (told.text, attempts) == (TEXT, 1)


def bodies(stream: bool) -> dict[str, tuple[str, dict[str, Any]]]:
    """Requests with a system text, by dialect."""
    said = [{"role": "user", "content": QUESTION}]
    method = "streamGenerateContent" if stream else "generateContent"
    return {
        "openai": (
            "/v1/chat/completions",
            {"model": MODEL, "stream": stream, "messages": [{"role": "system", "content": AGENT}, *said]},
        ),
        "anthropic": (
            "/v1/messages",
            {"model": MODEL, "max_tokens": 99, "stream": stream, "system": AGENT, "messages": said},
        ),
        "gemini": (
            f"/v1beta/models/{MODEL}:{method}",
            {
                "systemInstruction": {"parts": [{"text": AGENT}]},
                "contents": [{"role": "user", "parts": [{"text": QUESTION}]}],
            },
        ),
    }


def code_of(dialect: str, answer: Answer) -> str:
    """Where each dialect tells the code."""
    body = answer.json[0] if isinstance(answer.json, list) else answer.json
    error = body["error"]
    if dialect == "openai":
        return str(error["code"])
    if dialect == "anthropic":
        return str(error["message"]).rpartition(" (")[2].rstrip(")")
    return str(next(each["reason"] for each in error["details"] if each["@type"].endswith("ErrorInfo"))).lower()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
@deferred(30)
async def test_a_refused_text_costs_one_attempt_until_it_passes(tmp_path: Path, dialect: str, stream: bool) -> None:
    async with stack(tmp_path, accounts=4) as running:
        quota_left(running)
        path, body = bodies(stream)[dialect]
        for attempts in (2, 1, 1, 1):
            running.simulator.requests.clear()
            running.simulator.clear_script()
            running.simulator.script(faults.bare_limit(), times=9)
            answer = await running.request("POST", path, body)
            assert (answer.status, code_of(dialect, answer)) == (400, "upstream_refuses_request")
            assert len(running.simulator.requests) == attempts
            sent = running.simulator.requests[0].json["request"]["systemInstruction"]["parts"]
            assert AGENT in "".join(part["text"] for part in sent)  # as the client wrote it
        running.simulator.clear_script()
        assert (await running.request("POST", path, body)).status == 200
        assert cooling(running) == 0
        running.simulator.requests.clear()
        running.simulator.script(faults.bare_limit(), times=9)
        await running.request("POST", path, body)
        assert len(running.simulator.requests) == 2


@pytest.mark.parametrize("dialect", DIALECTS)
@deferred(30)
async def test_each_dialect_names_the_refusal_of_this_program(tmp_path: Path, dialect: str) -> None:
    async with stack(tmp_path) as running:
        path, body = bodies(False)[dialect]
        running.simulator.script(faults.forbidden(), times=9)
        answer = await running.request("POST", path, body)
        assert (answer.status, code_of(dialect, answer)) == (503, "upstream_refuses_client")


# notices as answers

OLD = "This version of Antigravity is no longer supported. Please update to receive the latest features!"
WITHDRAWN = "Gemini 3 Pro is no longer available. Please switch to Gemini 3.1 Pro."
KINDS_404 = {"openai": "invalid_request_error", "anthropic": "not_found_error", "gemini": "NOT_FOUND"}


def said(*texts: str, usage: bool = False) -> Fault:
    """An answer of these texts, an event each."""
    events = []
    for number, text in enumerate(texts, 1):
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": [{"text": text}]}}
        response: dict[str, Any] = {"candidates": [candidate]}
        if number == len(texts):
            candidate["finishReason"] = "STOP"
            if usage:
                response["usageMetadata"] = {"promptTokenCount": 5, "candidatesTokenCount": 9, "totalTokenCount": 14}
        events.append(json.dumps({"response": response}).encode())
    return Fault(events=tuple(events))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
@deferred(30)
async def test_a_notice_is_an_error_and_an_answer_is_none(tmp_path: Path, dialect: str, stream: bool) -> None:
    async with stack(tmp_path, accounts=2) as running:
        for notice in (
            said(OLD),
            said(OLD[:9], OLD[9:40], OLD[40:]),
            Fault(503, faults.error(503, "UNAVAILABLE", OLD)),
        ):
            told, attempts = await asked_by_all(running, dialect, stream, notice, 9)
            assert (told.status, told.kind, told.text, attempts) == (503, KINDS_503[dialect], "", 1)
            assert any("refuses this program" in each for each in running.daemon.health.warnings())
            told, attempts = await asked_by_all(running, dialect, stream, notice, 0)
            assert (told.text, attempts) == (TEXT, 1)
            assert running.daemon.health.warnings() == ()
        for notice in (said(WITHDRAWN), said(WITHDRAWN[:1], WITHDRAWN[1:])):
            told, attempts = await asked_by_all(running, dialect, stream, notice, 9)
            assert (told.status, told.kind, told.text, attempts) == (404, KINDS_404[dialect], "", 1)
        for answer in (
            said(OLD, usage=True),
            said(OLD + "\n" + "It is so. " * 80),
            said("Thi", "s is it."),
            said("Gemini ", "is a constellation."),
        ):
            told, attempts = await asked_by_all(running, dialect, stream, answer, 9)
            texts = [
                json.loads(event)["response"]["candidates"][0]["content"]["parts"][0] for event in answer.events or ()
            ]
            assert (told.status, told.text, attempts) == (None, "".join(part["text"] for part in texts), 1)
        assert cooling(running) == 0


# what an operator sees


@deferred(30)
async def test_refusals_are_counted_by_kind_of_client(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=2) as running:
        quota_left(running)
        path, body = bodies(False)["anthropic"]
        agents = ["claude-cli/2.1.0 (external, cli)", "claude-cli/2.0.1", "Who knows\\"]
        for number, agent in enumerate(agents):
            running.simulator.script(faults.bare_limit(), times=1 if number else 2)
            answer = await running.request("POST", path, body, user_agent=agent)
            assert answer.status == 400
        metrics = (await running.request("GET", "/metrics")).body.decode()
        for client, count in (("claude-code", 2.0), ("other", 1.0)):
            line = f'antigravity_upstream_refusals_total{{client="{client}",code="upstream_refuses_request"}} {count}'
            assert line in metrics
        assert AGENT not in metrics


@deferred(30)
async def test_what_no_table_knows_is_counted_and_told(tmp_path: Path) -> None:
    def news(simulator: Simulator) -> None:
        simulator.available["ya29.sim-0"] = {"models": {"gemini-9-ultra": {"displayName": "Gemini 9"}}}

    async with stack(tmp_path, accounts=1, before=news) as running:
        part = {"text": "Hello", "hologram": {"x": 1}}
        candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "BORED", "mood": 1}
        usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
        event = {"response": {"candidates": [candidate], "usageMetadata": usage, "weather": "fine"}}
        running.simulator.script(Fault(events=(json.dumps(event).encode(),)))
        assert (await running.chat()).status == 200
        detail = faults.info("BRAND_NEW")
        running.simulator.script(Fault(403, faults.error(403, "PERMISSION_DENIED", "x", detail)))
        await running.chat()
        await until(lambda: any("gemini-9-ultra" in each for each in running.daemon.health.warnings()))
        told = " ".join((await running.request("GET", "/health")).json["warnings"])
        for name in (
            "model gemini-9-ultra",
            "reason BRAND_NEW",
            "finish reason BORED",
            "part hologram",
            "field weather",
        ):
            assert name in told
        assert "field candidates.mood" in told
        found = await running_findings.findings(running.daemon.settings)
        assert any("gemini-9-ultra" in each.message for each in found)
        assert b'antigravity_drift_total{kind="reason"} 1.0' in (await running.request("GET", "/metrics")).body
    found = await running_findings.findings(running.daemon.settings)
    assert [each.message for each in found if "is not known" in each.message]
