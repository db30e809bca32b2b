"""The Gemini API by keys, through the whole stack: every row of its decision table (official-upstreams.md 6.3)."""

from __future__ import annotations

import base64
import io
import json
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import openai
import pytest
from google import genai
from support.deferreds import deferred, in_thread
from support.sdks import DIALECTS, Told
from support.stack import KEY, Stack, stack
from twisted.logger import globalLogPublisher

from antigravity_proxy.simulator import faults
from antigravity_proxy.simulator.faults import Fault
from antigravity_proxy.simulator.server import Simulator

ERRORS = json.loads((Path(__file__).parents[1] / "data/official/errors.json").read_text())
ONE, TWO = "AIzaSyOne-" + "1" * 29, "AIzaSyTwo-" + "2" * 29
MODEL = "gemini-3.8-flash"


def fault(name: str) -> Fault:
    """The fault of that name among the examples."""
    return Fault(ERRORS[name]["http"], json.dumps(ERRORS[name]["body"]).encode())


@asynccontextmanager
async def keyed(directory: Path, file: str = "", **settings: str) -> AsyncIterator[Stack]:
    """A stack that serves by two keys alone, or as its credentials file says."""
    settings = {"PROXY_UPSTREAM_ORDER": "gemini,accounts"} | settings
    if file:
        path = directory / "credentials.toml"
        path.write_text(file)
        settings |= {"PROXY_CREDENTIALS_FILE": str(path)}
    else:
        settings = {"GEMINI_API_KEYS": f"one={ONE},two={TWO}"} | settings
    async with stack(directory, accounts=0, **settings) as running:
        yield running


def entry(name: str, key: str, **lines: str) -> str:
    """An entry of a credentials file."""
    fields = {"name": f'"{name}"', "kind": '"gemini-key"', "key": f'"{key}"'} | lines
    return "[[credential]]\n" + "".join(f"{field} = {text}\n" for field, text in fields.items())


def keys_of(simulator: Simulator) -> list[str]:
    """The keys that requests came with, in order."""
    return [{ONE: "one", TWO: "two"}.get(each.token, each.token) for each in simulator.requests]


async def listed(running: Stack) -> list[str]:
    """What the model list shows."""
    return [each["id"] for each in (await running.request("GET", "/v1/models")).json["data"]]


@deferred()
async def test_a_request_goes_to_the_gemini_api_with_the_key_in_a_header_alone(tmp_path: Path) -> None:
    async with keyed(tmp_path) as running:
        answer = await running.chat(model=MODEL, reasoning_effort="low")
        assert answer.status == 200, answer.body
        assert answer.json["choices"][0]["message"]["content"].startswith("Hello from the simulated model")
        assert answer.headers["x-antigravity-model"] == MODEL
        assert answer.headers["x-antigravity-upstream"] == "gemini"
        [received] = running.simulator.requests
        assert received.path == f"/v1beta/models/{MODEL}:streamGenerateContent"
        assert received.token in (ONE, TWO)
        assert not received.headers.hasHeader("authorization")
        assert received.json["generationConfig"]["thinkingConfig"] == {"includeThoughts": True, "thinkingLevel": "LOW"}
        assert "sessionId" not in received.json
        assert ONE not in str(answer.body) + str(answer.headers)


#: row of the table → causes of the attempts with the first key, status with nobody else, Retry-After at least
ROWS: list[tuple[str, int, int | None]] = [
    ("O1-limit-zero", 404, None),
    ("O2-per-day", 429, 900),
    ("O3-per-minute", 429, 41),
    ("O4-prepay", 503, None),
    ("O5-spend-cap", 429, 60),
    ("O6-bare", 429, 5),
    ("O10-key-invalid", 503, 60),
    ("O11-key-kind", 503, None),
    ("O13-service-blocked", 503, None),
    ("O13-referrer", 503, None),
    ("O14-ip", 503, 600),
    ("O15-suspended", 503, None),
    ("O15-leaked", 503, None),
    ("O16-service-disabled", 503, None),
    ("O17-billing", 503, None),
    ("O18-user-project", 503, 600),
    ("O20-vpc", 503, None),
    ("O21-forbidden", 503, 600),
]


@pytest.mark.parametrize(("row", "status", "least"), ROWS)
@deferred()
async def test_a_row_that_sets_a_key_aside(tmp_path: Path, row: str, status: int, least: int | None) -> None:
    async with keyed(tmp_path) as running:
        running.simulator.script(fault(row))
        assert (await running.chat(model=MODEL)).status == 200, "the other key serves"
        first, second = keys_of(running.simulator)
        assert first != second
        running.simulator.requests.clear()
        running.simulator.script(fault(row))
        refused = await running.chat(model=MODEL)
        assert refused.status == status, refused.body
        assert keys_of(running.simulator) == [second], "who is set aside is left alone"
        after = refused.headers["retry-after"]
        assert (after is None) if least is None else int(after) >= least
        running.simulator.requests.clear()
        assert (await running.chat(model=MODEL)).status == status, "and so it stays"
        assert not running.simulator.requests
        assert (MODEL in await listed(running)) is (status != 404), "what no key has access to is not listed"
        for secret in (ONE, TWO, "AIzaEXAMPLE", "projects/"):
            assert secret not in str(refused.body)


@pytest.mark.parametrize(
    ("row", "status", "attempts"),
    [
        ("O24-no-model", 404, 1),
        ("O26-foreign-file", 404, 1),
        ("O27-overflow", 400, 1),
        ("O28-two-credentials", 500, 1),
        ("O28-unknown-name", 500, 1),
        ("O29-overloaded", 503, 2),
    ],
)
@deferred()
async def test_a_row_that_is_no_keys_fault(tmp_path: Path, row: str, status: int, attempts: int) -> None:
    async with keyed(tmp_path) as running:
        running.simulator.script(fault(row), times=3)
        refused = await running.chat(model=MODEL)
        assert refused.status == status, refused.body
        assert len(running.simulator.requests) == attempts


@deferred()
async def test_o24_a_model_that_is_gone_is_not_asked_for_again(tmp_path: Path) -> None:
    async with keyed(tmp_path) as running:
        running.simulator.script(fault("O24-no-model"))
        assert MODEL in await listed(running)
        assert (await running.chat(model=MODEL)).status == 404
        assert (await running.chat(model=MODEL)).status == 404
        assert len(running.simulator.requests) == 1
        assert MODEL not in await listed(running)
        assert (await running.request("GET", f"/v1/models/{MODEL}")).status == 404
        assert (await running.chat(model="gemini-3.6-flash")).status == 200


@deferred()
async def test_o27_a_refused_signature_is_repaired_on_the_same_key(tmp_path: Path) -> None:
    async with keyed(tmp_path) as running:
        running.simulator.script(fault("O27-signature"))
        assert (await running.chat(model=MODEL)).status == 200
        first, second = keys_of(running.simulator)
        assert first == second


@pytest.mark.parametrize("row", ["O30-internal", "O31-deadline"])
@deferred()
async def test_the_servers_own_trouble_sets_nobody_aside(tmp_path: Path, row: str) -> None:
    async with keyed(tmp_path) as running:
        running.simulator.script(fault(row))
        assert (await running.chat(model=MODEL)).status == 200
        assert len(set(keys_of(running.simulator))) == 2


@deferred()
async def test_o22_a_refused_location_is_tried_by_nobody_with_the_same_way_out(tmp_path: Path) -> None:
    async with keyed(tmp_path) as running:
        running.simulator.script(fault("O22-location"), times=2)
        assert (await running.chat(model=MODEL)).status == 400
        assert len(running.simulator.requests) == 1


@deferred()
async def test_two_keys_of_one_group_are_never_both_tried(tmp_path: Path) -> None:
    file = entry("one", ONE, quota_group='"a"') + entry("two", TWO, quota_group='"a"')
    async with keyed(tmp_path, file) as running:
        running.simulator.script(fault("O6-bare"))
        assert (await running.chat(model=MODEL)).status == 429
        assert len(running.simulator.requests) == 1
        assert (await running.chat(model="gemini-3.6-flash")).status == 200, "the cooldown is the model's"


@deferred()
async def test_groups_are_learnt_from_errors(tmp_path: Path) -> None:
    async with keyed(tmp_path) as running:
        running.simulator.script(fault("O14-ip"), times=2)
        assert (await running.chat(model=MODEL)).status == 503
        pool = running.daemon.account_services.official.upstreams["gemini"].pool
        assert len({state.group for state in pool.states}) == 1
        assert all(state.group == "projects/100200300400" for state in pool.states)


@deferred()
async def test_a_limit_of_requests_a_day_outlasts_a_restart(tmp_path: Path) -> None:
    file, kept = entry("one", ONE, max_per_day="3"), str(tmp_path / "state")
    async with keyed(tmp_path, file, PROXY_STATE_DIR=kept) as running:
        assert [(await running.chat(model=MODEL)).status for _ in range(2)] == [200, 200]
    async with keyed(tmp_path, file, PROXY_STATE_DIR=kept) as running:
        assert [(await running.chat(model=MODEL)).status for _ in range(2)] == [200, 429]
    async with keyed(tmp_path, file) as running:
        assert [(await running.chat(model=MODEL)).status for _ in range(4)] == [200, 200, 200, 429]


@deferred()
async def test_what_a_credential_may_be_used_for(tmp_path: Path) -> None:
    file = entry("one", ONE, models='["gemini-3.8-*"]') + entry("two", TWO, exclude='["gemini-3.8-*"]', priority="9")
    async with keyed(tmp_path, file) as running:
        assert (await running.chat(model=MODEL)).status == 200
        assert (await running.chat(model="gemini-3.6-flash")).status == 200
        assert keys_of(running.simulator) == ["one", "two"]
    async with keyed(tmp_path, entry("one", ONE, models='["gemini-3.8-*"]')) as running:
        assert set(await listed(running)) == {MODEL, "gemini-3.8-flash-tts", "gemini-3.8-flash-lite-tts"}


@deferred()
async def test_the_file_is_followed(tmp_path: Path) -> None:
    async with keyed(tmp_path, entry("one", ONE)) as running:
        path = tmp_path / "credentials.toml"
        for text in ("[[broken", entry("two", TWO)):
            path.write_text(text)
            await running.daemon.credentials.look()
        assert (await running.chat(model=MODEL)).status == 200
        assert keys_of(running.simulator) == ["two"]


@deferred()
async def test_models_are_listed_as_the_keys_are_offered_them(tmp_path: Path) -> None:
    async with keyed(tmp_path) as running:
        await running.daemon.account_services.official.look()
        listed = {each["id"] for each in (await running.request("GET", "/v1/models")).json["data"]}
        assert {MODEL, "gemini-embedding-2", "gemini-3.8-flash-tts"} <= listed
        assert "gemini-pro-agent" not in listed, "nobody could serve it"


@deferred()
async def test_counts_are_upstreams_own(tmp_path: Path) -> None:
    async with keyed(tmp_path) as running:
        body = {"contents": [{"role": "user", "parts": [{"text": "x" * 400}]}]}
        answer = await running.request("POST", f"/v1beta/models/{MODEL}:countTokens", body)
        assert answer.json["totalTokens"] == 101
        [received] = running.simulator.requests
        assert received.json["generateContentRequest"]["model"] == f"models/{MODEL}"


async def legs(running: Stack, **fields: Any) -> tuple[int, str | None]:
    """Status and upstream of a request."""
    answer = await running.chat(**fields)
    return answer.status, answer.headers["x-antigravity-upstream"]


@deferred()
async def test_accounts_come_first_and_the_key_is_the_reserve_for_the_same_model(tmp_path: Path) -> None:
    settings = {"GEMINI_API_KEYS": ONE}
    async with stack(tmp_path, accounts=1, **settings) as running:
        assert await legs(running) == (200, "accounts")
        running.simulator.script(faults.rate_limited(600))
        assert await legs(running, user="me") == (200, "gemini")
        assert running.simulator.requests[-1].model == "gemini-3-flash-preview"
        assert await legs(running, user="me") == (200, "gemini")
        assert await legs(running, model="accounts/gemini-3-flash") == (429, None)
        assert await legs(running, model="gemini/gemini-3-flash") == (200, "gemini")
        assert await legs(running, model=MODEL) == (200, "gemini"), "a model that only the key has"
        assert await legs(running, model="claude-opus-4-6") == (200, "accounts")
        missing = await running.chat(model="vertex/gemini-3-flash")
        assert (missing.status, missing.json["error"]["code"]) == (404, "model_not_found")


@deferred()
async def test_nobody_left_on_any_leg_says_the_shortest_true_wait(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=1, GEMINI_API_KEYS=ONE) as running:
        running.simulator.script(faults.rate_limited(600), model="gemini-3-flash")
        running.simulator.script(fault("O3-per-minute"), model="gemini-3-flash-preview")
        refused = await running.chat()
        assert refused.status == 429
        assert 40 <= int(refused.headers["retry-after"]) <= 42


@deferred()
async def test_nothing_is_tried_on_another_leg_after_the_first_byte(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=1, GEMINI_API_KEYS=ONE) as running:
        running.simulator.script(Fault(reset=True, after=2))
        answer = await running.chat(stream=True)
        assert answer.status == 200
        assert b"error" in answer.body
        assert len(running.simulator.requests) == 1


@deferred()
async def test_a_conversation_stays_where_it_was_served(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=1, GEMINI_API_KEYS=ONE) as running:
        running.simulator.script(faults.rate_limited(600))
        assert await legs(running, user="me") == (200, "gemini")
        pool = running.daemon.pool
        for state in pool.states:
            pool.forgive(state.credential.id)
        assert await legs(running, user="me") == (200, "gemini")
        assert await legs(running, text="Another", user="you") == (200, "accounts")
        assert await legs(running, model="gemini-3.6-flash", user="me") == (200, "accounts"), "another model"


@deferred()
async def test_where_the_volume_is_gone_the_keys_serve(tmp_path: Path, no_leaks: list[Any]) -> None:
    gone = str(tmp_path / "gone")
    async with stack(tmp_path, GEMINI_API_KEYS=ONE, ANTIGRAVITY_DATA_DIR=gone, PROXY_API_KEY="sk-test") as running:
        assert await legs(running, model=MODEL) == (200, "gemini")
        assert await legs(running, model="what-nobody-knows") == (200, "gemini")
        assert running.simulator.requests[-1].model == MODEL
        health = (await running.request("GET", "/health")).json
        assert (health["status"], health["usable"]) == ("degraded", 1)
        assert health["credentials"] == {"gemini": 1, "vertex": 0}
        assert (await running.request("GET", "/health/ready")).status == 200
    no_leaks.clear()  # the log says that the volume can't be read


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
@deferred()
async def test_the_vendors_packages_by_a_key(tmp_path: Path, dialect: str, stream: bool) -> None:
    async with keyed(tmp_path) as running:

        def ask() -> Told:
            with DIALECTS[dialect](running.url) as asking:
                return asking(stream)

        told: Told = await in_thread(ask)
        assert told.text.startswith("Hello from the simulated model")
        assert told.end
        assert [each.model for each in running.simulator.requests] == ["gemini-3-flash-preview"]


@deferred()
async def test_a_tool_is_called_and_its_result_goes_back(tmp_path: Path) -> None:
    tools = [{"type": "function", "function": {"name": "read", "parameters": {"type": "object", "properties": {}}}}]
    async with keyed(tmp_path) as running:
        said = "call read with {}"
        first = (await running.chat(said, model=MODEL, tools=tools)).json["choices"][0]["message"]
        [called] = first["tool_calls"]
        result = {"role": "tool", "tool_call_id": called["id"], "content": "the file"}
        turns = [{"role": "user", "content": said}, first, result]
        second = await running.chat(model=MODEL, tools=tools, messages=turns)
        assert "the file" in second.json["choices"][0]["message"]["content"]
        history = running.simulator.requests[-1].json["contents"]
        assert history[1]["parts"][-1]["thoughtSignature"], "remembered for the client that dropped it"


@deferred()
async def test_no_key_comes_out_anywhere(tmp_path: Path) -> None:
    log = tmp_path / "log"
    secret, auth = "AIzaCanary-" + "c" * 28, "AQ.Canary-" + "c" * 28
    settings = {"LOG_LEVEL": "debug", "LOG_FILE": str(log), "GEMINI_API_KEYS": f"one={secret},two={auth}"}
    said: list[bytes] = []
    async with keyed(tmp_path, **settings) as running:
        observer = running.daemon.observability.log_observer()
        globalLogPublisher.addObserver(observer)
        try:
            await running.daemon.account_services.official.look()
            pool = running.daemon.account_services.official.upstreams["gemini"].pool
            for name, example in ERRORS.items():
                words = json.dumps(example["body"]).replace("AIzaEXAMPLEexampleEXAMPLEexample0000000", secret)
                body = words.replace("constructed", f"{secret} {auth} Bearer {auth}").encode()
                running.simulator.script(Fault(max(example["http"], 400), body), times=2)
                for path, asked in (
                    ("/v1/chat/completions", {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}),
                    ("/v1/messages", {"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}),
                    (f"/v1beta/models/{MODEL}:generateContent", {"contents": [{"parts": [{"text": name}]}]}),
                ):
                    answer = await running.request("POST", path, asked)
                    said.append(str(answer.headers).encode() + answer.body)
                for state in pool.states:
                    state.forgive()
                pool.resting_models.served(MODEL)
            pages = ("/health", "/metrics", "/capacity", "/v1/models", "/v1beta/models", "/health/ready")
            said += [(await running.request("GET", page)).body for page in pages]
        finally:
            globalLogPublisher.removeObserver(observer)
        for received in running.simulator.requests:
            assert secret not in received.path
            assert auth not in received.path
        assert secret not in repr(running.daemon.account_services.official.found)
        said.append(log.read_bytes())
        assert b"set aside" in said[-1]
        for piece in said:
            assert secret.encode() not in piece
            assert auth.encode() not in piece


@deferred()
async def test_embeddings_by_openais_package_and_geminis(tmp_path: Path) -> None:
    async with keyed(tmp_path) as running:

        def ask() -> list[list[float]]:
            with openai.OpenAI(base_url=f"{running.url}/v1", api_key=KEY, max_retries=0) as client:
                made = client.embeddings.create(model="gemini-embedding-2", input=["first", "second"], dimensions=4)
                assert made.usage.prompt_tokens > 0
                return [each.embedding for each in made.data]

        def ask_gemini() -> list[list[float]]:
            client = genai.Client(api_key=KEY, http_options={"base_url": running.url})
            made = client.models.embed_content(
                model="gemini-embedding-2", contents="first", config={"output_dimensionality": 4}
            )
            return [each.values for each in made.embeddings]

        first, second = await in_thread(ask)
        assert len(first) == len(second) == 4
        assert first != second
        assert await in_thread(ask_gemini) == [first]
        body = {"content": {"parts": [{"text": "first"}]}, "outputDimensionality": 4}
        one = await running.request("POST", "/v1beta/models/gemini-embedding-2:embedContent", body)
        assert one.json == {"embedding": {"values": first}}
        many = await running.request(
            "POST", "/v1/embeddings", {"model": "gemini-embedding-2", "input": [f"text {n}" for n in range(230)]}
        )
        assert [each["index"] for each in many.json["data"]] == list(range(230))
        assert [len(each.json["requests"]) for each in running.simulator.requests[-3:]] == [100, 100, 30]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": [[1, 2]]}, "input"),
        ({"input": []}, "input"),
        ({"input": ""}, "input"),
        ({"input": "x", "dimensions": 0}, "dimensions"),
    ],
)
@deferred()
async def test_what_can_not_become_a_vector(tmp_path: Path, body: dict[str, Any], param: str) -> None:
    async with keyed(tmp_path) as running:
        answer = await running.request("POST", "/v1/embeddings", {"model": "gemini-embedding-2"} | body)
        assert (answer.status, answer.json["error"]["param"]) == (400, param)


@deferred()
async def test_speech_by_openais_package(tmp_path: Path) -> None:
    async with keyed(tmp_path) as running:

        def ask(form: str) -> bytes:
            with openai.OpenAI(base_url=f"{running.url}/v1", api_key=KEY, max_retries=0) as client:
                return client.audio.speech.create(
                    model="gemini-3.8-flash-tts",
                    voice="alloy",
                    input="Good morning.",
                    response_format=form,  # type: ignore[arg-type]
                    instructions="cheerful",
                ).read()

        wav, pcm = await in_thread(lambda: ask("wav")), await in_thread(lambda: ask("pcm"))
        with wave.open(io.BytesIO(wav)) as sound:
            assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, 24_000)
            assert sound.readframes(sound.getnframes()) == pcm
        sent = running.simulator.requests[0].json
        assert sent["contents"][0]["parts"] == [{"text": "Good morning.", "speechMetadata": {"style": "cheerful"}}]
        assert sent["generationConfig"]["speechConfig"] == {"voiceConfig": {"voice": "Kore"}}
        for fields, param in (
            ({}, "response_format"),
            ({"response_format": "wav", "speed": 2}, "speed"),
            ({"response_format": "wav", "input": ""}, "input"),
            ({"response_format": "wav", "voice": {"id": "x"}}, "voice"),
            ({"response_format": "wav", "stream_format": "x"}, "stream_format"),
        ):
            asked = {"model": "gemini-3.8-flash-tts", "voice": "alloy", "input": "x"} | fields
            refused = await running.request("POST", "/v1/audio/speech", asked)
            assert (refused.status, refused.json["error"]["param"]) == (400, param)


@pytest.mark.parametrize("model", ["gemini-3.8-flash-tts", "gemini-3.1-flash-tts-preview"])
@deferred()
async def test_streamed_speech_by_openais_package(tmp_path: Path, model: str) -> None:
    """Of a model that doesn't stream it comes in one piece."""
    async with keyed(tmp_path) as running:

        def ask(form: Literal["audio", "sse"]) -> bytes:
            with openai.OpenAI(base_url=f"{running.url}/v1", api_key=KEY, max_retries=0) as client:
                return client.audio.speech.create(
                    model=model, voice="alloy", input="Hi", response_format="wav", stream_format=form
                ).read()

        wav, events = await in_thread(lambda: ask("audio")), await in_thread(lambda: ask("sse"))
        assert (wav[:8], len(wav)) == (b"RIFF\xff\xff\xff\xff", 24_044)
        told = [json.loads(line[6:]) for line in events.decode().splitlines() if line]
        assert b"".join(base64.b64decode(each["audio"]) for each in told[:-1]) == wav
        assert told[-1]["type"] == "speech.audio.done"
        asked = running.simulator.requests[-1].path.rpartition(":")[2]
        assert asked == ("streamGenerateContent" if model == "gemini-3.8-flash-tts" else "generateContent")


@deferred()
async def test_sound_that_breaks_off_does_not_end_well(tmp_path: Path) -> None:
    async with keyed(tmp_path) as running:
        asked = {"model": "gemini-3.8-flash-tts", "voice": "alloy", "input": "x", "response_format": "pcm"}
        running.simulator.script(Fault(reset=True, after=1), times=2)
        with pytest.raises(ConnectionError):
            await running.request("POST", "/v1/audio/speech", asked | {"stream_format": "audio"})
        answer = await running.request("POST", "/v1/audio/speech", asked | {"stream_format": "sse"})
        assert answer.body.splitlines()[-2].startswith(b'data: {"error"')


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/embeddings", {"input": "x"}),
        ("/v1/audio/speech", {"input": "x", "voice": "alloy", "response_format": "wav"}),
    ],
)
@deferred()
async def test_what_no_account_can_do_says_which_setting_is_missing(
    tmp_path: Path, path: str, body: dict[str, Any]
) -> None:
    async with stack(tmp_path) as running:
        answer = await running.request("POST", path, {"model": "gemini-embedding-2"} | body)
        assert (answer.status, answer.json["error"]["code"]) == (404, "model_not_found")
        assert "GEMINI_API_KEYS" in answer.json["error"]["message"]


@deferred()
async def test_functions_go_together_with_a_web_search_where_the_model_takes_both(tmp_path: Path) -> None:
    tools = [{"type": "function", "function": {"name": "read", "parameters": {"type": "object", "properties": {}}}}]
    async with stack(tmp_path, GEMINI_API_KEYS=ONE) as running:
        asked = {"tools": tools, "web_search_options": {}}
        assert (await running.chat(model=MODEL, **asked)).status == 200
        sent = running.simulator.requests[-1].json
        assert [next(iter(tool)) for tool in sent["tools"]] == ["functionDeclarations", "googleSearch"]
        assert sent["toolConfig"]["includeServerSideToolInvocations"] is True
        assert (await running.chat(**asked)).status == 200, "with an account functions win"
        assert len(running.simulator.requests[-1].json["request"]["tools"]) == 1


@deferred()
async def test_an_answer_that_wants_to_be_continued_was_cut_at_a_length(tmp_path: Path) -> None:
    async with keyed(tmp_path) as running:
        running.simulator.script(Fault(finish="CONTINUATION"))
        answer = await running.chat(model=MODEL)
        assert answer.json["choices"][0]["finish_reason"] == "length"


@deferred()
async def test_fields_that_only_official_upstreams_read(tmp_path: Path) -> None:
    """A request that rests on a cache goes to the key, though an account is asked first; others leave them out."""
    path = "/v1beta/models/gemini-3-flash:generateContent"
    asked: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}], "serviceTier": "flex"}
    async with stack(tmp_path, GEMINI_API_KEYS=ONE) as running:
        cached = await running.request("POST", path, asked | {"cachedContent": "cachedContents/x"})
        assert (cached.status, cached.headers["x-antigravity-upstream"]) == (200, "gemini")
        sent = running.simulator.requests[-1].json
        assert (sent["serviceTier"], sent["cachedContent"]) == ("flex", "cachedContents/x")
        plain = await running.request("POST", path, asked)
        assert (plain.status, plain.headers["x-antigravity-upstream"]) == (200, "accounts")
        assert "serviceTier" not in running.simulator.requests[-1].json["request"]
        by_openai = await running.chat(model=MODEL, service_tier="priority")
        assert by_openai.status == 200
        assert running.simulator.requests[-1].json["serviceTier"] == "priority"
