"""Estimates of token counts."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Raw

from antigravity_proxy.canonical.call import Call, FunctionDeclaration
from antigravity_proxy.canonical.content import Blob, Content, FileData, FunctionCall, FunctionResponse, Part
from antigravity_proxy.canonical.estimate import around_tokens, input_tokens, text_tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("a", 1),
        ("abcd", 1),
        ("abcde", 2),
        ("é" * 6, 3),
        ("привет мир", 5),
        ("漢字" * 10, 15),
        ("漢字漢字漢字abcde", 7),
    ],
)
def test_text_by_its_bytes_and_cjk_by_its_characters_where_that_is_more(text: str, expected: int) -> None:
    assert text_tokens(text) == expected


def test_every_kind_of_part_counts() -> None:
    parts = [
        (Part(text="abcdefgh"), 2),
        (Part(function_call=FunctionCall("name", Raw(b'{"a":1}'))), 3),
        (Part(inline_data=Blob("image/png", "AAAA")), 258),
        (Part(inline_data=Blob("application/pdf", "A" * 100_000)), 516),
        (Part(inline_data=Blob("audio/mp3", "A" * 30_000)), 64),
        (Part(file_data=FileData("gs://x")), 258),
        (Part(thought=True), 0),
    ]
    for part, expected in parts:
        assert input_tokens(Call("m", (Content("user", (part,)),))) == expected
    image = Part(inline_data=Blob("image/png", "AAAA"))
    result = Part(function_response=FunctionResponse("f", Raw(b'{"a":12}'), parts=(image,)))
    assert input_tokens(Call("m", (Content("user", (result, image)),))) == 2 + 258 + 258
    words = Part(function_response=FunctionResponse("f", Raw(b'{"a":12}'), parts=(Part(text="abcd"),)))
    assert input_tokens(Call("m", (Content("user", (words,)),))) == 2 + 1


def test_system_texts_and_tools_count() -> None:
    schema = {"type": "object"}
    tools = (FunctionDeclaration("f", "four", schema), FunctionDeclaration("name"))
    call = Call("m", (Content("user", (Part(text="hello"),)),), system=("abcd", "abcd"), tools=tools)
    assert around_tokens(call) == 2 + 2 + -(-len(msgspec.json.encode(schema)) // 4) + 1
    assert input_tokens(call) == around_tokens(call) + 2
