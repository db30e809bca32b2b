"""The rarer parts of a chat answer: calls, images, citations, log probabilities (translation.md 2, 3). Pure."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from antigravity_proxy.canonical.content import Blob, FunctionCall
from antigravity_proxy.dialect.base import Stamp
from antigravity_proxy.dialect.pieces import UNREADABLE, call_id, compact, data_url, grounding


class _LogProb(Struct, rename="camel"):
    token: str = ""
    log_probability: float = 0.0


class _Top(Struct):
    candidates: list[_LogProb] = []


class _LogProbs(Struct, rename="camel"):
    chosen_candidates: list[_LogProb] = []
    top_candidates: list[_Top] = []


def tool_call(call: FunctionCall, signature: str, stamp: Stamp, custom: frozenset[str]) -> dict[str, Any]:
    """One call, in the form of a message."""
    out: dict[str, Any] = {"id": call_id(call, "call_", stamp)}
    args = compact(call.args)
    if call.name in custom:
        out |= {"type": "custom", "custom": {"name": call.name, "input": _free_text(args)}}
    else:
        out |= {"type": "function", "function": {"name": call.name, "arguments": args}}
    if signature:
        out["extra_content"] = {"google": {"thought_signature": signature}}
    return out


def _free_text(args: str) -> str:
    """The text that a free-text tool was called with; all arguments, if the model gave others."""
    try:
        value = msgspec.json.decode(args, type=dict[str, Any]).get("input")
    except msgspec.MsgspecError:
        return args
    return value if isinstance(value, str) else args


def image(blob: Blob, index: int) -> dict[str, Any]:
    """A generated image, in the form that OpenRouter made common."""
    return {
        "type": "image_url",
        "index": index,
        "image_url": {"url": data_url(blob)},
    }


def citations(metadata: Raw, text: str) -> list[dict[str, Any]]:
    """Citations of a web search. Upstream counts UTF-8 bytes, OpenAI characters (translation.md 2.8)."""
    found = grounding(metadata)
    octets = text.encode()
    cited = []
    for support in found.grounding_supports:
        if support.segment is None:
            continue
        start = len(octets[: support.segment.start_index].decode(errors="ignore"))
        end = len(octets[: support.segment.end_index].decode(errors="ignore"))
        for index in support.grounding_chunk_indices:
            if (web := found.page(index)) is not None:
                citation = {"start_index": start, "end_index": end, "url": web.uri, "title": web.title}
                cited.append({"type": "url_citation", "url_citation": citation})
    return cited


def log_probabilities(result: Raw) -> list[dict[str, Any]]:
    """``logprobs.content``; empty where upstream's form is not the expected one."""
    try:
        found = msgspec.json.decode(result, type=_LogProbs)
    except UNREADABLE:
        return []
    content = []
    for position, chosen in enumerate(found.chosen_candidates):
        top = found.top_candidates[position].candidates if position < len(found.top_candidates) else []
        content.append({**_log_prob(chosen), "top_logprobs": [_log_prob(other) for other in top]})
    return content


def _log_prob(found: _LogProb) -> dict[str, Any]:
    return {"token": found.token, "logprob": found.log_probability, "bytes": list(found.token.encode())}
