"""What was changed in a request is undone in its answer."""

from __future__ import annotations

import json
import time

import pytest

from antigravity_proxy.canonical.chunk import Candidate, Chunk, Usage
from antigravity_proxy.canonical.content import Content
from antigravity_proxy.generatecontent.events import read_event
from antigravity_proxy.generatecontent.names import NameMap
from antigravity_proxy.generatecontent.restore import Restore, rewritten


def chunk(*parts: object, **more: object) -> Chunk:
    body = {"candidates": [{"content": {"role": "model", "parts": parts}}], "responseId": "r", **more}
    return read_event(json.dumps(body).encode())


def call(name: str, args: object = None) -> dict[str, object]:
    return {"functionCall": {"name": name, "args": {} if args is None else args}}


def restore(*names: str, wrapped: tuple[str, ...] = (), only_first_call: bool = False) -> Restore:
    return Restore(NameMap(names), frozenset(wrapped), only_first_call=only_first_call)


def calls(found: Chunk) -> list[tuple[str, bytes]]:
    parts = [part for candidate in found.candidates for part in candidate.content.parts]
    return [
        (part.function_call.name, bytes(part.function_call.args)) for part in parts if part.function_call is not None
    ]


def test_nothing_is_done_where_nothing_was_changed() -> None:
    plain = restore("f")
    asked = chunk(call("f"))
    assert plain(asked) is asked
    assert plain.fresh() is plain
    said = chunk({"text": "a"})
    assert restore("a b")(said) is said


def test_names_come_back_in_the_chunk_and_in_its_text() -> None:
    found = restore("a b")(chunk({"text": "so"}, call("a_b", {"n": 1}), call("other"), traceless=[1.0]))
    assert calls(found) == [("a b", b'{"n": 1}'), ("other", b"{}")]
    text = json.loads(found.json)
    assert text["candidates"][0]["content"]["parts"] == [{"text": "so"}, call("a b", {"n": 1}), call("other")]
    assert (text["responseId"], text["traceless"]) == ("r", [1.0])


@pytest.mark.parametrize(
    ("args", "expected"),
    [({"input": [1, 2]}, b"[1, 2]"), ({"input": "x"}, b'"x"'), ({"other": 1}, b'{"other": 1}')],
)
def test_wrapped_arguments_are_unwrapped(args: object, expected: bytes) -> None:
    found = restore("a b", wrapped=("a b",))(chunk(call("a_b", args)))
    assert calls(found) == [("a b", expected)]


def test_arguments_that_are_no_object_stay() -> None:
    assert calls(restore(wrapped=("f",))(chunk(call("f", [1])))) == [("f", b"[1]")]
    missing = chunk({"functionCall": {"name": "f"}})
    assert calls(restore(wrapped=("f",))(missing)) == [("f", b"")]


def test_without_parallel_calls_only_the_first_is_delivered_in_each_answer() -> None:
    first = restore(only_first_call=True)
    assert calls(first(chunk({"text": "x"}, call("f"), call("g")))) == [("f", b"{}")]
    second = first(chunk(call("h"), {"text": "y"}))
    assert [part.text for part in second.candidates[0].content.parts] == ["y"]
    other = read_event(b'{"candidates":[{"index":1,"content":{"parts":[{"functionCall":{"name":"i"}}]}}]}')
    assert calls(first(other)) == [("i", b"")]
    assert calls(first.fresh()(chunk(call("again")))) == [("again", b"{}")]


def test_a_rewritten_chunk_keeps_what_upstream_said_besides() -> None:
    whole = read_event(
        b'{"candidates":[{"content":{"parts":[{"text":"a"}]},"safetyRatings":[1]}],"responseId":"r",'
        b'"usageMetadata":{"promptTokenCount":3},"modelVersion":"m"}'
    )
    candidates = (Candidate(index=2, content=Content("model")),)
    found = rewritten(whole, candidates, None)
    assert json.loads(found.json) == {
        "candidates": [{"index": 2, "content": {"role": "model"}, "safetyRatings": [1]}],
        "responseId": "r",
        "modelVersion": "m",
    }
    assert (found.candidates, found.usage_metadata) == (candidates, None)
    alone = rewritten(Chunk(raw=b"{}"), (), Usage(prompt_token_count=4))
    assert json.loads(alone.json) == {"usageMetadata": {"promptTokenCount": 4}}


def test_arguments_keep_their_digits() -> None:
    big = b'{"n":12345678901234567890123,"x":1.50}'
    text = b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"a_b","args":' + big + b"}}]}}]}"
    found = restore("a b")(read_event(text))
    assert calls(found) == [("a b", big)]
    assert big in found.json


def test_very_many_calls_cost_their_number() -> None:
    def seconds(n: int) -> float:
        asked = chunk(*[call("a_b")] * n)
        found = restore("a b", only_first_call=False)
        begin = time.process_time()
        found(asked)
        return time.process_time() - begin

    assert seconds(20_000) < max(5 * seconds(5_000), 0.2)
