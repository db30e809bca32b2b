"""Estimates token counts where upstream gives none. Pure (translation.md 2.10)."""

from __future__ import annotations

import msgspec

from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.content import Blob, Part

_BYTES_PER_TOKEN = 4
#: for scripts such as Chinese, where a character is most of a token
_TOKENS_PER_WIDE_CHARACTER = 0.6
#: for a picture, or a page of a document
TOKENS_PER_MEDIA = 258
#: of base64, for a page of PDF
_CHARACTERS_PER_PAGE = 66_667
#: of sound
TOKENS_PER_SECOND = 32
#: of base64, for a second of sound at 128 kbit/s
_CHARACTERS_PER_SECOND = 21_333


def text_size(text: str) -> int:
    """Its UTF-8 bytes; costs nothing for ASCII."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def tokens(size: int) -> int:
    """The tokens of this many UTF-8 bytes of text."""
    return -(-size // _BYTES_PER_TOKEN)


def text_tokens(text: str) -> int:
    """The tokens of a text. More than two bytes a character, on average, are taken for CJK."""
    size = text_size(text)
    if size > 2 * len(text):
        return max(tokens(size), round(len(text) * _TOKENS_PER_WIDE_CHARACTER))
    return tokens(size)


def around_tokens(call: Call) -> int:
    """The tokens of everything around the conversation: system texts and tool declarations."""
    total = sum(map(text_tokens, call.system)) if call.system else 0
    for tool in call.tools:
        total += text_tokens(tool.name + tool.description)
        if tool.parameters is not None:
            total += tokens(len(msgspec.json.encode(tool.parameters)))
    return total


def input_tokens(call: Call) -> int:
    """The tokens of a call's whole input."""
    total = around_tokens(call) if call.system or call.tools else 0
    for content in call.contents:
        for part in content.parts:
            total += text_tokens(part.text) if part.text else _part_tokens(part)
    return total


def _part_tokens(part: Part) -> int:
    if part.text:
        return text_tokens(part.text)
    if part.function_call is not None:
        return tokens(len(part.function_call.name) + len(bytes(part.function_call.args)))
    if part.function_response is not None:
        response = part.function_response
        return tokens(len(bytes(response.response))) + sum(map(_part_tokens, response.parts))
    if part.inline_data is not None:
        return _media_tokens(part.inline_data)
    return TOKENS_PER_MEDIA if part.file_data is not None else 0


def _media_tokens(blob: Blob) -> int:
    if blob.mime_type == "application/pdf":
        return TOKENS_PER_MEDIA * -(-len(blob.data) // _CHARACTERS_PER_PAGE)
    if blob.mime_type.startswith("audio/"):
        return TOKENS_PER_SECOND * -(-len(blob.data) // _CHARACTERS_PER_SECOND)
    return TOKENS_PER_MEDIA
