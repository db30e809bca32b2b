"""Code Assist's wire: what is sent for a call and a lease, and what is read; with the simulator's strict eyes."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from support.models import MODELS

from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.content import Content, Part
from antigravity_proxy.canonical.estimate import around_tokens
from antigravity_proxy.canonical.verdict import Cause
from antigravity_proxy.canonical.wire import Access, EventReader, Quirk, UnreadableEvent, UpstreamErrorEvent, Wire
from antigravity_proxy.codeassist.wire import CodeAssist, envelope
from antigravity_proxy.generatecontent.request import Prepared
from antigravity_proxy.generatecontent.restore import UNCHANGED
from antigravity_proxy.secret import Secret
from antigravity_proxy.settings.limits import PICTURE_SILENCE
from antigravity_proxy.simulator.validate import check_count, check_generate

WIRE: Wire = CodeAssist(lambda: "uuid")
ACCESS = Access(b"https://h/v1internal", Secret("ya29.token"), "p-1")
CALL = Call(model="m", contents=(Content("user", (Part(text="Hello"),)),), system=("Be brief.",))


def events() -> EventReader:
    return WIRE.prepare(CALL, MODELS["gemini-3-flash"], frozenset(), "-7").events()


def test_a_call_is_sent_streamed_in_the_envelope() -> None:
    sent = WIRE.prepare(CALL, MODELS["gemini-3-flash"], frozenset(), "-7").request(ACCESS)
    body = json.loads(sent.body)
    check_generate(body)
    assert sent.url == b"https://h/v1internal:streamGenerateContent?alt=sse"
    assert (body["project"], body["requestId"], body["requestType"]) == ("p-1", "agent-uuid", "agent")
    assert body["request"]["sessionId"] == "-7"
    assert sent.fields == b"\r\nAuthorization: Bearer ya29.token"
    assert sent.silence == 0.0
    assert "ya29" not in repr(sent)
    assert "Hello" not in repr(sent)


@given(st.text(), st.none() | st.text(), st.text(), st.text(), st.booleans())
def test_the_envelope_is_json_whatever_its_parts_hold(
    model: str, project: str | None, identity: str, agent: str, searches: bool
) -> None:
    prepared = Prepared(replace(MODELS["gemini-3-flash"], id=model), b'{"a":1}', UNCHANGED, searches=searches)
    told = {"model": model, "requestId": identity, "userAgent": agent}
    told["requestType"] = "web_search" if searches else "agent"
    rest: dict[str, object] = {"request": {"a": 1}} | ({} if project is None else {"project": project})
    assert envelope(prepared, project, identity, agent) == msgspec.json.encode(told | rest)


def test_a_picture_is_asked_for_whole_and_waited_for() -> None:
    prepared = WIRE.prepare(CALL, MODELS["gemini-3-pro-image"], frozenset(), "-7")
    sent = prepared.request(ACCESS)
    assert sent.url == b"https://h/v1internal:generateContent"
    assert sent.silence == PICTURE_SILENCE
    assert json.loads(sent.body)["requestType"] == "image_gen"
    assert (prepared.opening, prepared.model) == ("", MODELS["gemini-3-pro-image"])


@pytest.mark.parametrize(
    ("answer", "counted"),
    [
        (b'{"totalTokens":5}', 5),
        (b'{"response":{"totalTokens":6}}', 6),
        (b"{}", 0),
        (b"[]", 0),
        (b"no JSON", 0),
        (b'{"totalTokens":"x"}', 0),
    ],
)
def test_contents_are_counted_and_the_rest_is_added(answer: bytes, counted: int) -> None:
    count = WIRE.count(CALL, MODELS["gemini-3-flash"])
    sent = count.request(ACCESS)
    check_count(json.loads(sent.body))
    assert sent.url == b"https://h/v1internal:countTokens"
    assert count.read(answer) == (counted + around_tokens(CALL) if counted else 0)


@pytest.mark.parametrize(
    ("body", "payloads"),
    [
        (b'{"candidates":[]}', [b'{"candidates":[]}']),
        (b' [{"a":1},{"b":2}]', [b'{"a":1}', b'{"b":2}']),
        (b"[1", []),
    ],
)
def test_a_document_is_one_answer_or_an_array_of_them(body: bytes, payloads: list[bytes]) -> None:
    assert events().document(body) == payloads


def test_events_are_read_as_they_come() -> None:
    reader = events()
    assert reader.feed(b'data: {"response":{"responseId":"r"}}\n\nda') == [b'{"response":{"responseId":"r"}}']
    assert reader.feed(b"ta: x") == []
    assert reader.close() == [b"x"]
    assert reader.read(b'{"response":{"responseId":"r"}}').json == b'{"responseId":"r"}'
    with pytest.raises(UnreadableEvent):
        reader.read(b"x")
    with pytest.raises(UpstreamErrorEvent):
        reader.read(b'{"error":{"code":429}}')


def test_failures_are_read_and_judged() -> None:
    said = WIRE.read_failure(b'{"error":{"code":429}}', 0.0)
    assert WIRE.judge(said).cause is Cause.EXHAUSTED
    assert WIRE.verdict(Cause.SILENT).cause is Cause.SILENT
    assert WIRE.fixes_for(MODELS["gemini-3-flash"], "stopSequences") == {Quirk.NO_STOP_SEQUENCES}
    assert WIRE.name == "codeassist"
