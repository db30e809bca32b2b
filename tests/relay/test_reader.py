"""The reader of an answer: what is news in it, and what is held back until it is no notice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from support.models import MODELS

from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.chunk import Chunk
from antigravity_proxy.canonical.content import Content, Part
from antigravity_proxy.canonical.verdict import Cause
from antigravity_proxy.codeassist import notices
from antigravity_proxy.codeassist.wire import CodeAssist
from antigravity_proxy.relay.reader import AnswerReader, ModelFailed, NoticeSent
from antigravity_proxy.telemetry.drift import Drift

CALL = Call("m", (Content("user", (Part(text="Hello"),)),))
USAGE = {"promptTokenCount": 1, "totalTokenCount": 2}


class Passed:
    """An answer and a client in one: keeps what is passed on."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.sent = 0

    def feed(self, chunks: Sequence[Chunk]) -> bytes:
        found = [part.text or "" for chunk in chunks for each in chunk.candidates for part in each.content.parts]
        self.texts += found
        return b"x"

    def send(self, data: bytes) -> None:
        self.sent += 1


def reading(passed: Any, drift: Drift | None = None) -> AnswerReader:
    prepared = CodeAssist(lambda: "u").prepare(CALL, MODELS["gemini-3-flash"], frozenset(), "-1")
    memory: Any = None
    return AnswerReader(prepared, prepared.events(), passed, passed, memory, lambda: None, notices, drift)


def event(text: str, *, usage: bool = False, end: str = "", bare: bool = False, **more: object) -> bytes:
    candidate: dict[str, object] = {"content": {"role": "model", "parts": [{"text": text}]}}
    answer: dict[str, object] = {"candidates": [candidate | ({"finishReason": end} if end else {})]}
    answer |= ({"usageMetadata": USAGE} if usage else {}) | more
    return b"data: " + json.dumps(answer if bare else {"response": answer, "traceId": "t"}).encode() + b"\r\n\r\n"


@pytest.mark.parametrize("bare", [False, True])
def test_what_no_table_knows_is_counted_in_the_last_event(bare: bool) -> None:
    drift = Drift(lambda: 0.0)
    reader = reading(Passed(), drift)
    reader.data_received(event("a", bare=bare, novelty=1) + event("b", bare=bare, usage=True, end="STOP"))
    assert drift.all() == ()
    reader = reading(Passed(), drift)
    reader.data_received(event("a", bare=bare, end="BORED", novelty=1, traceId="t"))
    assert {(seen.kind, seen.name) for seen in drift.all()} == {("finish reason", "BORED"), ("field", "novelty")}


def test_an_answer_that_begins_as_a_notice_is_held_back_until_it_is_none() -> None:
    passed = Passed()
    reader = reading(passed)
    reader.data_received(event("This ver"))
    reader.data_received(event("sion of "))
    assert passed.texts == []
    reader.data_received(event("Python "))
    assert passed.texts == []
    reader.data_received(event("is old.\nIt") + event(" is"))
    assert passed.texts == ["This ver", "sion of ", "Python ", "is old.\nIt", " is"]
    reader.data_received(event("This version of "))
    assert passed.texts[-1] == "This version of "
    assert passed.sent == 2


@pytest.mark.parametrize("usage", [False, True])
def test_a_short_answer_that_is_not_a_notice_comes_at_the_end(usage: bool) -> None:
    passed = Passed()
    reader = reading(passed)
    reader.data_received(event("This", usage=usage, end="STOP"))
    assert passed.texts == (["This"] if usage else [])
    reader.end()
    assert passed.texts == ["This"]


def test_a_notice_is_raised_at_the_end() -> None:
    passed = Passed()
    reader = reading(passed)
    reader.data_received(event("This version of Antigravity is no longer supported.", end="STOP"))
    with pytest.raises(NoticeSent) as e:
        reader.end()
    assert e.value.cause is Cause.OLD_CLIENT
    assert passed.sent == 0


def test_no_more_than_so_many_chunks_are_held_back() -> None:
    passed = Passed()
    reader = reading(passed)
    for _ in range(65):
        reader.data_received(event(""))
    assert len(passed.texts) == 65


def test_a_thought_or_a_picture_is_no_notice() -> None:
    for part in ({"text": "This version of ", "thought": True}, {"functionCall": {"name": "f"}}):
        passed = Passed()
        answer = {"candidates": [{"content": {"parts": [part]}}]}
        reading(passed).data_received(b"data: " + json.dumps(answer).encode() + b"\r\n\r\n")
        assert passed.sent == 1


def test_what_comes_as_one_document_is_held_back_to_its_end_alone() -> None:
    passed = Passed()
    reader = reading(passed)
    reader.whole(event("This", end="STOP")[6:])
    assert (passed.texts, reader.finished) == (["This"], True)
    reader = reading(passed)
    reader.whole(event("Hello", end="STOP", usage=True)[6:])
    assert (passed.texts, reader.usage is None) == (["This", "Hello"], False)


def test_events_cut_anywhere_and_some_that_say_nothing() -> None:
    passed = Passed()
    reader = reading(passed)
    quiet = b"data: nonsense\r\n\r\ndata: {}\r\n\r\ndata: " + json.dumps({"usageMetadata": {}}).encode() + b"\r\n\r\n"
    for byte in quiet + event("Hello") + event("there", usage=True, end="STOP")[:-2]:
        reader.data_received(bytes([byte]))
    assert (passed.texts, passed.sent, reader.finished) == (["Hello"], 1, False)
    reader.end()
    assert (passed.texts, passed.sent, reader.finished) == (["Hello", "there"], 2, True)


def test_a_blocked_prompt_has_no_candidate() -> None:
    passed = Passed()
    reader = reading(passed)
    reader.data_received(b'data: {"promptFeedback":{"blockReason":"SAFETY"}}\r\n\r\n')
    assert (reader.blocked, reader.has_candidate, passed.sent) == (True, False, 1)
    reader.data_received(b'data: {"promptFeedback":{}}\r\n\r\n')
    assert passed.sent == 2


def test_what_came_before_a_failure_is_passed_on_first() -> None:
    passed = Passed()
    reader = reading(passed)
    with pytest.raises(ModelFailed, match="MALFORMED_FUNCTION_CALL"):
        reader.data_received(event("Hello") + event("", end="MALFORMED_FUNCTION_CALL"))
    assert passed.texts == ["Hello"]


def test_a_large_event_is_not_looked_at_for_news() -> None:
    drift = Drift(lambda: 0.0)
    reading(Passed(), drift).data_received(event("x" * (1 << 16), end="STOP", novelty=1))
    assert drift.all() == ()
