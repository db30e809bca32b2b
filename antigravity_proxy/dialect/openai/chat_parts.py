"""The rarer parts of a chat answer, in chat's forms: calls, images, citations (translation.md 2.8, 3.2). Pure."""

from __future__ import annotations

from typing import Any

from msgspec import Raw

from antigravity_proxy.canonical.content import Blob, FunctionCall
from antigravity_proxy.dialect.base import Stamp
from antigravity_proxy.dialect.openai import answer_parts, free_text
from antigravity_proxy.dialect.pieces import call_id, compact, data_url


def tool_call(call: FunctionCall, signature: str, stamp: Stamp, custom: frozenset[str]) -> dict[str, Any]:
    """One call, in the form of a message."""
    out: dict[str, Any] = {"id": call_id(call, "call_", stamp, signature)}
    args = compact(call.args)
    if call.name in custom:
        out |= {"type": "custom", "custom": {"name": call.name, "input": free_text.called_with(args)}}
    else:
        out |= {"type": "function", "function": {"name": call.name, "arguments": args}}
    if signature:
        out["extra_content"] = {"google": {"thought_signature": signature}}
    return out


def image(blob: Blob, index: int) -> dict[str, Any]:
    """A generated image, in the form that OpenRouter made common."""
    return {
        "type": "image_url",
        "index": index,
        "image_url": {"url": data_url(blob)},
    }


def citations(grounding: Raw, text: str) -> list[dict[str, Any]]:
    """``annotations``: the citations of a web search."""
    return [{"type": "url_citation", "url_citation": cited} for cited in answer_parts.citations(grounding, text)]
