"""The response object and the items of its output (translation.md 5.2). Pure.

Fields are in the order in which they are sent.
"""

from __future__ import annotations

from typing import Any

from msgspec import Raw, Struct

from antigravity_proxy.canonical.content import Blob
from antigravity_proxy.dialect.openai.usage import Counted

Item = dict[str, Any]


class ReasoningEcho(Struct, frozen=True):
    """``reasoning`` as the client set it."""

    effort: str | None = None
    summary: str | None = None


class Response(Struct, frozen=True, kw_only=True):
    """The object as every snapshot shows it; what the client set is given back."""

    id: str = ""
    object: str = "response"
    created_at: int = 0
    completed_at: int | None = None
    status: str = "in_progress"
    background: bool = False
    error: dict[str, str] | None = None
    incomplete_details: dict[str, str] | None = None
    instructions: str | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    model: str
    output: tuple[Raw, ...] = ()
    parallel_tool_calls: bool = True
    previous_response_id: str | None = None
    prompt_cache_key: str | None = None
    reasoning: ReasoningEcho = ReasoningEcho()
    safety_identifier: str | None = None
    service_tier: str = "default"
    store: bool = False
    temperature: float | None = None
    text: Raw
    tool_choice: Raw
    tools: Raw
    top_logprobs: int = 0
    top_p: float | None = None
    truncation: str = "disabled"
    usage: dict[str, Any] | None = None
    user: str | None = None
    metadata: Raw


def compaction_object(response: Response) -> dict[str, Any]:
    """A response that is a compaction, as ``/v1/responses/compact`` answers it."""
    return {
        "id": response.id,
        "object": "response.compaction",
        "created_at": response.created_at,
        "output": response.output,
        "usage": response.usage,
    }


def usage_object(usage: Counted) -> dict[str, Any]:
    """``usage`` (translation.md 2.9)."""
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": 0},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }


def reasoning_item(identity: str, text: str, signature: str) -> Item:
    """A run of thought, or the signature alone of the call that follows."""
    summary = [{"type": "summary_text", "text": text}] if text else []
    return {"type": "reasoning", "id": identity, "summary": summary, "encrypted_content": signature}


def message_item(identity: str, status: str, content: list[Item]) -> Item:
    """The model's text."""
    return {"type": "message", "id": identity, "role": "assistant", "status": status, "content": content}


def text_part(text: str, annotations: list[Item], logprobs: list[Item]) -> Item:
    """The content of a message."""
    return {"type": "output_text", "text": text, "annotations": annotations, "logprobs": logprobs}


def compaction_item(identity: str, sealed: str) -> Item:
    """The summary of a conversation."""
    return {"type": "compaction", "id": identity, "encrypted_content": sealed}


def search_item(identity: str, queries: list[str], urls: list[str], status: str) -> Item:
    """A web search that was made."""
    sources = [{"type": "url", "url": url} for url in urls]
    action = {"type": "search", "query": queries[0] if queries else "", "queries": queries, "sources": sources}
    return {"type": "web_search_call", "id": identity, "status": status, "action": action}


def image_item(identity: str, blob: Blob | None, status: str) -> Item:
    """A generated image."""
    item: Item = {"type": "image_generation_call", "id": identity, "status": status, "result": None}
    if blob is not None:
        item |= {"result": blob.data, "output_format": blob.mime_type.removeprefix("image/")}
    return item
