"""The API over sockets: what hostile, odd and impatient clients get."""

from __future__ import annotations

import json
import socket
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from support.crowd import crowd
from support.deferreds import deferred, in_thread, until, wait
from support.stack import KEY, Stack, stack
from support.volumes import trace, update
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.logger import formatEvent, globalLogPublisher

from antigravity_proxy.secret import Secret
from antigravity_proxy.simulator.faults import Fault

CHAT = "/v1/chat/completions"
GENERATE = "/v1beta/models/gemini-3-flash:generateContent"


async def raw(running: Stack, sent: bytes, *, wait_for: bytes = b"") -> bytes:
    """What comes back for raw bytes, until the connection is closed (or ``wait_for`` came)."""

    def talk() -> bytes:
        with socket.create_connection(("127.0.0.1", running.port), timeout=5) as s:
            s.sendall(sent)
            got = b""
            while not (wait_for and wait_for in got):
                piece = s.recv(65536)
                if not piece:
                    break
                got += piece
            return got

    got: bytes = await in_thread(talk)
    return got


BAD_BODIES = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe{\x00}\x00",
    b'{"model": "\xff"}',
    b"[" * 100_000,
    b'{"model":"x","messages":' + b"[" * 5000 + b"]" * 5000 + b"}",
    b'{"model":"x","messages":[{"role":"user","content":NaN}]}',
    b'{"model":"x","messages":"hello","contents":7}',
    b'{"model":1,"messages":[],"contents":[]}',
    b'{"model":"x","messages":[{"role":"nobody","content":"x"}],"contents":[{"role":"nobody","parts":[{"text":"x"}]}]}',
]


@pytest.mark.parametrize("path", [CHAT, GENERATE])
@deferred(20)
async def test_bad_bodies_get_the_dialects_400(tmp_path: Path, path: str) -> None:
    async with stack(tmp_path) as running:
        for body in BAD_BODIES:
            answer = await running.request("POST", path, body)
            assert answer.status == 400, body[:80]
            error = answer.json["error"]
            if path == CHAT:
                assert error["type"] == "invalid_request_error"
            else:
                assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
        assert not running.simulator.requests


@deferred()
async def test_not_json_says_where_and_a_wrong_type_names_its_field(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        answer = await running.request("POST", CHAT, b'{"model": "x", oops}')
        assert "byte 15" in answer.json["error"]["message"]
        answer = await running.request("POST", CHAT, {"model": "x", "messages": [{"role": "user", "content": 7}]})
        assert answer.json["error"]["param"] == "messages[0].content"
        answer = await running.request("POST", GENERATE, {"contents": [{"parts": [{"text": 7}]}]})
        assert "contents[0].parts[0].text" in answer.json["error"]["message"]


@deferred()
async def test_unknown_fields_are_ignored(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        assert (await running.chat(no_such_field={"x": 1}, logit_bias={}, user="u")).status == 200
        body = {"contents": [{"parts": [{"text": "x", "noise": 1}]}], "store": True, "generation_config": {"junk": 1}}
        assert (await running.request("POST", GENERATE, body)).status == 200


@pytest.mark.row("404 and 405")
@pytest.mark.parametrize(
    ("method", "path", "status", "where"),
    [
        ("GET", "/nowhere", 404, "error.type"),
        ("POST", "/v1/moderations", 404, "error.type"),
        ("POST", "/v1beta/models/x:batchGenerateContent", 404, "error.status"),
        ("GET", "/v1/messages/batches", 404, "error.type"),
        ("GET", CHAT, 405, "error.type"),
        ("DELETE", GENERATE, 405, "error.status"),
        ("POST", "/v1/models", 405, "error.type"),
        ("GET", "/v1/models/no-such-model", 404, "error.code"),
    ],
)
@deferred()
async def test_404_and_405_in_the_dialect(tmp_path: Path, method: str, path: str, status: int, where: str) -> None:
    async with stack(tmp_path) as running:
        answer = await running.request(method, path)
        assert answer.status == status
        outer, inner = where.split(".")
        assert answer.json[outer][inner]
        assert ("allow" in answer.headers) == (status == 405)
        assert "Twisted" not in str(answer.headers)


@deferred()
async def test_keys_are_asked_for_before_anything_else(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        for path in ("/v1/models", "/nowhere", CHAT, GENERATE, "/v1/models/../../health", "//health"):
            answer = await running.request("GET", path, authorization="")
            assert answer.status == 401, path
        assert (await running.request("GET", f"/v1/models?key={KEY}", authorization="")).status == 200
        assert (await running.request("GET", "/v1/models", authorization="", x_goog_api_key=KEY)).status == 200


@deferred()
async def test_a_body_over_the_limit_is_refused_in_the_dialect(tmp_path: Path) -> None:
    async with stack(tmp_path, PROXY_MAX_BODY="1KiB") as running:
        head = f"POST {GENERATE} HTTP/1.1\r\nHost: x\r\nx-api-key: {KEY}\r\nContent-Length: 999999999999\r\n\r\n"
        answer = await raw(running, head.encode(), wait_for=b"}}")
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b'"INVALID_ARGUMENT"' in answer


@deferred()
async def test_health_needs_no_key_and_shows_nobody(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        answer = await running.request("GET", "/health", authorization="")
        assert answer.json["status"] == "healthy"
        assert (answer.json["accounts"], answer.json["usable"], answer.json["readOnly"]) == (2, 2, True)
        assert answer.json["database"] == "connected"
        assert answer.json["timestamp"].endswith("Z")
        volume = answer.json["volume"]
        assert 0 <= volume.pop("age") < 1.0
        assert volume == {"open": 2, "sealed": 0, "broken": 0, "leaving": 0, "kept": 0, "paused": 0}
        assert b"@" not in answer.body
        assert b"ya29" not in answer.body
        for page in ("/health/live", "/health/ready", "/"):
            assert (await running.request("GET", page, authorization="")).status == 200
        assert (await running.request("HEAD", "/", authorization="")).body == b""
        assert (await running.request("POST", "/health", authorization="")).status == 405


@deferred()
async def test_an_empty_volume_is_unhealthy_and_one_that_fills_is_well(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=0) as running:
        health = await running.request("GET", "/health")
        assert (health.status, health.json["status"]) == (503, "unhealthy")
        assert (await running.request("GET", "/health/ready")).status == 503
        assert (await running.chat()).status == 503
        running.volume.add(5)
        await until(lambda: running.daemon.pool.usable() == 1, 2.0)
        assert (await running.request("GET", "/health")).status == 200
        assert (await running.chat()).status == 200


@deferred()
async def test_what_is_found_in_the_volume_is_told_in_the_log_once(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        told: list[str] = []

        def observe(event: dict[str, Any]) -> None:
            told.extend(
                [str(formatEvent(event))] if event["log_namespace"].startswith("antigravity_proxy.daemon") else []
            )

        globalLogPublisher.addObserver(observe)
        try:
            (running.volume.directory / ".keys" / "notes.txt").write_text("no key")
            update(running.volume.directory, 0, status="sleepy")
            await until(lambda: any("status 'sleepy'" in words for words in told))
            update(running.volume.directory, 1, status="sleepy", name="X")
            await until(lambda: "X" in {state.credential.name.reveal() for state in running.daemon.pool.states})
            await wait(0.1)
        finally:
            globalLogPublisher.removeObserver(observe)
        assert sum("sleepy" in words for words in told) == 1
        assert sum("notes.txt holds no key" in words for words in told) == 1


@deferred()
async def test_a_volume_that_goes_is_degraded_and_serves_on(tmp_path: Path, no_leaks: list[Any]) -> None:
    async with stack(tmp_path) as running:
        database = running.volume.directory / "cloud_accounts.db"
        database.rename(database.with_suffix(".gone"))
        await until(lambda: running.daemon.state.error != "", 6.0)
        health = await running.request("GET", "/health")
        assert (health.status, health.json["status"]) == (200, "degraded")
        assert health.json["volume"]["age"] > 0.2
        assert (await running.chat()).status == 200
        database.with_suffix(".gone").rename(database)
        await until(lambda: running.daemon.state.error == "", 6.0)
        no_leaks.clear()


@pytest.mark.row("untouched")
@pytest.mark.parametrize("writer", ["closed", "paused in mid-transaction"])
@deferred(60)
async def test_the_volume_is_not_touched_by_a_thousand_requests(tmp_path: Path, writer: str) -> None:
    """The app is closed, or it has the database open, with its last commits in the log and more to come."""
    async with stack(tmp_path) as running, crowd(running) as many:
        directory = running.volume.directory
        app = sqlite3.connect(directory / "cloud_accounts.db", isolation_level=None)
        if writer == "closed":
            app.close()
        else:
            app.execute("PRAGMA wal_autocheckpoint=0")
            app.execute("UPDATE accounts SET name = 'from the log'")
            await until(lambda: {s.credential.name.reveal() for s in running.daemon.pool.states} == {"from the log"})
            app.execute("BEGIN IMMEDIATE")
            app.execute("UPDATE accounts SET name = 'not committed'")
        before = trace(directory)
        assert len(before) == (5 if writer == "closed" else 7)
        for _ in range(10):
            heard = await gatherResults([many.chat("Hello") for _ in range(100)])
            assert {answer.status for answer in heard} == {200}
        await wait(0.6)
        assert trace(directory) == before
        app.close()


@deferred()
async def test_a_stream_on_an_account_that_is_removed_goes_on_to_its_end(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=1) as running:
        running.simulator.script(Fault(delay=1.2))
        waiting = Deferred.fromCoroutine(running.chat())
        await until(lambda: bool(running.simulator.requests))
        running.volume.remove(0)
        running.volume.add(1)
        await until(
            lambda: [state.credential.name.reveal() for state in running.daemon.pool.states] == ["Account 1"], 4.0
        )
        assert (await waiting).status == 200


@deferred()
async def test_config_that_breaks_never_opens_a_closed_proxy(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        config = running.volume.directory / "gui_config.json"
        for content in ("", "{", "[]", '{"proxy":{"api_key":7}}', '{"proxy":{"api_key":""}}', "{}"):
            config.write_text(content)
            await wait(0.4)
            assert (await running.request("GET", "/v1/models", authorization="")).status == 401, content
            assert (await running.request("GET", "/v1/models")).status == 200, content
        running.volume.configure(api_key="sk-another", custom_mapping={"my-model": "gemini-pro-agent"})
        await until(lambda: running.daemon.state.config.api_key == Secret("sk-another"), 2.0)
        assert (await running.request("GET", "/v1/models")).status == 401
        answer = await running.request("GET", "/v1/models", authorization="Bearer sk-another")
        assert "my-model" in [m["id"] for m in answer.json["data"]]


@deferred()
async def test_the_model_that_ran_is_told(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        answer = await running.chat(model="gpt-5-mini")
        assert answer.headers["x-antigravity-model"] == "gemini-3-flash"
        assert answer.json["model"] == "gpt-5-mini"
        assert answer.headers["x-request-id"].startswith("req_")


@deferred()
async def test_the_json_array_form_of_geminis_stream(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        path = "/v1beta/models/gemini-3-flash:streamGenerateContent"
        body = {"contents": [{"parts": [{"text": "Hello"}]}]}
        answer = await running.request("POST", path, body)
        assert len(json.loads(answer.body)) > 2
        running.simulator.script(Fault(unfinished=True))
        answer = await running.request("POST", path, body)
        assert json.loads(answer.body)[-1]["error"]["status"] == "UNAVAILABLE"
        assert (await running.request("POST", path + "?alt=xml", body)).status == 400


@pytest.mark.row("buffering")
@deferred()
async def test_the_first_event_is_passed_on_at_once(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        running.simulator.script(Fault(delay=5.0))
        body = b'{"model":"gemini-3-flash","stream":true,"messages":[{"role":"user","content":"x"}]}'
        head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nx-api-key: {KEY}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        got = await raw(running, head + body, wait_for=b"Considering")
        assert b"text/event-stream" in got
        await until(lambda: running.simulator.requests[0].closed_by_peer, 1.0)


@deferred(30)
async def test_a_stalled_reader_slows_upstream_down(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        event = b'{"response":{"candidates":[{"content":{"parts":[{"text":"' + b"x" * 100_000 + b'"}]}}]}}'
        running.simulator.script(Fault(events=(event,) * 400))
        body = b'{"model":"gemini-3-flash","stream":true,"messages":[{"role":"user","content":"x"}]}'
        head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nx-api-key: {KEY}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        s = socket.create_connection(("127.0.0.1", running.port))
        s.sendall(head + body)
        await until(lambda: len(running.simulator.requests) == 1)
        channels = running.daemon.site.channels
        await until(lambda: any(channel.is_stalled for channel in channels))
        await wait(0.3)
        taken = running.simulator.requests[0].events_sent
        await wait(0.3)
        assert running.simulator.requests[0].events_sent == taken < 160  # of 100 kB each
        s.close()
        await until(lambda: running.simulator.requests[0].closed_by_peer)


@pytest.mark.row("sigterm")
@deferred(20)
async def test_a_drain_lets_an_open_stream_finish(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        running.simulator.script(Fault(delay=0.05))
        body = b'{"model":"gemini-3-flash","stream":true,"messages":[{"role":"user","content":"x"}]}'
        head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nx-api-key: {KEY}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        waiting = Deferred.fromCoroutine(raw(running, head + body))
        await until(lambda: bool(running.simulator.requests))
        stopped = running.daemon.stopService()
        got = await waiting
        assert b"data: [DONE]" in got
        await stopped
        running.daemon.stopService = lambda: succeed(None)


@deferred()
async def test_a_compressed_body_is_refused_as_one(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        for path in ("/v1/chat/completions", "/v1/messages", "/v1beta/models/gemini-3-flash:generateContent"):
            answer = await running.request("POST", path, b"\x1f\x8b", content_encoding="gzip")
            assert answer.status == 415
            assert "uncompressed" in answer.json["error"]["message"]
        fine = {"model": "gemini-3-flash", "messages": [{"role": "user", "content": "hi"}]}
        answer = await running.request("POST", "/v1/chat/completions", fine, content_encoding="identity")
        assert answer.status == 200
