"""Pieces of answers that dialects share."""

from __future__ import annotations

import pytest
from msgspec import Raw
from msgspec.structs import replace

from antigravity_proxy.canonical.content import Blob, FunctionCall, Part
from antigravity_proxy.dialect.base import Stamp
from antigravity_proxy.dialect.parts import Grounding, Web, call_id, code_block, compact, data_url, grounding, unfenced

STAMP = Stamp(0, lambda digits: "0" * digits)
MADE = "toolu_" + "0" * 24


@pytest.mark.parametrize(
    ("upstream", "sent"),
    [
        ("toolu_vrtx_01", "toolu_vrtx_01"),
        ("a" * 64, "a" * 64),
        ("", MADE),
        ("a" * 65, MADE),
        ("a.b", MADE),
        ("a\n", MADE),
    ],
)
def test_a_good_id_is_kept_and_any_other_made_anew(upstream: str, sent: str) -> None:
    told: list[tuple[str, str]] = []
    stamp = replace(STAMP, signed=lambda *signed: told.append(signed))
    for each in (STAMP, stamp):
        assert call_id(FunctionCall("f", id=upstream), "toolu_", each, "sig") == sent
    assert call_id(FunctionCall("f", id=upstream), "toolu_", stamp, "") == sent
    assert told == [(sent, "sig")]


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (b"", "{}"),
        (b"{}", "{}"),
        (b"null", "{}"),
        (b"[1]", "{}"),
        (b' { "b" : [1, 2.50, 1e3] ,\n "a" : 123456789012345678901234567890 } ', None),
        ('{"city": "Tromsø"}'.encode(), '{"city":"Tromsø"}'),
        (b'{"a": "\xff"}', '{"a":"�"}'),
    ],
)
def test_arguments_are_compact_and_otherwise_as_the_model_wrote_them(args: bytes, text: str | None) -> None:
    expected = text if text is not None else '{"b":[1,2.50,1e3],"a":123456789012345678901234567890}'
    assert compact(Raw(args)) == expected


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        (Part(executable_code=Raw(b'{"language":"PYTHON","code":"x"}')), "\n```python\nx\n```\n"),
        (Part(executable_code=Raw(b'{"language":"LANGUAGE_UNSPECIFIED","code":"x"}')), "\n```\nx\n```\n"),
        (Part(code_execution_result=Raw(b'{"outcome":"OUTCOME_FAILED"}')), "\n```\n\n```\n"),
        (Part(executable_code=Raw(b"5")), ""),
        (Part(code_execution_result=Raw(b'{"output":"\xff"}')), ""),
    ],
)
def test_code_is_fenced(part: Part, shown: str) -> None:
    assert code_block(part) == shown


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ('```json\n{"a": "```"}\n```\n', '{"a": "```"}'),
        ("```\n[1]```", "[1]"),
        ('{"a": 1}', '{"a": 1}'),
        ("Here: ```json\n{}\n```", "Here: ```json\n{}\n```"),
        ("```python\nx\n```", "```python\nx\n```"),
    ],
)
def test_a_fence_around_the_whole_is_taken_away(text: str, bare: str) -> None:
    assert unfenced(text) == bare


def test_inline_data_as_a_url() -> None:
    assert data_url(Blob("image/png", "AAAA")) == "data:image/png;base64,AAAA"


def test_pages_of_a_search_by_their_index() -> None:
    found = grounding(Raw(b'{"webSearchQueries":["q"],"groundingChunks":[{"web":{"uri":"u","title":"t"}},{}]}'))
    assert found.web_search_queries == ["q"]
    assert [found.page(i) for i in (-1, 0, 1, 2)] == [None, Web("u", "t"), None, None]


@pytest.mark.parametrize("metadata", [b"5", b'{"webSearchQueries":[5]}', b'{"webSearchQueries":["\xff"]}'])
def test_unreadable_grounding_is_none(metadata: bytes) -> None:
    assert grounding(Raw(metadata)) == Grounding()
