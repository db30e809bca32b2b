"""What follows a failure, over sockets: which account is asked next, and what the client is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.deferreds import deferred, until, wait
from support.stack import Stack, stack
from support.volumes import trace
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import LogEvent, globalLogPublisher

from antigravity_proxy import ticker
from antigravity_proxy.accounts import renewals
from antigravity_proxy.simulator import faults
from antigravity_proxy.simulator.faults import Fault
from antigravity_proxy.startup import epoch
from antigravity_proxy.upstream import onboarding

LIVE = {"ya29.sim-0", "ya29.renewed"}


def tokens(running: Stack) -> list[str]:
    """The access tokens of the requests that arrived, in order."""
    return [received.token for received in running.simulator.requests]


async def streamed(running: Stack) -> Any:
    return await running.chat(stream=True)


@pytest.mark.row("one bad account")
@pytest.mark.parametrize(
    "fault",
    [
        faults.rate_limited(30),
        faults.bare_limit(),
        faults.quota_exhausted(4_102_444_800),
        faults.no_capacity(),
        faults.verification_needed(),
        faults.forbidden(),
        faults.failing(500),
        faults.failing(503),
        faults.unauthenticated(),
        Fault(reset=True, before=True),
        Fault(reset=True, after=0),
        faults.error_in_stream(after=0),
        Fault(events=()),
        Fault(events=(b"garbage", b'{"response":{}}')),
        Fault(events=(b'{"response":{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL"}]}}',)),
        Fault(status=302, headers=(("location", "http://127.0.0.1:1/"),)),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
@deferred()
async def test_another_account_answers(tmp_path: Path, fault: Fault, stream: bool) -> None:
    async with stack(tmp_path) as running:
        running.simulator.script(fault, token="ya29.sim-1")
        answer = await running.chat(stream=stream)
        assert answer.status == 200
        assert b'"finish_reason":"stop"' in answer.body
        assert tokens(running) == ["ya29.sim-1", "ya29.sim-0"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(reset=True, after=2, delay=0.05),
        Fault(unfinished=True),
        faults.error_in_stream(after=2),
    ],
)
@deferred()
async def test_a_broken_stream_is_not_sent_again_and_never_ends_cleanly(tmp_path: Path, fault: Fault) -> None:
    async with stack(tmp_path) as running:
        running.simulator.script(fault)
        answer = await running.chat(stream=True)
        assert b'data: {"error":' in answer.body
        assert b"[DONE]" not in answer.body
        assert b'"finish_reason":"stop"' not in answer.body
        assert len(tokens(running)) == 1


@pytest.mark.parametrize(
    "fault", [Fault(reset=True, after=2, delay=0.05), Fault(unfinished=True), faults.error_in_stream(after=2)]
)
@deferred()
async def test_a_collected_answer_that_breaks_is_asked_for_anew(tmp_path: Path, fault: Fault) -> None:
    async with stack(tmp_path) as running:
        running.simulator.script(fault)
        answer = await running.chat()
        assert answer.json["choices"][0]["message"]["content"] == "Hello from the simulated model. You said: Hello"
        assert len(tokens(running)) == 2


@pytest.mark.row("all cooling")
@deferred()
async def test_when_all_are_limited_the_client_is_told_when_and_upstream_is_left_alone(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        running.simulator.script(faults.rate_limited(90), token="ya29.sim-0")
        running.simulator.script(faults.rate_limited(40), token="ya29.sim-1")
        first = await running.chat()
        assert (first.status, first.headers["retry-after"]) == (429, "40")
        assert "(in 40 s)" in first.json["error"]["message"]
        second = await running.chat()
        assert second.status == 429
        assert len(tokens(running)) == 2
        ready = await running.request("GET", "/health/ready")
        assert ready.status == 200


@deferred()
async def test_one_models_limit_leaves_the_others_free(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=1) as running:
        running.simulator.script(faults.rate_limited(90))
        assert (await running.chat()).status == 429
        assert (await running.chat(model="claude-sonnet-4-6")).status == 200


@pytest.mark.row("refused request")
@deferred()
async def test_a_refused_request_is_not_tried_elsewhere(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        running.simulator.script(faults.refused("someone@example.com in projects/x-1 sent nonsense"))
        answer = await running.chat()
        assert answer.status == 400
        assert answer.json["error"]["message"] == "[removed] in [removed] sent nonsense"
        assert answer.json["error"]["type"] == "invalid_request_error"
        assert len(tokens(running)) == 1


@deferred()
async def test_what_a_model_refuses_is_left_out_and_remembered(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        running.simulator.script(faults.refused('Unknown name "stopSequences" at generation_config'))
        assert (await running.chat(stop="END")).status == 200
        assert (await running.chat(stop="END")).status == 200
        sent = ["stopSequences" in r.json["request"]["generationConfig"] for r in running.simulator.requests]
        assert sent == [True, False, False]
        assert len(set(tokens(running)[:2])) == 1


REFUSED_VALUES = [
    ({"stop": ["\n"]}, "stop_sequences: each stop sequence must contain non-whitespace", {"stop": "END"}),
    ({"presence_penalty": 2}, "presence_penalty is out of range", {"presence_penalty": 1}),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object", "minItems": 1}}}},
        "Unknown name \"minItems\" at 'request.generation_config.response_json_schema': Cannot find field.",
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}},
    ),
    ({"reasoning_effort": "low"}, "thinking_budget must be at least 128", {"reasoning_effort": "high"}),
]


@pytest.mark.parametrize(("mine", "refusal", "yours"), REFUSED_VALUES)
@deferred()
async def test_a_value_that_is_refused_once_is_sent_for_others(
    tmp_path: Path, mine: dict[str, Any], refusal: str, yours: dict[str, Any]
) -> None:
    """A repair belongs to its request."""
    async with stack(tmp_path) as running:
        assert (await running.chat(**yours)).status == 200
        running.simulator.script(faults.refused(refusal))
        assert (await running.chat(**mine)).status == 200
        assert (await running.chat(**yours)).status == 200
        before, *_, after = (r.json["request"]["generationConfig"] for r in running.simulator.requests)
        assert before == after


@deferred()
async def test_a_field_that_is_refused_again_without_it_is_not_remembered(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        running.simulator.script(faults.refused("stop_sequences is not supported"), faults.refused("nor is this"))
        assert (await running.chat(stop="END")).status == 400
        assert (await running.chat(stop="END")).status == 200
        sent = ["stopSequences" in r.json["request"]["generationConfig"] for r in running.simulator.requests]
        assert sent == [True, False, True]


@deferred()
async def test_a_model_that_fails_is_asked_once_more(tmp_path: Path) -> None:
    """What it said of that may quote the answer: it is logged for those alone who ask for details."""
    event = b'{"response":{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"print(f("}]}}'
    logged: list[LogEvent] = []
    globalLogPublisher.addObserver(logged.append)
    try:
        async with stack(tmp_path) as running:
            running.simulator.script(Fault(events=(event,)), Fault(events=(event,)), Fault(events=(event,)))
            assert (await running.chat()).status == 502
            assert len(running.simulator.requests) == 2
    finally:
        globalLogPublisher.removeObserver(logged.append)
    reasons = [each["log_level"].name for each in logged if each.get("reason") == "MALFORMED_FUNCTION_CALL"]
    assert reasons == ["info"] * 2
    assert [each["log_level"].name for each in logged if each.get("words") == "print(f("] == ["debug"] * 2


@deferred()
async def test_lost_signatures_are_replaced_once(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        running.simulator.script(faults.refused("Corrupted thought_signature."))
        call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        call["extra_content"] = {"google": {"thought_signature": "QUJD"}}
        messages = [
            {"role": "user", "content": "x"},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "done"},
        ]
        answer = await running.chat(messages=messages)
        assert answer.status == 200
        signatures = [
            r.json["request"]["contents"][1]["parts"][0]["thoughtSignature"] for r in running.simulator.requests
        ]
        assert signatures == ["QUJD", "skip_thought_signature_validator"]


@pytest.mark.row("always failing")
@deferred()
async def test_trouble_everywhere_ends_after_three_attempts(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=5) as running:
        running.simulator.script(faults.failing(500), times=9)
        answer = await running.chat()
        assert answer.status == 500
        assert len(tokens(running)) == 3
        assert len(set(tokens(running))) == 3
        assert answer.json["error"]["type"] == "server_error"


@deferred()
async def test_with_one_account_trouble_is_tried_again_on_it(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=1) as running:
        running.simulator.script(faults.failing(503))
        assert (await running.chat()).status == 200
        assert len(tokens(running)) == 2
        first, second = (r.json["requestId"] for r in running.simulator.requests)
        assert first != second


@pytest.mark.row("unreachable")
@deferred()
async def test_an_unreachable_host_is_passed_over_for_a_while(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        running.daemon.account_services.bases.urls.insert(0, b"http://127.0.0.1:1/v1internal")
        assert (await running.chat("One conversation")).status == 200
        assert (await running.chat("Another")).status == 200
        assert tokens(running) == ["ya29.sim-1", "ya29.sim-0"]
        assert running.daemon.account_services.bases.in_order(running.daemon._reactor.seconds())[-1].startswith(
            b"http://127.0.0.1:1/"
        )


@pytest.mark.row("unreachable")
@deferred()
async def test_no_upstream_at_all_is_502(tmp_path: Path) -> None:
    async with stack(tmp_path, PROXY_INTERNAL_BASE_URLS="http://127.0.0.1:1") as running:
        answer = await running.chat()
        assert answer.status == 502


@pytest.mark.row("stalled upstream")
@deferred()
async def test_a_silent_upstream_is_504(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticker, "INTERVAL", 0.05)
    async with stack(tmp_path, PROXY_REQUEST_TIMEOUT="0.3") as running:
        running.simulator.script(Fault(silent=True), times=3)
        answer = await running.chat()
        assert answer.status == 504


@pytest.mark.row("one refresh")
@deferred()
async def test_an_expired_token_is_renewed_once_for_all(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=0) as running:
        running.volume.add(7, expires_at=1000)
        await until(lambda: len(running.daemon.pool.states) == 1)
        answers = await gatherResults([Deferred.fromCoroutine(running.chat()) for _ in range(5)])
        assert [a.status for a in answers] == [200] * 5
        assert len(running.simulator.refreshes) == 1
        assert running.simulator.refreshes[0]["refresh_token"] == "1//sim-7"
        assert set(tokens(running)) == {"ya29.renewed-1"}


@deferred()
async def test_tokens_are_renewed_before_they_end_without_any_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewals, "FIRST", 0.1)
    monkeypatch.setattr(renewals, "PAUSE", 0.1)
    async with stack(tmp_path, accounts=1) as running:
        running.volume.add(8, expires_at=epoch() + 200)
        running.volume.add(9, expires_at=epoch() - 200)
        await until(lambda: {s.access_token.reveal()[:12] for s in running.daemon.pool.states} == LIVE)
        assert sorted(form["refresh_token"] for form in running.simulator.refreshes) == ["1//sim-8", "1//sim-9"]
        assert running.simulator.refreshes[0]["refresh_token"] == "1//sim-8"
        assert tokens(running) == []


@pytest.mark.row("bad refreshes")
@deferred()
async def test_a_401_is_answered_by_a_new_token_on_the_same_account(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=1) as running:
        running.simulator.revoked.add("ya29.sim-0")
        assert (await running.chat()).status == 200
        assert tokens(running) == ["ya29.sim-0", "ya29.renewed-1"]
        assert len(running.simulator.refreshes) == 1


@pytest.mark.row("bad refreshes")
@deferred()
async def test_a_401_with_the_new_token_too_sets_the_account_aside(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=1) as running:
        running.simulator.script(faults.unauthenticated(), times=2)
        answer = await running.chat()
        assert answer.status == 503
        assert len(tokens(running)) == 2


@pytest.mark.row("bad refreshes", "tokens in memory")
@pytest.mark.parametrize("fault", [Fault(silent=True), faults.invalid_grant(), faults.failing(503)])
@deferred()
async def test_a_refresh_that_hangs_or_fails_is_waited_for_by_nobody_who_has_another(
    tmp_path: Path, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewals, "PAUSE", 0.05)
    monkeypatch.setattr(renewals, "FIRST", 0.05)
    async with stack(tmp_path, accounts=1) as running:
        running.simulator.token_fault = fault
        running.volume.add(1, expires_at=1000)
        await until(lambda: len(running.daemon.pool.states) == 2)
        await until(lambda: len(running.simulator.refreshes) == 1)
        before = trace(running.volume.directory)
        for user in "abc":
            assert (await running.chat(user=user)).status == 200
        assert tokens(running) == ["ya29.sim-0"] * 3
        running.simulator.token_fault = None
        running.volume.add(1, expires_at=1000, refresh_token="1//another")
        if not fault.silent:  # which takes its time-out
            renewed = {"ya29.sim-0", f"ya29.renewed-{len(running.simulator.refreshes) + 1}"}
            await until(lambda: {s.access_token.reveal() for s in running.daemon.pool.states} == renewed)
        assert set(trace(running.volume.directory)) == set(before)


@pytest.mark.row("bad refreshes")
@deferred()
async def test_a_revoked_sign_in_takes_the_account_out_and_a_new_row_brings_it_back(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=0) as running:
        running.simulator.token_fault = Fault(400, b'{"error":"invalid_grant"}')
        running.volume.add(1, expires_at=1000)
        await until(lambda: len(running.daemon.pool.states) == 1)
        assert (await running.chat()).status == 503
        assert (await running.chat()).status == 503
        assert len(running.simulator.refreshes) == 1
        health = await running.request("GET", "/health")
        assert (health.json["status"], health.json["usable"]) == ("degraded", 0)
        assert any("1 of 1 accounts are out of use: their sign-in was revoked" in w for w in health.json["warnings"])
        running.volume.add(1, refresh_token="1//new")
        await until(lambda: running.daemon.pool.usable() == 1)
        assert (await running.request("GET", "/health")).json["warnings"] == []
        assert (await running.chat()).status == 200


@deferred()
async def test_a_missing_project_is_asked_for_once(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=0) as running:
        running.volume.add(1, project_id=None)
        await until(lambda: len(running.daemon.pool.states) == 1)
        for _ in range(2):
            assert (await running.chat()).status == 200
        assert [r.json["project"] for r in running.simulator.requests] == ["simulated-project"] * 2
        assert len(running.simulator.loads) == 1


@pytest.mark.parametrize("operation", ["operations/one", ""])
@deferred()
async def test_an_account_that_is_new_to_upstream_is_onboarded_and_its_requests_wait_a_moment(
    tmp_path: Path, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onboarding, "POLL", 0.02)
    monkeypatch.setattr(onboarding, "REPEAT", 0.02)
    async with stack(tmp_path, accounts=0) as running:
        running.simulator.project = None
        running.simulator.onboarding.looks, running.simulator.onboarding.operation = 3, operation
        running.volume.add(1, project_id=None)
        await until(lambda: len(running.daemon.pool.states) == 1)
        answers = await gatherResults([Deferred.fromCoroutine(running.chat()) for _ in range(3)])
        assert [answer.status for answer in answers] == [200] * 3
        assert [r.json["project"] for r in running.simulator.requests] == ["onboarded-project"] * 3
        calls = [received.rpc for received in running.simulator.onboarding.received]
        assert calls == (["onboardUser", "one", "one", "one"] if operation else ["onboardUser"] * 4)
        assert len(running.simulator.loads) == 1


@deferred()
async def test_an_account_without_a_project_is_served_without_one(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=0) as running:
        running.simulator.onboarding.looks = 99
        running.simulator.project = ""
        running.volume.add(1, project_id=None)
        await until(lambda: len(running.daemon.pool.states) == 1)
        assert (await running.chat()).status == 200
        assert "project" not in running.simulator.requests[0].json
        assert running.simulator.onboarding.received == []


@deferred()
async def test_a_wrong_project_is_asked_for_anew(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=1) as running:
        detail = faults.info("SERVICE_DISABLED", consumer="projects/project-0")
        running.simulator.script(Fault(403, faults.error(403, "PERMISSION_DENIED", "disabled", detail)))
        assert (await running.chat()).status == 200
        assert [r.json.get("project") for r in running.simulator.requests] == ["project-0", "simulated-project"]


@pytest.mark.row("client leaves")
@deferred()
async def test_a_client_that_leaves_ends_the_upstream_request_and_is_not_replayed(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        for fault in (Fault(silent=True), Fault(delay=0.05, events=(b'{"response":{}}',) * 400)):
            running.simulator.script(fault)
            before = len(running.simulator.requests)
            _reader, writer = await _hang_up_later(running)
            await until(lambda n=before: len(running.simulator.requests) > n)
            writer.abortConnection()
            await until(lambda: running.simulator.requests[-1].closed_by_peer, 1.0)
            await wait(0.1)
            assert len(running.simulator.requests) == before + 1


async def _hang_up_later(running: Stack) -> Any:
    """A raw connection that has sent a chat request."""
    from twisted.internet import reactor
    from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
    from twisted.internet.protocol import Protocol

    protocol: Any = await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", running.port), Protocol())
    body = b'{"model":"gemini-3-flash","stream":true,"messages":[{"role":"user","content":"x"}]}'
    protocol.transport.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nx-api-key: sk-test\r\nContent-Length: %d\r\n\r\n%s"
        % (len(body), body)
    )
    return protocol, protocol.transport


@deferred()
async def test_a_dead_kept_connection_is_replaced_at_nobodys_charge(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=1) as running:
        assert (await running.chat()).status == 200
        running.simulator.script(Fault(reset=True, before=True))
        assert (await running.chat()).status == 200
        state = next(iter(running.daemon.pool.states))
        assert (len(tokens(running)), state.last_until, state.in_flight) == (3, 0.0, 0)


@deferred()
async def test_a_conversation_stays_on_its_account_and_others_are_spread(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=3) as running:
        for number in range(3):
            for _ in range(2):
                assert (await running.chat(f"Turn of {number}", user=f"u{number}")).status == 200
        assert tokens(running) == [f"ya29.sim-{n}" for n in (2, 2, 1, 1, 0, 0)]
        await running.chat("Another text", user="u1")
        answer = await running.request(
            "POST",
            "/v1beta/models/gemini-3-flash:generateContent",
            {"contents": [{"parts": [{"text": "x"}]}]},
            session_id="u1",
        )
        assert answer.status == 200
        assert tokens(running)[6:] == ["ya29.sim-1"] * 2


@deferred()
async def test_capacity_tells_what_is_left_and_names_nobody(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        running.simulator.script(faults.rate_limited(90), token="ya29.sim-1")
        assert (await running.chat()).status == 200
        answer = await running.request("GET", "/capacity")
        models = {line["id"]: line for line in answer.json["models"]}
        assert (models["gemini-3-flash"]["usable"], models["gemini-3-flash"]["cooling"]) == (1, 1)
        assert models["gemini-3-flash"]["earliestReset"].endswith("Z")
        assert models["claude-sonnet-4-6"]["usable"] == 2
        assert b"0000-" not in answer.body
        assert (await running.request("GET", "/capacity", authorization="")).status == 401
        assert (await running.request("POST", "/capacity")).status == 405


@deferred()
async def test_the_desktop_apps_scheduling_is_in_effect_without_a_restart(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=3) as running:
        running.volume.configure(api_key="sk-test", scheduling_mode="cache-first")
        await until(lambda: running.daemon.pool.rules.mode == "cache-first")
        for number in range(4):
            assert (await running.chat(f"Conversation {number}")).status == 200
        assert len(set(tokens(running))) == 1


@deferred()
async def test_an_account_takes_no_more_requests_than_it_may(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=1, PROXY_ACCOUNT_MAX_REQUESTS="1") as running:
        running.simulator.script(Fault(pause=0.3), times=2)
        answers = await gatherResults([Deferred.fromCoroutine(running.chat(f"{n}")) for n in range(2)])
        assert [answer.status for answer in answers] == [200, 200]
        running.simulator.script(Fault(silent=True))
        _reader, writer = await _hang_up_later(running)
        await until(lambda: len(running.simulator.requests) == 3)
        refused = await running.chat("third")
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        writer.abortConnection()
        await until(lambda: next(iter(running.daemon.pool.states)).in_flight == 0)


@deferred()
async def test_accounts_whose_tokens_have_ended_are_renewed_in_passing(tmp_path: Path) -> None:
    async with stack(tmp_path, accounts=1) as running:
        running.volume.add(7, expires_at=1000)
        await until(lambda: len(running.daemon.pool.states) == 2)
        assert (await running.chat("One")).status == 200
        await until(lambda: len(running.simulator.refreshes) == 1)
        assert (await running.chat("Two")).status == 200
        assert tokens(running) == ["ya29.sim-0", "ya29.renewed-1"]
