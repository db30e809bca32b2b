"""The rarer parts of chat answers: calls, citations, log probabilities."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Raw

from antigravity_proxy.canonical.content import Blob, FunctionCall
from antigravity_proxy.dialect.base import Stamp
from antigravity_proxy.dialect.openai.chat_parts import citations, image, tool_call
from antigravity_proxy.dialect.openai.parts import log_probabilities

STAMP = Stamp(0, lambda digits: "0" * digits)
MADE = "call_" + "0" * 24


@pytest.mark.parametrize(
    ("upstream", "sent"),
    [
        ("toolu_vrtx_01", "toolu_vrtx_01"),
        ("", MADE),
    ],
)
def test_a_call_has_upstreams_id_or_one_in_openais_form(upstream: str, sent: str) -> None:
    assert tool_call(FunctionCall("f", id=upstream), "", STAMP, frozenset())["id"] == sent


def test_a_signature_travels_in_googles_place() -> None:
    made = tool_call(FunctionCall("f"), "c2ln", STAMP, frozenset())
    assert made["extra_content"] == {"google": {"thought_signature": "c2ln"}}
    assert "extra_content" not in tool_call(FunctionCall("f"), "", STAMP, frozenset())


@pytest.mark.parametrize(
    ("args", "given"),
    [
        (b'{"input":"*** Begin Patch"}', "*** Begin Patch"),
        (b'{"patch": "x"}', '{"patch":"x"}'),
        (b'{"input": {"a": 1}}', '{"input":{"a":1}}'),
        (b'{"input": ' + b"9" * 5000 + b"}", '{"input":' + "9" * 5000 + "}"),
    ],
)
def test_a_free_text_tool_gets_its_text(args: bytes, given: str) -> None:
    made = tool_call(FunctionCall("patch", Raw(args)), "", STAMP, frozenset({"patch"}))
    assert made == {"id": MADE, "type": "custom", "custom": {"name": "patch", "input": given}}


def test_an_image_is_a_data_url() -> None:
    assert image(Blob("image/jpeg", "AAAA"), 2) == {
        "type": "image_url",
        "index": 2,
        "image_url": {"url": "data:image/jpeg;base64,AAAA"},
    }


def grounded(*supports: str, chunks: str = '{"web":{"uri":"u","title":"t"}}') -> Raw:
    return Raw(f'{{"groundingChunks":[{chunks}],"groundingSupports":[{",".join(supports)}]}}'.encode())


def spans(found: list[dict[str, Any]]) -> list[tuple[int, int]]:
    return [(c["url_citation"]["start_index"], c["url_citation"]["end_index"]) for c in found]


def test_citations_count_characters_where_upstream_counts_bytes() -> None:
    text = "aé😀b"  # 1, 2, 4, 1 bytes
    assert spans(citations(grounded('{"segment":{"endIndex":3},"groundingChunkIndices":[0]}'), text)) == [(0, 2)]
    to_the_end = grounded('{"segment":{"startIndex":7,"endIndex":8},"groundingChunkIndices":[0]}')
    assert spans(citations(to_the_end, text)) == [(3, 4)]
    inside_a_character = grounded('{"segment":{"startIndex":2,"endIndex":99},"groundingChunkIndices":[0]}')
    assert spans(citations(inside_a_character, text)) == [(1, 4)]


@pytest.mark.parametrize(
    "grounding",
    [
        Raw(b"5"),
        Raw(b'{"groundingSupports":[{"groundingChunkIndices":["x"]}]}'),
        Raw(b'{"groundingChunks":[{"web":{"uri":"\xff"}}]}'),
        Raw(b'{"webSearchQueries":["q"]}'),
        grounded('{"groundingChunkIndices":[0]}'),
        grounded('{"segment":{"endIndex":1},"groundingChunkIndices":[1]}'),
        grounded('{"segment":{"endIndex":1},"groundingChunkIndices":[-1]}'),
        grounded('{"segment":{"endIndex":1},"groundingChunkIndices":[0]}', chunks='{"retrievedContext":{}}'),
    ],
)
def test_grounding_that_cites_nothing_readable_gives_no_citation(grounding: Raw) -> None:
    assert citations(grounding, "text") == []


def test_log_probabilities_with_their_alternatives() -> None:
    result = Raw(
        b'{"chosenCandidates":[{"token":"\xc3\xa9","logProbability":-0.1},{"token":"b","logProbability":-2}],'
        b'"topCandidates":[{"candidates":[{"token":"e","logProbability":-3}]}]}'
    )
    assert log_probabilities(result) == [
        {
            "token": "é",
            "logprob": -0.1,
            "bytes": [195, 169],
            "top_logprobs": [{"token": "e", "logprob": -3.0, "bytes": [101]}],
        },
        {"token": "b", "logprob": -2.0, "bytes": [98], "top_logprobs": []},
    ]


@pytest.mark.parametrize("result", [Raw(b"[]"), Raw(b'{"chosenCandidates":[{"token":"\xff"}]}'), Raw(b"{}")])
def test_log_probabilities_of_another_form_are_left_out(result: Raw) -> None:
    assert log_probabilities(result) == []
