"""Responses: golden files, each kind of item, and the rule that the document is the stream's last snapshot."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from antigravity_proxy.canonical.chunk import Candidate, Chunk, Usage
from antigravity_proxy.canonical.content import Content, FunctionCall, Part
from antigravity_proxy.dialect.base import Stamp
from antigravity_proxy.dialect.openai.responses_answer import ResponsesDocument, ResponsesStream, new_answer
from antigravity_proxy.dialect.openai.responses_request import decode

MakeStamp = Callable[..., Stamp]
ReadChunks = Callable[[str], list[Chunk]]
Golden = Callable[[str], bytes]

SHOWN = {"reasoning": {"effort": "high", "summary": "auto"}}
SEARCH = {"tools": [{"type": "web_search"}]}
GROUNDING = Raw(
    b'{"webSearchQueries":["q1","q2"],"groundingChunks":[{"web":{"uri":"https://a.example","title":"A"}},{}],'
    b'"groundingSupports":[{"segment":{"startIndex":3,"endIndex":6},"groundingChunkIndices":[0]}]}'
)
CITATION = {"type": "url_citation", "start_index": 2, "end_index": 5, "url": "https://a.example", "title": "A"}


def options(**fields: Any) -> Any:
    """The options that a request with these fields makes."""
    decoded = decode(json.dumps({"model": "gpt-5", "input": "hi", **fields}).encode())
    return decoded.new_answer(Stamp(0, lambda digits: ""))._options


def one(*parts: Part, finish: str = "", index: int = 0, usage: Usage | None = None, **more: Any) -> Chunk:
    candidate = Candidate(index=index, content=Content("model", parts), finish_reason=finish, **more)
    return Chunk(candidates=(candidate,), usage_metadata=usage)


def text(value: str, **more: Any) -> Chunk:
    return one(Part(text=value), **more)


def thought(value: str, signature: str = "") -> Part:
    return Part(text=value, thought=True, thought_signature=signature)


def call(name: str = "f", args: bytes = b"{}", signature: str = "", **more: Any) -> Part:
    return Part(function_call=FunctionCall(name, Raw(args), **more), thought_signature=signature)


def events(stream: bytes) -> list[dict[str, Any]]:
    """The JSON of every event; fails if one isn't framed as it should be."""
    *framed, rest = stream.split(b"\n\n")
    assert rest == b""
    found = []
    for event in framed:
        head, data = event.split(b"\n")
        decoded = json.loads(data.removeprefix(b"data: "))
        assert head == b"event: " + decoded["type"].encode()
        found.append(decoded)
    return found


def streamed(chunks: list[Chunk], stamp: Stamp, **fields: Any) -> bytes:
    answer = ResponsesStream(options(**fields), stamp)
    return answer.feed(chunks) + answer.close()


def told(chunks: list[Chunk], stamp: Stamp, **fields: Any) -> list[dict[str, Any]]:
    return events(streamed(chunks, stamp, **fields))


def kinds(found: list[dict[str, Any]]) -> list[str]:
    """What is told between the beginning and the end."""
    return [event["type"].removeprefix("response.") for event in found[2:-1]]


def document(chunks: list[Chunk], stamp: Stamp, **fields: Any) -> dict[str, Any]:
    answer = ResponsesDocument(options(**fields), stamp)
    assert answer.feed(chunks) == b""
    decoded: dict[str, Any] = json.loads(answer.close())
    return decoded


def output(chunks: list[Chunk], stamp: Stamp, **fields: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document(chunks, stamp, **fields)["output"]
    return found


# --- golden files -----------------------------------------------------------------------------------------------


def golden_stamp(stamp: MakeStamp) -> Stamp:
    """Its digits make the ids of the golden files, once those of items are cut short."""
    return msgspec.structs.replace(stamp("A1121A2B"), now=lambda: 1790000002.7)


def short(answer: bytes) -> bytes:
    return re.sub(rb'"(rs|msg|fc)_(\d)\2{23}"', rb'"\1_\2"', answer)


GOLDEN = {"model": "gpt-5-codex", **SHOWN}


def test_the_golden_stream_byte_for_byte(stamp: MakeStamp, chunks: ReadChunks, golden: Golden) -> None:
    found = streamed(chunks("golden-a.upstream.sse"), golden_stamp(stamp), **GOLDEN)
    assert short(found) == golden("golden-a.openai-responses.sse")


def test_the_golden_document_byte_for_byte(stamp: MakeStamp, chunks: ReadChunks, golden: Golden) -> None:
    answer = new_answer(options(**GOLDEN), golden_stamp(stamp))
    answer.feed(chunks("golden-a.upstream.sse"))
    assert short(answer.close()) == msgspec.json.format(golden("golden-a.openai-responses.json"), indent=-1)
