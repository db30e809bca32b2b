"""Gemini's answers pass as upstream wrote them, in three forms."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from antigravity_proxy.canonical.catalogue import Catalogue
from antigravity_proxy.canonical.chunk import Chunk
from antigravity_proxy.dialect.gemini import models
from antigravity_proxy.dialect.gemini.answer import GeminiArrayStream, GeminiDocument, GeminiStream, render_count
from antigravity_proxy.dialect.gemini.errors import render
from antigravity_proxy.errors import BadRequest, MethodNotAllowed, ModelNotFound, RateLimited, UpstreamOverloaded
from antigravity_proxy.generatecontent.events import read_event
from antigravity_proxy.generatecontent.sse import SSEDecoder


def chunks(*responses: Any) -> list[Chunk]:
    return [read_event(json.dumps({"response": response}).encode()) for response in responses]


def candidate(*parts: Any, **fields: Any) -> Any:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}} | fields]}


def test_the_golden_stream(golden: Callable[[str], bytes]) -> None:
    decoder = SSEDecoder()
    payloads = decoder.feed(golden("golden-a.upstream.sse")) + decoder.close()
    out = GeminiStream(True).feed([read_event(payload) for payload in payloads])
    assert out == golden("golden-a.gemini.sse")


def test_thoughts_are_taken_out_but_their_signature_stays() -> None:
    thought = {"text": "hm", "thought": True}
    made = chunks(candidate(thought, {"text": "a"}, thought | {"thoughtSignature": "QQ=="}), {"usageMetadata": {}})
    lines = GeminiStream(False).feed(made).split(b"\r\n\r\n")
    parts = json.loads(lines[0][6:])["candidates"][0]["content"]["parts"]
    assert parts == [{"text": "a"}, {"text": "", "thoughtSignature": "QQ=="}]
    assert lines[1] == b'data: {"usageMetadata": {}}'


def test_odd_answers_lose_nothing_but_their_thoughts() -> None:
    odd = {"candidates": [candidate({"text": "x", "thought": True})["candidates"][0], {"content": {}}, {}]}
    out = json.loads(GeminiStream(False).feed(chunks(odd))[6:])
    assert out["candidates"] == [{"content": {"role": "model", "parts": []}}, {"content": {}}, {}]


# --- as the official package reads it ---------------------------------------------------------------------------

_parts = st.one_of(
    st.sampled_from(["a", " ", "é\n", "😀", ""]).map(lambda text: {"text": text}),
    st.sampled_from(["hm", " ", ""]).map(lambda text: {"text": text, "thought": True}),
    st.just({"text": "hm", "thought": True, "thoughtSignature": "c2ln"}),
    st.just({"text": "", "thoughtSignature": "c2ln"}),
    st.just({"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"}),
    st.just({"functionCall": {"name": "f", "id": "1"}}),
    st.just({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}),
    st.just({"executableCode": {"language": "PYTHON", "code": "1"}}),
)
_fields = st.fixed_dictionaries(
    {},
    optional={
        "finishReason": st.sampled_from(["STOP", "MAX_TOKENS", "SAFETY"]),
        "index": st.integers(0, 1),
        "groundingMetadata": st.just({"webSearchQueries": ["q"]}),
    },
)
_responses = st.lists(
    st.one_of(
        st.builds(lambda parts, fields: candidate(*parts, **fields), st.lists(_parts, max_size=4), _fields),
        st.just({"usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3}, "modelVersion": "m"}),
        st.just({"promptFeedback": {"blockReason": "SAFETY"}, "responseId": "r"}),
    ),
    max_size=6,
)


def told(response: Any, index: int) -> list[Any]:
    """What the package finds of an answer, text and thoughts as runs."""
    found: list[Any] = []
    parts = [
        part
        for each in response.candidates or ()
        if (each.index or 0) == index
        for part in (each.content.parts if each.content is not None else None) or ()
    ]
    for part in parts:
        plain = part.model_dump(exclude_none=True)
        if set(plain) <= {"text", "thought"} and found and set(found[-1]) == set(plain):
            found[-1]["text"] += plain["text"]
        elif plain != {"text": ""}:
            found.append(plain)
    return [part for part in found if part.get("text") != "" or len(part) > 2 or "thought_signature" in part]


@given(_responses, st.booleans(), st.integers(0, 6))
def test_the_official_package_takes_every_form_and_they_agree(responses: list[Any], shown: bool, cut: int) -> None:
    given_chunks = chunks(*responses)
    forms = [
        form.feed(given_chunks[:cut]) + form.feed(given_chunks[cut:]) + form.close()
        for form in (GeminiStream(shown), GeminiArrayStream(shown))
    ]
    events = [json.loads(line.removeprefix(b"data: ")) for line in forms[0].split(b"\r\n\r\n")[:-1]]
    assert json.loads(forms[1]) == events
    document = GeminiDocument(shown)
    document.feed(given_chunks)
    read = types.GenerateContentResponse.model_validate
    whole = read(json.loads(document.close()))
    pieces = [read(event) for event in events]
    together = read({"candidates": [each for event in events for each in event.get("candidates", [])]})
    for index in (0, 1):
        assert told(whole, index) == told(together, index)
        ends = [
            each.finish_reason
            for piece in pieces
            for each in piece.candidates or ()
            if (each.index or 0) == index and each.finish_reason
        ]
        mine = [each for each in whole.candidates or () if (each.index or 0) == index]
        assert [each.finish_reason for each in mine if each.finish_reason] == ends[-1:]
    usages = [piece.usage_metadata for piece in pieces if piece.usage_metadata]
    assert [whole.usage_metadata] == (usages[-1:] or [None])


def test_an_event_stays_on_one_line() -> None:
    chunk = read_event(b'{"response": {"candidates": [],\n "responseId": "r"}}')
    assert GeminiStream(True).feed([chunk]) == b'data: {"candidates":[],"responseId":"r"}\r\n\r\n'


def test_the_array_is_json_whatever_happens() -> None:
    answer = GeminiArrayStream(True)
    made = chunks({"responseId": "1"}, {"responseId": "2"})
    text = answer.feed(made[:1]) + answer.feed(made[1:]) + answer.close()
    assert [e["responseId"] for e in json.loads(text)] == ["1", "2"]
    assert json.loads(GeminiArrayStream(True).close()) == []
    failed = GeminiArrayStream(True)
    text = failed.feed(made) + failed.fail(UpstreamOverloaded("busy"))
    assert json.loads(text)[-1]["error"]["code"] == 503


def test_a_stream_that_fails_ends_with_its_error() -> None:
    answer = GeminiStream(True)
    assert answer.close() == b""
    assert json.loads(answer.fail(UpstreamOverloaded("busy"))[6:])["error"] == {
        "code": 503,
        "message": "busy",
        "status": "UNAVAILABLE",
    }


def test_a_document_folds_the_stream() -> None:
    answer = GeminiDocument(True)
    call = {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "QQ=="}
    for chunk in chunks(
        candidate({"text": "", "thought": True}),
        candidate({"text": "hm", "thought": True}),
        candidate({"text": "a "}),
        candidate({"text": "b"}, call),
        candidate({"text": ""}, finishReason="STOP") | {"usageMetadata": {"totalTokenCount": 3}},
        {"candidates": [{"index": 1, "content": {"parts": [{"text": "other"}, 7]}}, {"index": 1, "content": None}, 7]},
        {"usageMetadata": {"totalTokenCount": 4}, "responseId": "r"},
    ):
        assert answer.feed([chunk]) == b""
    assert json.loads(answer.close()) == {
        "candidates": [
            {
                "content": {"role": "model", "parts": [{"text": "hm", "thought": True}, {"text": "a b"}, call]},
                "finishReason": "STOP",
            },
            {"index": 1, "content": {"role": "model", "parts": [{"text": "other"}]}},
        ],
        "usageMetadata": {"totalTokenCount": 4},
        "responseId": "r",
    }


def test_a_blocked_prompt_has_no_candidates() -> None:
    answer = GeminiDocument(False)
    answer.feed(chunks({"promptFeedback": {"blockReason": "SAFETY"}}))
    assert json.loads(answer.close()) == {"promptFeedback": {"blockReason": "SAFETY"}}
    assert json.loads(answer.fail(UpstreamOverloaded("busy")))["error"]["code"] == 503


def test_a_count() -> None:
    assert json.loads(render_count(7).body) == {"totalTokens": 7}


@pytest.mark.parametrize(
    ("error", "status", "name"),
    [
        (BadRequest("no"), 400, "INVALID_ARGUMENT"),
        (BadRequest("no", upstream_status="FAILED_PRECONDITION"), 400, "FAILED_PRECONDITION"),
        (MethodNotAllowed("no", allow=("GET", "HEAD")), 405, "UNIMPLEMENTED"),
        (RateLimited("later", retry_after=9), 429, "RESOURCE_EXHAUSTED"),
    ],
)
def test_errors(error: Any, status: int, name: str) -> None:
    rendered = render(error, "req_1")
    body = json.loads(rendered.body)["error"]
    assert (rendered.status, body["code"], body["status"]) == (status, status, name)
    headers = dict(rendered.headers)
    assert headers[b"x-request-id"] == b"req_1"
    if status == 429:
        assert headers[b"retry-after"] == b"9"
        assert body["details"][0]["retryDelay"] == "9s"
    if status == 405:
        assert headers[b"allow"] == b"GET, HEAD"


def test_models_come_in_pages() -> None:
    public = Catalogue().public()
    first = json.loads(models.render_list(public, {"pageSize": "5"}).body)
    assert [len(first["models"]), first["nextPageToken"]] == [5, "5"]
    rest = json.loads(models.render_list(public, {"pageSize": "1000", "pageToken": "5"}).body)
    assert len(rest["models"]) == len(public) - 5
    assert "nextPageToken" not in rest
    assert first["models"][0]["supportedGenerationMethods"][0] == "generateContent"
    for query in ({"pageSize": "x"}, {"pageToken": "²"}):
        with pytest.raises(BadRequest):
            models.render_list(public, query)


def test_one_model() -> None:
    found = json.loads(models.render_one(Catalogue().find("gemini-3-flash"), "gemini-3-flash").body)
    assert (found["name"], found["inputTokenLimit"]) == ("models/gemini-3-flash", 1_048_576)
    with pytest.raises(ModelNotFound):
        models.render_one(None, "none")
