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
from antigravity_proxy.relay.reader import AnswerReader, NoticeSent
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
