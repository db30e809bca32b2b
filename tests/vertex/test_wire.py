"""Vertex AI's wire: URLs, authorization and bodies for both publishers (official-upstreams.md 3.2, 4, 8.1)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from antigravity_proxy.canonical.call import Call, Original, Reasoning
from antigravity_proxy.canonical.content import Content, Part
from antigravity_proxy.canonical.credential import VERTEX
from antigravity_proxy.canonical.model_file import BUNDLED
from antigravity_proxy.canonical.verdict import Cause
from antigravity_proxy.canonical.wire import Access, Beta, Fix, Quirk, UpstreamRequest, Wire
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.limits import PICTURE_SILENCE
from antigravity_proxy.vertex import places
from antigravity_proxy.vertex.wire import Vertex

WIRE: Wire = Vertex()
FLASH = BUNDLED.official_model("gemini-3.8-flash", VERTEX)
PICTURE = BUNDLED.official_model("gemini-3-pro-image", VERTEX)
SONNET = BUNDLED.official_model("claude-sonnet-4-6", VERTEX)
HAIKU = BUNDLED.official_model("claude-haiku-4-5@20251001", VERTEX)
CALL = Call("m", (Content("user", (Part(text="Weather in Oslo?"),)),), system=("Be brief.",))
TOKEN = Secret("ya29.token")


def access(location: str = "global", **more: Any) -> Access:
    return Access(b"", TOKEN, "my-proj", location, **more)


def sent(model: Any, where: Access, call: Call = CALL, *quirks: Fix) -> UpstreamRequest:
    return WIRE.prepare(call, model, frozenset(quirks), "-7").request(where)


def headers(request: UpstreamRequest) -> dict[bytes, str]:
    lines = request.fields.decode("latin-1").split("\r\n")
    assert lines[0] == ""
    return {name.encode(): value for name, _, value in (line.partition(": ") for line in lines[1:])}


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("", "aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        ("us", "aiplatform.us.rep.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
        ("us-central1", "us-central1-aiplatform.googleapis.com"),
        ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
    ],
)
def test_hosts(location: str, host: str) -> None:
    assert places.host(location) == host
    assert sent(FLASH, access(location)).url.startswith(f"https://{host}/v1beta1/projects/my-proj/".encode())


def test_gemini_streams_and_says_no_more_than_the_request() -> None:
    request = sent(FLASH, access("us-central1"))
    assert request.url == (
        b"https://us-central1-aiplatform.googleapis.com/v1beta1/projects/my-proj/locations/us-central1"
        b"/publishers/google/models/gemini-3.8-flash:streamGenerateContent?alt=sse"
    )
    assert headers(request) == {b"Authorization": "Bearer ya29.token"}
    body = json.loads(request.body)
    assert not {"sessionId", "project", "requestId", "userAgent", "model"} & body.keys()
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Weather in Oslo?"}]}]


def test_a_picture_comes_whole() -> None:
    request = sent(PICTURE, access())
    assert request.url.endswith(b"/models/gemini-3-pro-image:generateContent")
    assert request.silence == PICTURE_SILENCE


def test_claude_has_its_model_in_the_path() -> None:
    request = sent(SONNET, access("us-east5"))
    assert request.url == (
        b"https://us-east5-aiplatform.googleapis.com/v1/projects/my-proj/locations/us-east5"
        b"/publishers/anthropic/models/claude-sonnet-4-6:streamRawPredict"
    )
    body = json.loads(request.body)
    assert "model" not in body
    assert (body["anthropic_version"], body["stream"]) == ("vertex-2023-10-16", True)
    assert sent(HAIKU, access()).url.endswith(b"/models/claude-haiku-4-5@20251001:streamRawPredict")


def test_an_anthropic_clients_betas_go_along() -> None:
    body = b'{"model":"claude-sonnet-4-6","max_tokens":5,"messages":[{"role":"user","content":"Hi"}]}'
    call = Call("claude-sonnet-4-6", CALL.contents, original=Original(body, "2023-06-01", "context-1m-2025-08-07"))
    assert headers(sent(SONNET, access(), call)) == {
        b"Authorization": "Bearer ya29.token",
        b"anthropic-beta": "context-1m-2025-08-07",
    }
    assert headers(sent(SONNET, access(), call, Beta("context-2m"))) == headers(sent(SONNET, access(), call))
    assert headers(sent(SONNET, access(), call, Beta("context-1m-2025-08-07"))) == headers(sent(SONNET, access()))
    assert headers(sent(SONNET, access(), call, Quirk.NO_BETAS)) == {b"Authorization": "Bearer ya29.token"}


def test_an_express_key_stands_in_its_header_alone() -> None:
    request = sent(FLASH, Access(b"", Secret("AQ.key"), is_key=True))
    assert request.url == (
        b"https://aiplatform.googleapis.com/v1beta1/publishers/google/models/"
        b"gemini-3.8-flash:streamGenerateContent?alt=sse"
    )
    assert headers(request) == {b"x-goog-api-key": "AQ.key"}


def test_who_is_billed_and_which_gateway_is_asked() -> None:
    where = Access(b"http://127.0.0.1:9/gw/", TOKEN, "example.com:my-proj", "us", "billed-proj")
    request = sent(FLASH, where)
    assert request.url.startswith(b"http://127.0.0.1:9/gw/v1beta1/projects/example.com:my-proj/locations/us/")
    assert headers(request)[b"x-goog-user-project"] == "billed-proj"
    assert b"/projects/-/locations/global/" in sent(FLASH, Access(b"", TOKEN)).url


def test_ids_are_encoded() -> None:
    odd = BUNDLED.official_model("gemini-3 ü/../x", VERTEX)
    assert b"/models/gemini-3%20%C3%BC%2F..%2Fx:stream" in sent(odd, access()).url


@pytest.mark.parametrize(("answer", "counted"), [(b'{"totalTokens":11}', 11), (b'{"totalTokens":-1}', 0), (b"x", 0)])
def test_gemini_counts_everything(answer: bytes, counted: int) -> None:
    count = WIRE.count(CALL, FLASH)
    request = count.request(access())
    assert request.url.endswith(b"/publishers/google/models/gemini-3.8-flash:countTokens")
    assert json.loads(request.body).keys() <= {"contents", "systemInstruction", "tools", "generationConfig"}
    assert json.loads(request.body)["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert count.read(answer) == counted


@pytest.mark.parametrize(("answer", "counted"), [(b'{"input_tokens":12}', 12), (b'{"input_tokens":-1}', 0), (b"x", 0)])
def test_claude_counts_by_a_model_of_its_own(answer: bytes, counted: int) -> None:
    count = WIRE.count(CALL, HAIKU)
    request = count.request(access("us-east5"))
    path = b"/v1/projects/my-proj/locations/us-east5/publishers/anthropic/models/count-tokens:rawPredict"
    assert request.url.endswith(path)
    assert json.loads(request.body)["model"] == "claude-haiku-4-5"
    assert count.read(answer) == counted


def test_answers_are_read_in_their_publishers_form() -> None:
    gemini = WIRE.prepare(CALL, FLASH, frozenset(), "-7")
    claude = WIRE.prepare(CALL, SONNET, frozenset(), "-7")
    assert (gemini.opening, claude.opening) == ("-7", "-7")
    assert (gemini.model, claude.model) == (FLASH, SONNET)
    assert gemini.events().read(b'{"responseId":"r"}').response_id == "r"
    event = b'{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}'
    assert claude.events().read(event).candidates[0].content.parts[0].text == "a"
    assert (gemini.restorer(), claude.restorer()) == (None, None)  # nothing was changed


def test_what_cures_a_refusal_depends_on_the_publisher() -> None:
    assert WIRE.fixes_for(SONNET, "`temperature` is not supported") == {Quirk.NO_SAMPLING}
    assert WIRE.fixes_for(FLASH, "presencePenalty is not supported") == {Quirk.NO_PRESENCE_PENALTY}


def test_failures_of_both_forms() -> None:
    overloaded = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
    assert WIRE.judge(WIRE.read_failure(overloaded, 0.0)).cause is Cause.NO_CAPACITY
    limited = b'{"type":"error","error":{"type":"rate_limit_error","message":"x"}}'
    assert WIRE.read_failure(limited, 1795867200.0).daily_resets
    daily = WIRE.read_failure(b'{"error":{"code":429}}', 1795867200.0, http_status=429)
    assert len(daily.daily_resets) == 2
    assert WIRE.verdict(Cause.SILENT).cause is Cause.SILENT
    assert (WIRE.name, WIRE.trace_header) == ("vertex", b"")


def test_thinking_goes_by_level() -> None:
    call = Call("m", CALL.contents, reasoning=Reasoning("on", effort="low"))
    body = json.loads(sent(FLASH, access(), call).body)
    assert body["generationConfig"]["thinkingConfig"] == {"includeThoughts": True, "thinkingLevel": "LOW"}
