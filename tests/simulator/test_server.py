"""The simulated service over real sockets: its methods, and what it refuses."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from support.deferreds import deferred, in_thread
from support.simulated import BODY, STREAM, ask, payloads, running, text

from antigravity_proxy.simulator import faults
from antigravity_proxy.simulator.load import Knobs, Load
from antigravity_proxy.simulator.server import Simulator


@deferred()
async def test_a_stream_and_one_document_say_the_same() -> None:
    async with running() as simulator:
        streamed = await ask(simulator, STREAM, BODY)
        assert streamed.headers["content-type"] == "text/event-stream"
        assert text(streamed) == "Hello from the simulated model. You said: Hello"
        whole = await ask(simulator, "/v1internal:generateContent", BODY)
        assert whole.headers["content-type"] == "application/json; charset=UTF-8"
        parts = whole.json["response"]["candidates"][0]["content"]["parts"]
        assert "".join(part["text"] for part in parts) == text(streamed)
        assert [r.rpc for r in simulator.requests] == ["streamGenerateContent", "generateContent"]
        assert [r.events_sent for r in simulator.requests] == [len(payloads(streamed)), 0]


@deferred()
async def test_without_alt_sse_the_stream_is_an_array() -> None:
    async with running() as simulator:
        answer = await ask(simulator, "/v1internal:streamGenerateContent", BODY)
        assert [set(event) for event in answer.json] == [{"response", "traceId"}] * len(answer.json)


@deferred()
async def test_what_is_wrong_is_refused_with_googles_error() -> None:
    async with running() as simulator:
        answer = await ask(simulator, STREAM, BODY | {"sessionId": "-1"})
        assert (answer.status, answer.json["error"]["status"]) == (400, "INVALID_ARGUMENT")
        answer = await ask(simulator, STREAM, {"model": "gemini-3-flash", "request": {"contents": [{}]}})
        violation = answer.json["error"]["details"][0]["fieldViolations"][0]
        assert violation["field"] == "request.contents[0]"
        answer = await ask(simulator, STREAM, BODY | {"model": "gpt-9"})
        assert (answer.status, answer.json["error"]["status"]) == (404, "NOT_FOUND")
        assert (await ask(simulator, STREAM, b"{")).status == 400
        assert (await ask(simulator, "/v1internal:countTokens", BODY)).status == 400


@deferred()
async def test_a_body_in_chunks_is_refused() -> None:
    async with running() as simulator:

        def go() -> int:
            connection = http.client.HTTPConnection(simulator.url.removeprefix("http://"), timeout=10)
            body = iter([json.dumps(BODY).encode()])
            connection.request("POST", STREAM, body, {"Authorization": "Bearer ya29.a"}, encode_chunked=True)
            status = connection.getresponse().status
            connection.close()
            return status

        assert await in_thread(go) == 411


@pytest.mark.parametrize("path", [STREAM, "/v1internal:generateContent", "/v1internal:countTokens"])
@deferred()
async def test_a_bearer_token_that_nobody_has_is_401(path: str) -> None:
    async with running() as simulator:
        simulator.revoked.add("ya29.gone")
        for token in ("", "sk-key", "ya29.gone"):
            answer = await ask(simulator, path, BODY, token)
            assert (answer.status, answer.json["error"]["status"]) == (401, "UNAUTHENTICATED")
        answer = await ask(simulator, path, BODY, "", Authorization="Basic ya29.a")
        assert answer.status == 401


@deferred()
async def test_other_paths_and_methods_are_404() -> None:
    async with running() as simulator:
        for method, path in (("GET", STREAM), ("POST", "/v1internal:other"), ("POST", "/generateContent")):
            assert (await ask(simulator, path, method=method)).status == 404


@deferred()
async def test_the_account_methods_tell_project_models_and_tokens() -> None:
    async with running() as simulator:
        metadata = {"metadata": {"ideType": "ANTIGRAVITY"}}
        loaded = (await ask(simulator, "/v1internal:loadCodeAssist", metadata)).json
        assert (loaded["cloudaicompanionProject"], loaded["currentTier"]["id"]) == ("simulated-project", "free-tier")
        models = (await ask(simulator, "/v1internal:fetchAvailableModels", {"project": "p"})).json["models"]
        assert 0 < models["gemini-3-flash"]["quotaInfo"]["remainingFraction"] <= 1
        assert models["claude-sonnet-4-6"]["maxOutputTokens"] == 64_000
        count = {"request": BODY["request"] | {"model": "models/gemini-3-flash"}}
        assert (await ask(simulator, "/v1internal:countTokens", count)).json == {"totalTokens": 2}
        assert [r.token for r in simulator.loads] == ["ya29.a"]
        for method in ("loadCodeAssist", "onboardUser", "fetchAvailableModels"):
            assert (await ask(simulator, f"/v1internal:{method}", metadata, "")).status == 401
            assert (await ask(simulator, f"/v1internal:{method}", {"other": 1})).status == 400


@deferred()
async def test_a_new_user_is_onboarded() -> None:
    async with running() as simulator:
        simulator.project = None
        loaded = (await ask(simulator, "/v1internal:loadCodeAssist", {})).json
        assert not {"currentTier", "cloudaicompanionProject"} & loaded.keys()
        answer = (await ask(simulator, "/v1internal:onboardUser", {"tierId": "free-tier"})).json
        assert answer["done"] is True
        loaded = (await ask(simulator, "/v1internal:loadCodeAssist", {})).json
        assert loaded["cloudaicompanionProject"] == answer["response"]["cloudaicompanionProject"]["id"]


CLIENT = {"client_id": "simulated-client", "client_secret": "simulated-secret"}
REFRESH = CLIENT | {"grant_type": "refresh_token", "refresh_token": "1//sim-0"}
CODE = CLIENT | {"grant_type": "authorization_code", "code": "4/x", "redirect_uri": "http://localhost/cb"}


@deferred()
async def test_tokens_are_granted_for_a_refresh_token_and_for_a_code() -> None:
    async with running() as simulator:
        answer = await ask(simulator, "/token", urlencode(REFRESH).encode(), "")
        assert answer.json == {"access_token": "ya29.renewed-1", "expires_in": 3599, "token_type": "Bearer"}
        assert (await ask(simulator, STREAM, BODY, answer.json["access_token"])).status == 200
        code = await consented(simulator)
        redeeming = urlencode(CODE | {"code": code, "code_verifier": "v" * 43}).encode()
        answer = await ask(simulator, "/token", redeeming, "")
        assert answer.json["refresh_token"].startswith("1//")
        user = await ask(simulator, "/userinfo", method="GET", token=answer.json["access_token"])
        assert user.json == {"id": "7", "email": "new@example.com"}
        assert [form["grant_type"] for form in simulator.refreshes] == ["refresh_token", "authorization_code"]
        assert (await ask(simulator, "/token", redeeming, "")).json["error"] == "invalid_grant"  # a code serves once


async def consented(simulator: Simulator, **fields: str) -> str:
    """The code, or the error, with which the consent page sends the browser back."""
    simulator.person = {"id": "7", "email": "new@example.com"}
    challenge = base64.urlsafe_b64encode(hashlib.sha256(b"v" * 43).digest()).rstrip(b"=").decode()
    asked = {
        "client_id": "simulated-client", "redirect_uri": "http://localhost/cb", "response_type": "code", "scope": "s",
        "access_type": "offline", "prompt": "consent", "state": "st", "code_challenge": challenge,
        "decision": "allow",
    } | fields  # fmt: skip
    assert "new@example.com allows" in (await ask(simulator, "/auth?" + urlencode(asked), method="GET")).body.decode()
    answer = await ask(simulator, "/auth", urlencode(asked).encode())
    assert answer.status == 302
    back = parse_qs(urlsplit(answer.headers["location"]).query)
    assert back["state"] == ["st"]
    return (back.get("code") or back["error"])[0]


@pytest.mark.parametrize(
    "changed", [{"code_verifier": "w" * 43}, {"redirect_uri": "http://localhost/other"}, {"code": "4/0simulated-2"}]
)
@deferred()
async def test_a_code_is_bound_to_its_verifier_and_redirect(changed: dict[str, str]) -> None:
    async with running() as simulator:
        code = await consented(simulator)
        form = CODE | {"code": code, "code_verifier": "v" * 43} | changed
        assert (await ask(simulator, "/token", urlencode(form).encode(), "")).json["error"] == "invalid_grant"


@deferred()
async def test_consent_may_be_refused_and_without_offline_access_there_is_no_refresh_token() -> None:
    async with running() as simulator:
        assert await consented(simulator, decision="deny") == "access_denied"
        code = await consented(simulator, access_type="online")
        form = CODE | {"code": code, "code_verifier": "v" * 43}
        assert "refresh_token" not in (await ask(simulator, "/token", urlencode(form).encode(), "")).json


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"client_id": "x"}, 401, b"invalid_client"),
        ({"redirect_uri": "http://evil.example/cb"}, 400, b"redirect_uri_mismatch"),
        ({"response_type": "token"}, 400, b"invalid_request"),
        ({"scope": ""}, 400, b"invalid_request"),
        ({"code_challenge_method": "plain"}, 400, b"invalid_request"),
        ({"code_challenge": "short"}, 400, b"invalid_request"),
    ],
)
@deferred()
async def test_the_consent_page_refuses_without_sending_anybody_anywhere(
    fields: dict[str, str], status: int, error: bytes
) -> None:
    asked = {
        "client_id": "simulated-client", "redirect_uri": "http://localhost/cb", "response_type": "code", "scope": "s",
    } | fields  # fmt: skip
    async with running() as simulator:
        for method, path, body in (("GET", "/auth?" + urlencode(asked), None), ("POST", "/auth", urlencode(asked))):
            answer = await ask(simulator, path, body and body.encode(), method=method)
            assert (answer.status, error in answer.body) == (status, True)


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        (REFRESH | {"client_secret": "other"}, 401, "invalid_client"),
        (REFRESH | {"refresh_token": "x"}, 400, "invalid_grant"),
        (REFRESH | {"grant_type": "password"}, 400, "invalid_grant"),
        (CODE, 400, "invalid_grant"),  # without its verifier
    ],
)
@deferred()
async def test_a_wrong_grant_is_refused(form: dict[str, str], status: int, error: str) -> None:
    async with running() as simulator:
        answer = await ask(simulator, "/token", urlencode(form).encode(), "")
        assert (answer.status, answer.json["error"]) == (status, error)


@deferred()
async def test_the_token_endpoint_fails_as_scripted() -> None:
    async with running() as simulator:
        simulator.token_fault = faults.unauthorized_client()
        answer = await ask(simulator, "/token", urlencode(REFRESH).encode(), "")
        assert (answer.status, answer.json["error"]) == (401, "unauthorized_client")


@deferred()
async def test_user_info_needs_a_token() -> None:
    async with running() as simulator:
        assert (await ask(simulator, "/userinfo", method="GET")).json["email"] == "someone@example.com"
        assert (await ask(simulator, "/userinfo", method="GET", token="x")).status == 401


@deferred()
async def test_constant_answers_for_benchmarks_are_neither_checked_nor_kept() -> None:
    async with running(Load(Knobs(events=3, bytes=10, first_ms=1))) as simulator:
        answer = await ask(simulator, STREAM, b"not read", "")
        assert text(answer) == "lorem ipsu" * 3
        assert [e["response"]["candidates"][0].get("finishReason") for e in payloads(answer)] == [None, None, "STOP"]
        changed = await ask(simulator, "/__control?events=2&limit_every=2", method="GET")
        assert changed.json == {"events": 2, "bytes": 200, "delay_ms": 0, "first_ms": 0, "limit_every": 2, "stamp": 0}
        assert [(await ask(simulator, STREAM, b"")).status for _ in range(3)] == [429, 200, 429]
        stats = await ask(simulator, "/__stats", method="GET")
        assert stats.json == {"requests": 4, "events": 5, "aborted": 0}
        assert (await ask(simulator, "/__control?event=2", method="GET")).status == 400
        assert (await ask(simulator, "/__control?events=many", method="GET")).status == 400
        assert simulator.requests == []


@deferred()
async def test_the_environment_leads_a_daemon_here() -> None:
    async with running() as simulator:
        environment = simulator.environment
        assert environment["PROXY_INTERNAL_BASE_URLS"] == simulator.url
        answer = await ask(simulator, environment["GOOGLE_USERINFO_URL"].removeprefix(simulator.url), method="GET")
        assert answer.status == 200
        form = REFRESH | {
            "client_id": environment["GOOGLE_CLIENT_ID"],
            "client_secret": environment["GOOGLE_CLIENT_SECRET"],
        }
        path = environment["GOOGLE_TOKEN_URL"].removeprefix(simulator.url)
        assert (await ask(simulator, path, urlencode(form).encode(), "")).status == 200
