"""The rarer parts of all OpenAI answers: citations, log probabilities (translation.md 2.8, 2.11). Pure."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from antigravity_proxy.dialect.pieces import UNREADABLE, grounding


class _LogProb(Struct, rename="camel"):
    token: str = ""
    log_probability: float = 0.0


class _Top(Struct):
    candidates: list[_LogProb] = []


class _LogProbs(Struct, rename="camel"):
    chosen_candidates: list[_LogProb] = []
    top_candidates: list[_Top] = []


def citations(metadata: Raw, text: str) -> list[dict[str, Any]]:
    """What a text cites, and where. Upstream counts UTF-8 bytes, OpenAI characters."""
    found = grounding(metadata)
    octets = text.encode()
    cited: list[dict[str, Any]] = []
    for support in found.grounding_supports:
        if support.segment is None:
            continue
        start = len(octets[: support.segment.start_index].decode(errors="ignore"))
        end = len(octets[: support.segment.end_index].decode(errors="ignore"))
        pages = filter(None, map(found.page, support.grounding_chunk_indices))
        cited += ({"start_index": start, "end_index": end, "url": page.uri, "title": page.title} for page in pages)
    return cited


def log_probabilities(result: Raw) -> list[dict[str, Any]]:
    """Each token's log probability and others'; empty where upstream's form is not the expected one."""
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
