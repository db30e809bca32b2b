"""What is noted of requests over sockets: every one once, with what became of it."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from support.deferreds import deferred, in_thread, until
from support.stack import KEY, Stack, stack

from antigravity_proxy.simulator import faults
from antigravity_proxy.simulator.faults import Fault
from antigravity_proxy.telemetry.record import Record

CHAT = "/v1/chat/completions"


def records(running: Stack) -> list[Record]:
    """What is noted from now on."""
    seen: list[Record] = []
    running.daemon.ledger.observe(seen.append)
    return seen


@deferred()
async def test_an_answer_and_a_stream(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        seen = records(running)
        answer = await running.chat(model="gpt-5-mini")
        record = seen.pop()
        assert answer.headers["x-request-id"] == record.id
        assert (record.method, record.dialect, record.operation, record.status) == ("POST", "openai", "chat", 200)
        assert (record.asked, record.model, record.family) == ("gpt-5-mini", "gemini-3-flash", "gemini")
        assert (record.client, record.streamed, record.error, record.client_left) == ("127.0.0.1", False, "", False)
        usage = answer.json["usage"]
        assert (record.tokens_in, record.tokens_out) == (usage["prompt_tokens"], usage["completion_tokens"])
        assert record.bytes_out == len(answer.body)
        (attempt,) = record.attempts
        assert attempt.reason == ""
        assert 0 < attempt.took <= record.duration
        assert record.account in {state.credential.id for state in running.daemon.pool.states}
        streamed = await running.chat(stream=True)
        record = seen.pop()
        assert record.streamed
        assert record.tokens_out
        assert record.bytes_out == len(streamed.body)
        assert record.first_byte is not None
        assert record.first_byte <= record.duration
        assert running.daemon.ledger.open_count == 0


@deferred()
async def test_why_attempts_failed(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        seen = records(running)
        running.simulator.script(faults.quota_exhausted_for("60s"))
        assert (await running.chat()).status == 200
        first, second = seen.pop().attempts
        assert (first.reason, first.status) == ("quota", 429)
        assert second.reason == ""
        assert first.account != second.account
        told = Fault(status=403, body=b"{}", headers=(("x-cloudaicompanion-trace-id", "upstreams-own"),))
        running.simulator.script(told, model="claude-sonnet-4-6")
        await running.chat(model="claude-sonnet-4-6")
        assert [attempt.upstream_trace for attempt in seen.pop().attempts] == ["upstreams-own", ""]


@deferred()
async def test_several_choices_are_one_record(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        seen = records(running)
        usage = (await running.chat(n=2)).json["usage"]
        (record,) = seen
        assert len(record.attempts) == 2
        assert (record.tokens_in, record.tokens_out) == (usage["prompt_tokens"], usage["completion_tokens"])


@deferred()
async def test_refused_and_unknown_requests(tmp_path: Path) -> None:
    async with stack(tmp_path, PROXY_MAX_BODY="1KiB") as running:
        seen = records(running)
        await running.request("GET", "/v1/models", authorization="")
        await running.request("POST", CHAT, b"x" * 2000)
        await running.request("POST", CHAT, b"{")
        await running.request("GET", "/nowhere")
        await running.request("GET", "/health")
        await running.request("POST", "/v1/messages/count_tokens", {"model": "m", "messages": []})
        assert [(r.status, r.error, r.operation, r.refused) for r in seen] == [
            (401, "invalid_api_key", "models", True),
            (413, "body_too_large", "chat", True),
            (400, "bad_request", "chat", False),
            (404, "not_found", "unknown", False),
            (400, "bad_request", "message_count", False),
        ]
        assert all(record.bytes_out and not record.attempts for record in seen)


@deferred()
async def test_clients_that_leave(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        seen = records(running)

        def send(body: bytes, length: int) -> socket.socket:
            s = socket.create_connection(("127.0.0.1", running.port), timeout=5)
            head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nx-api-key: {KEY}\r\nContent-Length: {length}\r\n\r\n"
            s.sendall(head.encode() + body)
            return s

        half = await in_thread(lambda: send(b"{", 100))
        await until(lambda: running.daemon.ledger.open_count == 1)
        half.close()
        await until(lambda: len(seen) == 1)
        assert (seen[0].status, seen[0].client_left, seen[0].attempts) == (499, True, [])

        running.simulator.script(faults.Fault(silent=True))
        body = json.dumps({"model": "gemini-3-flash", "messages": [{"role": "user", "content": "x"}]}).encode()
        waiting = await in_thread(lambda: send(body, len(body)))
        await until(lambda: running.simulator.requests != [])
        waiting.close()
        await until(lambda: len(seen) == 2)
        assert (seen[1].status, seen[1].client_left) == (499, True)
        assert [attempt.reason for attempt in seen[1].attempts] == ["broken_off"]
        assert running.daemon.ledger.open_count == 0


@deferred()
async def test_a_clients_own_id_and_trace(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        seen = records(running)
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        body = {"model": "gemini-3-flash", "messages": [{"role": "user", "content": "x"}], "max_tokens": 9}
        own = {"x_request_id": "my-own-id-1", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
        running.simulator.script(faults.quota_exhausted_for("60s"))
        answer = await running.request("POST", CHAT, body, **own)
        assert answer.headers["x-request-id"] == seen[0].id == "my-own-id-1"
        passed = [received.headers.getRawHeaders("traceparent", [""])[0] for received in running.simulator.requests]
        assert passed == [f"00-{trace}-{attempt.span}-01" for attempt in seen[0].attempts]
        assert len(set(passed)) == 2
        answer = await running.request("POST", "/v1/messages", body, **own)
        assert answer.headers["request-id"] == "my-own-id-1"
        answer = await running.request("GET", "/v1/models", authorization="", x_request_id="my-own-id-2")
        assert (answer.status, answer.headers["x-request-id"]) == (401, "my-own-id-2")
        answer = await running.request("POST", CHAT, body, x_request_id="no good id", traceparent="nonsense")
        assert answer.headers["x-request-id"] == seen[-1].id != "no good id"
        assert not running.simulator.requests[-1].headers.hasHeader("traceparent")
