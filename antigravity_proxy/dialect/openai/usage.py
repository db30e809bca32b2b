"""The tokens of an answer, for all OpenAI endpoints (translation.md 2.9). Pure."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from antigravity_proxy.canonical.chunk import Chunk, Usage
from antigravity_proxy.canonical.estimate import tokens


class Counted(Struct, frozen=True):
    """Token counts: ``input`` with the cached ones, ``output`` with those of reasoning."""

    input: int
    output: int
    cached: int
    reasoning: int


def counted(usage: Usage | None, input_estimate: int, size: int) -> Counted:
    """The usage as upstream counted it, what is missing estimated: never 0 and 0.

    ``input_estimate`` in tokens, ``size`` in UTF-8 bytes of what was delivered.
    """
    found = Usage() if usage is None else usage
    return Counted(
        found.input_tokens or max(1, input_estimate),
        found.output_tokens or tokens(size),
        found.cached_content_token_count,
        found.thoughts_token_count,
    )


class _Modality(Struct, rename="camel"):
    modality: str = ""
    token_count: int = 0


class _Details(Struct, frozen=True, rename="camel"):
    prompt_tokens_details: tuple[_Modality, ...] = ()


class _Told(Struct, rename="camel"):
    usage_metadata: _Details = _Details()


_told = msgspec.json.Decoder(_Told)


def text_tokens_of(chunk: Chunk) -> int | None:
    """The number of the prompt's tokens that are text, if upstream reports it; else None.

    Only answers about media ask, so this is read from the chunk's JSON text, and not in every event.
    """
    try:
        details = _told.decode(chunk.json).usage_metadata.prompt_tokens_details
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return sum(each.token_count for each in details if each.modality == "TEXT") if details else None
