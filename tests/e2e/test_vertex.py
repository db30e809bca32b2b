"""Vertex AI through the whole stack: both publishers, every row of its decision table (official-upstreams.md 6.3)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.deferreds import deferred
from support.stack import Answer, Stack, stack
from support.vertex import entry, vertex

from antigravity_proxy.simulator import claude
from antigravity_proxy.simulator.consent import CLIENT_ID, CLIENT_SECRET
from antigravity_proxy.simulator.faults import Fault

ERRORS = json.loads((Path(__file__).parents[1] / "data/official/errors.json").read_text())
FLASH, SONNET = "gemini-3.8-flash", "claude-sonnet-4-6"
EXPRESS = "AQ.Ab8RN6-express-express-express-express"


def fault(name: str) -> Fault:
    """The fault of that name among the examples."""
    return Fault(ERRORS[name]["http"], json.dumps(ERRORS[name]["body"]).encode())


async def ask(running: Stack, model: str = SONNET, **fields: Any) -> Answer:
    """A request of Anthropic's dialect."""
    body = {"model": model, "max_tokens": 3000, "messages": [{"role": "user", "content": "Hello"}]} | fields
    return await running.request("POST", "/v1/messages", body, **{"anthropic-version": "2023-06-01"})


def projects(running: Stack) -> list[str]:
    """The projects that were asked, in order."""
    return [each.path.partition("/projects/")[2].partition("/")[0] for each in running.simulator.requests]


def places(running: Stack) -> list[str]:
    """The locations that were asked, in order."""
    return [each.path.partition("/locations/")[2].partition("/")[0] for each in running.simulator.requests]


@deferred()
async def test_gemini_by_a_service_account(tmp_path: Path) -> None:
    async with vertex(tmp_path, "one") as running:
        answer = await running.chat(model=FLASH, reasoning_effort="low")
        assert answer.status == 200, answer.body
        assert answer.json["choices"][0]["message"]["content"].startswith("Hello from the simulated model")
        assert answer.headers["x-antigravity-upstream"] == "vertex"
        [received] = running.simulator.requests
        assert received.path == (
            f"/v1beta1/projects/one-project/locations/global/publishers/google/models/{FLASH}:streamGenerateContent"
        )
        assert received.token == "ya29.one-1"
        assert (await running.chat(model=FLASH)).status == 200
        assert running.simulator.service_accounts.granted == 1, "its token lives"


@deferred()
async def test_claude_for_an_anthropic_client_as_it_asked(tmp_path: Path) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"oneOf": [{"type": "string"}, {"type": "null"}]}},
        "$comment": "x",
    }
    async with vertex(tmp_path, "one") as running:
        answer = await ask(running, tools=[{"name": "a-b", "input_schema": schema}], temperature=0.5)
        assert answer.status == 200, answer.body
        assert answer.json["content"][0]["text"].startswith("Hello from the simulated model")
        assert answer.json["stop_reason"] == "end_turn"
        assert answer.json["usage"]["input_tokens"] > 0
        [received] = running.simulator.requests
        assert received.path == (
            f"/v1/projects/one-project/locations/global/publishers/anthropic/models/{SONNET}:streamRawPredict"
        )
        assert received.json["tools"] == [{"name": "a-b", "input_schema": schema}]
        assert (received.json["temperature"], received.json["stream"]) == (0.5, True)
        assert "model" not in received.json


@deferred()
async def test_a_conversation_with_thoughts_and_tools_goes_on(tmp_path: Path) -> None:
    thinking = {"type": "enabled", "budget_tokens": 2000}
    tools = [{"name": "f", "input_schema": {"type": "object", "properties": {"x": {"type": "string"}}}}]
    asked: list[Any] = [{"role": "user", "content": "call f"}]
    async with vertex(tmp_path, "one") as running:
        first = await ask(running, messages=asked, tools=tools, thinking=thinking)
        thought, call = first.json["content"]
        assert (thought["type"], call["type"], call["input"]) == ("thinking", "tool_use", {"x": "value"})
        assert first.json["stop_reason"] == "tool_use"
        result = {"type": "tool_result", "tool_use_id": call["id"], "content": "fine"}
        asked += [{"role": "assistant", "content": [thought, call]}, {"role": "user", "content": [result]}]
        second = await ask(running, messages=asked, tools=tools, thinking=thinking)
        assert second.status == 200, second.body
        assert second.json["content"][-1]["text"].startswith("The tools answered: f says")
        sent = running.simulator.requests[1].json
        assert sent["messages"][1]["content"][0]["signature"] == "c2ltdWxhdGVkIHNpZ25hdHVyZQ=="
        assert sent["thinking"] == thinking


@deferred()
async def test_claude_for_clients_of_other_dialects(tmp_path: Path) -> None:
    tool = {"type": "function", "function": {"name": "f.g", "parameters": {"type": "object", "properties": {}}}}
    async with vertex(tmp_path, "one") as running:
        answer = await running.chat(model=SONNET, tools=[tool], tool_choice="required", reasoning_effort="low")
        assert answer.status == 200, answer.body
        [call] = answer.json["choices"][0]["message"]["tool_calls"]
        assert call["function"]["name"] == "f.g"
        body = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
        streamed = await running.request("POST", f"/v1beta/models/{SONNET}:streamGenerateContent?alt=sse", body)
        events = [json.loads(line[6:]) for line in streamed.body.decode().split("\r\n") if line.startswith("data: ")]
        events = events or [
            json.loads(line[6:]) for line in streamed.body.decode().splitlines() if line[:6] == "data: "
        ]
        assert events[-1]["candidates"][0]["finishReason"] == "STOP"
        assert events[-1]["usageMetadata"]["totalTokenCount"] > 0
        newer = await ask(
            running, "claude-opus-4-8", temperature=0.3, thinking={"type": "enabled", "budget_tokens": 1024}
        )
        assert newer.status == 200, newer.body


@deferred()
async def test_counts_are_upstreams_own(tmp_path: Path) -> None:
    async with vertex(tmp_path, "one") as running:
        body = {"model": SONNET, "messages": [{"role": "user", "content": "x" * 400}]}
        counted = await running.request(
            "POST", "/v1/messages/count_tokens", body, **{"anthropic-version": "2023-06-01"}
        )
        assert counted.json == {"input_tokens": 101}
        gemini = {"contents": [{"role": "user", "parts": [{"text": "x" * 400}]}]}
        answer = await running.request("POST", f"/v1beta/models/{FLASH}:countTokens", gemini)
        assert answer.json["totalTokens"] == 101
        assert [each.rpc for each in running.simulator.requests] == ["rawPredict", "countTokens"]


#: row of the table → the model that is asked for, status with nobody else, Retry-After at least
ROWS: list[tuple[str, str, int, int | None]] = [
    ("O7-shared-capacity", FLASH, 503, 5),
    ("O5-spend-cap", FLASH, 429, 60),
    ("O8-base-model-quota", SONNET, 429, 60),
    ("O9-provisioned", FLASH, 429, 10),
    ("O16-service-disabled", FLASH, 503, None),
    ("O17-billing", FLASH, 503, None),
    ("O18-user-project", FLASH, 503, 600),
    ("O19-iam", FLASH, 503, None),
    ("O23-publisher-model", SONNET, 404, None),
    ("O25-no-publisher-model", FLASH, 404, None),
]


@pytest.mark.parametrize(("row", "model", "status", "least"), ROWS)
@deferred()
async def test_a_row_that_sets_a_credential_aside(
    tmp_path: Path, row: str, model: str, status: int, least: int | None
) -> None:
    async with vertex(tmp_path, "one", "two") as running:
        running.simulator.script(fault(row))
        assert (await ask(running, model)).status == 200, "the other project serves"
        first, second = projects(running)
        assert first != second
        running.simulator.requests.clear()
        running.simulator.script(fault(row))
        refused = await running.chat(model=model)
        assert refused.status == status, refused.body
        assert projects(running) == [second], "who is set aside is left alone"
        after = refused.headers["retry-after"]
        assert (after is None) if least is None else int(after) >= least
        for secret in ("ya29.", "projects/", "one-project", "my-proj", "gserviceaccount"):
            assert secret not in str(refused.body)


@pytest.mark.parametrize(
    ("row", "model"),
    [("O7-shared-capacity", FLASH), ("O8-base-model-quota", SONNET), ("O25-no-publisher-model", FLASH)],
)
@deferred()
async def test_the_next_location_comes_before_the_next_credential(tmp_path: Path, row: str, model: str) -> None:
    async with vertex(tmp_path, "one", locations='["global", "us", "eu"]') as running:
        running.simulator.script(fault(row), times=2)
        assert (await ask(running, model)).status == 200
        assert places(running) == ["global", "us", "eu"]
        assert (await ask(running, model)).status == 200
        assert places(running)[3:] == ["eu"], "those two rest"
        other = "gemini-3.6-flash" if model == FLASH else "claude-opus-4-6"
        assert (await ask(running, other)).status == 200
        assert places(running)[4:] == ["global"], "for that model only"


@deferred()
async def test_claude_may_have_places_of_its_own(tmp_path: Path) -> None:
    async with vertex(tmp_path, "one", claude_locations='["us-east5"]') as running:
        assert (await ask(running, SONNET)).status == 200
        assert (await ask(running, FLASH)).status == 200
        assert places(running) == ["us-east5", "global"]


@deferred()
async def test_o8_a_quota_that_never_serves_needs_its_owner(tmp_path: Path) -> None:
    async with vertex(tmp_path, "one") as running:
        pool = running.daemon.account_services.official.upstreams["vertex"].pool
        for status in (429, 429, 503):
            running.simulator.script(fault("O8-base-model-quota"))
            assert (await ask(running)).status == status
            for state in pool.states:
                state.cooldowns.clear()
                state.on_change(state)


@deferred()
async def test_o12_a_refused_token_is_renewed_once(tmp_path: Path) -> None:
    async with vertex(tmp_path, "one") as running:
        running.simulator.script(fault("O12-token-expired"))
        assert (await running.chat(model=FLASH)).status == 200
        assert [each.token for each in running.simulator.requests] == ["ya29.one-1", "ya29.one-2"]


@pytest.mark.parametrize(
    ("row", "model", "status", "attempts"),
    [
        ("O20-vpc", FLASH, 503, 1),
        ("O26-foreign-file", FLASH, 404, 1),
        ("O27-overflow", FLASH, 400, 1),
        ("O28-unknown-name", FLASH, 500, 1),
        ("O29-overloaded", FLASH, 503, 1),
        ("O32-claude-overloaded", SONNET, 529, 1),
    ],
)
@deferred()
async def test_a_row_that_ends_a_request(tmp_path: Path, row: str, model: str, status: int, attempts: int) -> None:
    async with vertex(tmp_path, "one") as running:
        running.simulator.script(fault(row), times=3)
        asked = await (ask(running, model) if model == SONNET else running.chat(model=model))
        assert asked.status == status, asked.body
        assert len(running.simulator.requests) == attempts


@pytest.mark.parametrize("row", ["O30-internal", "O31-deadline"])
@deferred()
async def test_the_servers_own_trouble_sets_nobody_aside(tmp_path: Path, row: str) -> None:
    async with vertex(tmp_path, "one", "two") as running:
        running.simulator.script(fault(row))
        assert (await running.chat(model=FLASH)).status == 200
        assert len(set(projects(running))) == 2


@deferred()
async def test_o33_a_key_that_is_gone_bars_its_credential(tmp_path: Path) -> None:
    async with vertex(tmp_path, "one", "two") as running:
        running.simulator.service_accounts.forget("one", "one-project")
        for _ in range(2):
            assert (await running.chat(model=FLASH)).status == 200
        assert set(projects(running)) == {"two-project"}
        pool = running.daemon.account_services.official.upstreams["vertex"].pool
        [barred] = [state for state in pool.states if state.barred]
        assert barred.credential.id == "one"


@deferred()
async def test_an_express_key_serves_gemini_and_never_claude(tmp_path: Path) -> None:
    more = entry("express", "vertex-key", key=f'"{EXPRESS}"')
    async with vertex(tmp_path, more=more) as running:
        assert (await running.chat(model=FLASH)).status == 200
        [received] = running.simulator.requests
        assert received.path == f"/v1beta1/publishers/google/models/{FLASH}:streamGenerateContent"
        assert (received.token, received.headers.hasHeader("authorization")) == (EXPRESS, False)
        assert (await ask(running, SONNET)).status in (404, 503)
        assert len(running.simulator.requests) == 1
        for row, status in (("O10-key-invalid", 503), ("O11-key-kind", 503)):
            running.simulator.script(fault(row))
            assert (await running.chat(model=FLASH)).status == status
            for state in running.daemon.account_services.official.upstreams["vertex"].pool.states:
                state.forgive()


@deferred()
async def test_the_metadata_server_of_the_machine(tmp_path: Path) -> None:
    async with vertex(tmp_path, more=entry("vm", "vertex-metadata")) as running:
        assert (await running.chat(model=FLASH)).status == 200
        assert projects(running) == ["machine-proj"]
        [received] = running.simulator.requests
        assert received.token.startswith("ya29.machine-")
        token, project = sorted(running.simulator.machine.asked, reverse=False)
        assert token.startswith("/computeMetadata/v1/instance/service-accounts/default/token?scopes=https%3A%2F%2F")
        assert project == "/computeMetadata/v1/project/project-id"


@deferred()
async def test_what_only_looks_like_a_metadata_server_gets_nothing(tmp_path: Path) -> None:
    async with vertex(tmp_path, more=entry("vm", "vertex-metadata")) as running:
        running.simulator.machine.flavor = ""
        assert (await running.chat(model=FLASH)).status == 503
        assert not running.simulator.requests


@pytest.mark.parametrize("stream", [True, False])
@deferred()
async def test_claudes_answer_that_breaks_off_is_told(tmp_path: Path, stream: bool) -> None:
    async with vertex(tmp_path, "one") as running:
        running.simulator.script(Fault(unfinished=True), times=1 if stream else 3)
        answer = await ask(running, stream=stream)
        assert b"message_stop" not in answer.body
        assert (b"event: error" in answer.body) if stream else answer.status == 502
        running.simulator.script(Fault(error=b"x", after=4), times=1 if stream else 3)
        answer = await ask(running, stream=stream)
        assert b"message_stop" not in answer.body
        assert b"overloaded" in answer.body.lower()


@deferred()
async def test_claudes_events_come_back_to_an_anthropic_client_as_they_are(tmp_path: Path) -> None:
    usage = {"input_tokens": 9, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 2, "output_tokens": 1}
    message = {"id": "msg_vrtx_1", "type": "message", "role": "assistant", "content": [], "model": SONNET}
    citation = {"type": "web_search_result_location", "url": "https://a", "title": "A", "encrypted_index": "RQ=="}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": message | {"stop_reason": None, "stop_sequence": None, "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "", "citations": []}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": citation}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "stop_sequence", "stop_sequence": "END"},
            "usage": {"output_tokens": 3},
        },
        {"type": "message_stop"},
    ]
    async with vertex(tmp_path, "one") as running:
        running.simulator.script(Fault(events=tuple(map(claude.sse, events))), times=2)
        streamed = await ask(running, stream=True)
        told = [json.loads(line[6:]) for line in streamed.body.decode().splitlines() if line.startswith("data: ")]
        assert told == events
        whole = (await ask(running)).json
        assert whole["content"] == [{"type": "text", "text": "Hi", "citations": [citation]}]
        assert (whole["stop_sequence"], whole["usage"]) == ("END", usage | {"output_tokens": 3})


@pytest.mark.parametrize(
    ("model", "calls"), [("gemini-embedding-2", [":batchEmbedContents"]), ("gemini-embedding-001", [":predict"] * 2)]
)
@deferred()
async def test_vectors(tmp_path: Path, model: str, calls: list[str]) -> None:
    async with vertex(tmp_path, "one") as running:
        body = {"model": model, "input": ["first", "second"], "dimensions": 4}
        made = (await running.request("POST", "/v1/embeddings", body)).json
        assert [len(each["embedding"]) for each in made["data"]] == [4, 4]
        assert made["usage"]["prompt_tokens"] > 0
        assert [each.path.rpartition("/")[2] for each in running.simulator.requests] == [model + call for call in calls]
        one = {"content": {"parts": [{"text": "first"}]}, "outputDimensionality": 4}
        answer = await running.request("POST", f"/v1beta/models/{model}:embedContent", one)
        assert answer.json == {"embedding": {"values": made["data"][0]["embedding"]}}
        many = {"requests": [{"model": f"models/{model}", **one}] * 2}
        answer = await running.request("POST", f"/v1beta/models/{model}:batchEmbedContents", many)
        assert len(answer.json["embeddings"]) == 2
        refused = await running.request("POST", "/v1/embeddings", {"model": FLASH, "input": "x"})
        assert (refused.status, refused.headers["x-antigravity-upstream"]) == (404, None)


@deferred()
async def test_vectors_go_on_at_vertex_where_the_key_has_no_quota(tmp_path: Path) -> None:
    key = entry("key", "gemini-key", key=f'"AIzaSy{"1" * 33}"')
    async with vertex(tmp_path, "one", more=key, order="gemini,vertex") as running:
        body = {"model": "gemini-embedding-001", "input": ["a", "b", "c"]}
        by_key = (await running.request("POST", "/v1/embeddings", body)).json["data"]
        running.simulator.requests.clear()
        running.simulator.script(fault("O6-bare"))
        by_both = (await running.request("POST", "/v1/embeddings", body)).json["data"]
        assert by_both == by_key
        methods = [each.path.rpartition(":")[2] for each in running.simulator.requests]
        assert methods == ["batchEmbedContents", *["predict"] * 3]


@deferred()
async def test_an_express_key_makes_no_vectors(tmp_path: Path) -> None:
    key = entry("express", "vertex-key", key=f'"{EXPRESS}"')
    async with vertex(tmp_path, more=key) as running:
        answer = await running.request("POST", "/v1/embeddings", {"model": "gemini-embedding-2", "input": "x"})
        assert answer.status == 503, answer.body
        assert not running.simulator.requests


@deferred()
async def test_speech(tmp_path: Path) -> None:
    async with vertex(tmp_path, "one") as running:
        asked = {"model": "gemini-3.8-flash-tts", "voice": "alloy", "input": "Hi", "response_format": "pcm"}
        answer = await running.request("POST", "/v1/audio/speech", asked)
        assert (answer.status, len(answer.body)) == (200, 24_000)


@deferred()
async def test_what_claude_refuses_to_read_is_left_out_once(tmp_path: Path) -> None:
    async with vertex(tmp_path, "one") as running:
        body = {"model": SONNET, "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]}
        headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "unknown-thing,good-2026-01-01"}
        for _ in range(2):
            answer = await running.request("POST", "/v1/messages", body, **headers)
            assert answer.status == 200, answer.body
        betas = [each.headers.getRawHeaders("anthropic-beta") for each in running.simulator.requests]
        assert betas == [["unknown-thing,good-2026-01-01"], ["good-2026-01-01"], ["good-2026-01-01"]]
        signed = [{"type": "thinking", "thinking": "hm", "signature": "bm90IG91cnM="}, {"type": "text", "text": "So"}]
        messages = [*body["messages"], {"role": "assistant", "content": signed}, *body["messages"]]  # type: ignore[misc]
        assert (await ask(running, messages=messages)).status == 200
        assert len(running.simulator.requests) == 5


@deferred()
async def test_the_newer_version_for_who_asks_for_it(tmp_path: Path) -> None:
    async with vertex(tmp_path, "one") as running:
        body = {"model": SONNET, "max_tokens": 100, "messages": [{"role": "user", "content": "Hi"}]}
        await running.request("POST", "/v1/messages", body, **{"anthropic-version": "2026-10-21"})
        assert running.simulator.requests[0].json["anthropic_version"] == "2026-10-21"


@deferred()
async def test_a_wrong_clock_is_told_and_bars_nobody(tmp_path: Path) -> None:
    async with vertex(tmp_path, "one") as running:
        words = json.dumps(ERRORS["O33-assertion"]["body"]).encode()
        running.simulator.token_fault = Fault(400, words, (("Date", "Mon, 01 Jan 2024 00:00:00 GMT"),))
        assert (await running.chat(model=FLASH)).status == 503
        health = (await running.request("GET", "/health")).json
        assert any("clock is" in warning and "fast" in warning for warning in health["warnings"])
        pool = running.daemon.account_services.official.upstreams["vertex"].pool
        assert not any(state.barred for state in pool.states)


@deferred()
async def test_no_secret_leaves(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    more = entry("express", "vertex-key", key=f'"{EXPRESS}"', priority="-1")
    async with vertex(tmp_path, "one", more=more, level="debug") as running:
        key = json.loads((tmp_path / "one.json").read_text())["private_key"].splitlines()[3]
        for row in ("O12-token-expired", "O16-service-disabled", "O19-iam", "O10-key-invalid", "O8-base-model-quota"):
            running.simulator.script(fault(row))
            await running.chat(model=FLASH)
        seen = [(await running.request("GET", path)).body.decode() for path in ("/health", "/metrics", "/capacity")]
        told = "".join(capfd.readouterr()) + "".join(seen)
        assert "one" in told
        for secret in (key, EXPRESS, "ya29.one", "eyJ", "gserviceaccount"):
            assert secret not in told


@deferred()
async def test_o18_a_users_credentials_go_without_a_project_that_may_not_be_billed(tmp_path: Path) -> None:
    adc = tmp_path / "adc.json"
    user = {"type": "authorized_user", "refresh_token": "1//adc", "quota_project_id": "billed-proj"}
    adc.write_text(json.dumps(user | {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}))
    settings = {
        "PROXY_VERTEX_ADC": "true",
        "GOOGLE_APPLICATION_CREDENTIALS": str(adc),
        "GOOGLE_CLOUD_PROJECT": "adc-proj",
        "GOOGLE_CLOUD_LOCATION": "eu",
        "PROXY_UPSTREAM_ORDER": "vertex",
    }
    async with stack(tmp_path, accounts=0, **settings) as running:
        running.simulator.script(fault("O18-user-project"))
        assert (await running.chat(model=FLASH)).status == 200
        billed = [each.headers.getRawHeaders("x-goog-user-project") for each in running.simulator.requests]
        assert billed == [["billed-proj"], None]
        assert (projects(running)[0], places(running)[0]) == ("adc-proj", "eu")
        assert {each.token for each in running.simulator.requests} == {"ya29.renewed-1"}
        assert running.simulator.refreshes[0]["refresh_token"] == "1//adc"
        running.simulator.script(fault("O18-user-project"))
        assert (await running.chat(model=FLASH)).status == 503
