"""Token arithmetic of upstream's usage."""

from __future__ import annotations

import json

import pytest

from antigravity_proxy.canonical.chunk import UNCOUNTED, Chunk, Usage, in_envelope


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (Usage(), (0, 0)),
        (Usage(120, 30, 20, 100, 0, 170), (120, 50)),  # candidates without the thoughts
        (Usage(120, 50, 20, 100, 0, 170), (120, 50)),  # and with them
        (Usage(120, 30, 20, 0, 10, 180), (130, 50)),
        (Usage(120, 30, 20), (120, 50)),  # no total
        (Usage(120, 30, 20, total_token_count=120), (120, 50)),  # a total of the prompt alone
    ],
)
def test_input_and_output_for_either_reading_of_the_counts(usage: Usage, expected: tuple[int, int]) -> None:
    assert (usage.input_tokens, usage.output_tokens) == expected


def test_usage_that_says_nothing_counts_for_nothing() -> None:
    assert None in UNCOUNTED
    assert Usage() in UNCOUNTED
    assert Usage(prompt_token_count=1) not in UNCOUNTED


@pytest.mark.parametrize(
    "text", [b"{}", b'{"candidates": [{"index": 1}], "modelVersion": "m"}', b'{"unknown":{"response":1}}']
)
def test_the_fields_of_a_chunk_are_its_json_with_an_envelope_and_without(text: bytes) -> None:
    for raw in (text, in_envelope(text)):
        chunk = Chunk(raw=raw)
        assert chunk.json == text
        assert chunk.fields == json.loads(text)
