"""What one key's requests leave behind: nothing that changes another's, but a field that a model refused as such."""

from __future__ import annotations

import random
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from support.deferreds import deferred
from support.stack import Stack, free_port, stack
from twisted.internet import reactor

from antigravity_proxy.codeassist.wire import CodeAssist
from antigravity_proxy.operator import check
from antigravity_proxy.simulator import faults
from antigravity_proxy.web.bodies import LARGE

MODELS = ["gemini-3-flash", "claude-sonnet-4-6"]
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}, "n": {"type": "integer", "minimum": 1}}}
TOOL = {"type": "function", "function": {"name": "get.time", "parameters": SCHEMA}}
FORM = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
CALL = {
    "id": "c1",
    "type": "function",
    "function": {"name": "get.time", "arguments": "{}"},
    "extra_content": {"google": {"thought_signature": "QUJD"}},
}
TALK = [
    {"role": "user", "content": "q"},
    {"role": "assistant", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "done"},
]
#: what somebody may ask besides
FIELDS: list[dict[str, Any]] = [
    {"stop": ["END"]},
    {"stop": ["\n"]},
    {"presence_penalty": 1, "frequency_penalty": 1},
    {"response_format": FORM},
    {"reasoning_effort": "low"},
    {"tools": [TOOL], "tool_choice": "required"},
    {"messages": TALK, "tools": [TOOL]},
    {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "So"}]},
    {"temperature": 0.5, "top_p": 0.5},
    {"logprobs": True, "top_logprobs": 2},
]
#: what upstream may say of it, and the field that a model lacks by these words
REFUSALS = {
    "stop_sequences: each stop sequence must contain non-whitespace": "",
    "presence_penalty is out of range": "",
    "Unknown name \"minimum\" at 'request.generation_config.response_json_schema': Cannot find field.": "",
    "thinking_budget must be at least 128": "",
    "Corrupted thought_signature.": "",
    "the conversation must end with a user message": "",
    "nonsense": "",
    "stop_sequences is not supported by this model": "stopSequences",
    "presence_penalty is not supported by this model": "presencePenalty",
    "Unknown name \"logprobs\" at 'request.generation_config': Cannot find field.": "logprobs",
}
#: what the other key asks, again and again
PROBE = {
    "messages": [{"role": "user", "content": "mine"}, {"role": "assistant", "content": "y"}, *TALK],
    "stop": ["STOP"], "presence_penalty": 0.5, "frequency_penalty": 0.5, "response_format": FORM, "tools": [TOOL],
    "reasoning_effort": "high", "temperature": 1,
}  # fmt: skip


async def sent_for_the_other(run: Stack, model: str) -> dict[str, Any]:
    """What upstream receives of the other key's request."""
    assert (
        await run.request("POST", "/v1/chat/completions", {"model": model, **PROBE}, authorization="Bearer sk-other")
    ).status == 200
    return run.simulator.requests[-1].json["request"]  # type: ignore[no-any-return]


async def left_out(run: Stack) -> set[tuple[str, str]]:
    """Model and field of what the daemon says that it leaves out."""
    text = (await run.request("GET", "/metrics")).body.decode()
    return set(re.findall(r'antigravity_fields_left_out\{field="(\w+)",model="([\w.-]+)"\}', text))


def without(request: dict[str, Any], fields: set[str]) -> dict[str, Any]:
    config = request["generationConfig"]
    spelled = fields | ({"responseLogprobs"} if "logprobs" in fields else set())
    return {**request, "generationConfig": {k: v for k, v in config.items() if k not in spelled}}


@deferred()
async def test_no_sequence_of_one_keys_requests_changes_anothers_but_by_a_field_that_was_refused(
    tmp_path: Path,
) -> None:
    chance = random.Random(16)
    async with stack(tmp_path, PROXY_API_KEY="sk-test,sk-other") as run:
        before = {model: await sent_for_the_other(run, model) for model in MODELS}
        lacking: dict[str, set[str]] = {model: set() for model in MODELS}
        for _ in range(60):
            model, fields = chance.choice(MODELS), {}
            for each in chance.sample(FIELDS, chance.randint(1, 3)):
                fields |= each
            words = chance.choice([*REFUSALS, ""])
            if words:
                run.simulator.script(faults.refused(words))
            answer = await run.chat(model=model, **fields)
            if words and answer.status == 200 and REFUSALS[words]:
                lacking[model].add(REFUSALS[words])
            for other in MODELS:
                assert await sent_for_the_other(run, other) == without(before[other], lacking[other]), (words, fields)
        assert await left_out(run) == {(field, model) for model in MODELS for field in lacking[model]}
        assert any(lacking.values())


@deferred()
async def test_check_asks_the_running_daemon_what_it_leaves_out(tmp_path: Path) -> None:
    async with stack(tmp_path) as run:
        environment = run.simulator.environment | {
            "ANTIGRAVITY_DATA_DIR": str(run.volume.directory), "PROXY_PORT": str(run.port),
        }  # fmt: skip

        async def told() -> str:
            report = await check.check(reactor, {}, environment, offline=False, epoch=lambda: 0.0)
            (finding,) = (finding for finding in report.findings if finding.subject == "fields")
            assert finding.level == "ok"
            return finding.message

        assert "refuses a field now" in await told()
        run.simulator.script(faults.refused("stop_sequences is not supported by this model"))
        assert (await run.chat(stop="END")).status == 200
        assert (await told()).endswith(": gemini-3-flash: stopSequences")
        environment["PROXY_PORT"] = run.simulator.url.rpartition(":")[2]
        assert "not known" in await told()
        environment["PROXY_PORT"] = str(free_port())
        assert "no daemon can be asked" in await told()


@deferred(30)
async def test_a_large_request_is_prepared_in_the_thread_after_a_refusal_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare, threads = CodeAssist.prepare, list[int]()

    def noted(wire: CodeAssist, *arguments: Any) -> Any:
        threads.append(threading.get_ident())
        return prepare(wire, *arguments)

    monkeypatch.setattr(CodeAssist, "prepare", noted)
    async with stack(tmp_path) as running:
        running.simulator.script(faults.refused("stop_sequences is not supported by this model"))
        assert (await running.chat("x" * LARGE, stop=["END"])).status == 200
        assert len(running.simulator.requests) == 2
        assert "stopSequences" not in running.simulator.requests[-1].json["request"]["generationConfig"]
        assert len(threads) == 2
        assert threading.get_ident() not in threads
