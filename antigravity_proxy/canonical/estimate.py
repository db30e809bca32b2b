"""Estimates token counts where upstream gives none. Pure (translation.md 2.10)."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.content import Content, Part

BYTES_PER_TOKEN = 4
TOKENS_PER_MEDIA = 258
#: for scripts such as Chinese, where a character is most of a token
TOKENS_PER_WIDE_CHARACTER = 0.6


def text_tokens(text: str) -> int:
    """The tokens of a text."""
    if text.isascii():
        return -(-len(text) // BYTES_PER_TOKEN)
    wide = sum(1 for c in text if c > "⺀")
    by_bytes = -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)
    return max(by_bytes, round(len(text) * TOKENS_PER_WIDE_CHARACTER)) if wide * 2 > len(text) else by_bytes


def around_tokens(call: Call) -> int:
    """The tokens of what stands around the conversation: system texts and tool declarations."""
    total = sum(map(text_tokens, call.system))
    for tool in call.tools:
        total += text_tokens(tool.name + tool.description)
        total += text_tokens(msgspec.json.encode(tool.parameters).decode())
    return total


def input_tokens(call: Call) -> int:
    """The tokens of a call's whole input."""
    return around_tokens(call) + contents_tokens(call.contents)


def contents_tokens(contents: Iterable[Content]) -> int:
    """The tokens of a conversation."""
    return sum(_part_tokens(part) for content in contents for part in content.parts)


def _part_tokens(part: Part) -> int:
    if part.text:
        return text_tokens(part.text)
    if part.function_call is not None:
        return -(-(len(part.function_call.name) + len(bytes(part.function_call.args))) // BYTES_PER_TOKEN)
    if part.function_response is not None:
        return -(-len(bytes(part.function_response.response)) // BYTES_PER_TOKEN) + sum(
            map(_part_tokens, part.function_response.parts)
        )
    return TOKENS_PER_MEDIA if part.inline_data is not None or part.file_data is not None else 0
