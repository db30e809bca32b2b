"""The tokens of an answer, for all OpenAI endpoints (translation.md 2.9). Pure."""

from __future__ import annotations

from msgspec import Struct

from antigravity_proxy.canonical.chunk import Usage
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
    found = usage or Usage()
    return Counted(
        found.input_tokens or max(1, input_estimate),
        found.output_tokens or tokens(size),
        found.cached_content_token_count,
        found.thoughts_token_count,
    )
