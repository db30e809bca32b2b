"""The rarer parts of an answer: calls' arguments, code, citations, log probabilities (translation.md 2). Pure."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Raw, Struct

from antigravity_proxy.canonical.content import FunctionCall, Part
from antigravity_proxy.dialect.base import Stamp

#: what reading a part of upstream's answer may raise: it was only skimmed until now
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError)
_GOOD_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class _Code(Struct):
    language: str = ""
    code: str = ""


class _Result(Struct):
    outcome: str = ""
    output: str = ""


class _Web(Struct):
    uri: str = ""
    title: str = ""


class _Source(Struct):
    web: _Web | None = None


class _Segment(Struct, rename="camel"):
    start_index: int = 0
    end_index: int = 0


class _Support(Struct, rename="camel"):
    segment: _Segment | None = None
    grounding_chunk_indices: list[int] = []


class _Grounding(Struct, rename="camel"):
    web_search_queries: list[str] = []
    grounding_chunks: list[_Source] = []
    grounding_supports: list[_Support] = []


class _LogProb(Struct, rename="camel"):
    token: str = ""
    log_probability: float = 0.0


class _Top(Struct):
    candidates: list[_LogProb] = []


class _LogProbs(Struct, rename="camel"):
    chosen_candidates: list[_LogProb] = []
    top_candidates: list[_Top] = []


def call_id(call: FunctionCall, stamp: Stamp) -> str:
    """The id of a call: upstream's own, if that is a good one (translation.md 2.3)."""
    return call.id if _GOOD_ID.fullmatch(call.id) else "call_" + stamp.hex(24)


def compact(args: Raw) -> str:
    """Arguments as compact JSON text: same values, digits and key order, no white space. Always an object."""
    text = msgspec.json.format(bytes(args), indent=-1).decode("utf-8", "replace") if args else ""
    return text if text.startswith("{") else "{}"


def code_block(part: Part) -> str:
    """Code that the model ran, or its output, as fenced Markdown."""
    try:
        if part.executable_code:
            code = msgspec.json.decode(part.executable_code, type=_Code)
            language = "" if code.language == "LANGUAGE_UNSPECIFIED" else code.language.lower()
            return f"\n```{language}\n{code.code}\n```\n"
        return f"\n```\n{msgspec.json.decode(part.code_execution_result, type=_Result).output}\n```\n"
    except _UNREADABLE:
        return ""


def unfenced(text: str) -> str:
    """JSON without the code fence that some models put around it even if told not to (translation.md 2.5)."""
    first, _, rest = text.strip().partition("\n")
    if first.rstrip() in ("```", "```json") and rest.endswith("```"):
        return rest[:-3].rstrip()
    return text


def citations(grounding: Raw, text: str) -> list[dict[str, Any]]:
    """Where a text cites what. Upstream counts UTF-8 bytes, OpenAI characters (translation.md 2.8)."""
    found = _grounding(grounding)
    octets = text.encode()
    cited = []
    for support in found.grounding_supports:
        if support.segment is None:
            continue
        start = len(octets[: support.segment.start_index].decode(errors="ignore"))
        end = len(octets[: support.segment.end_index].decode(errors="ignore"))
        for index in support.grounding_chunk_indices:
            web = found.grounding_chunks[index].web if 0 <= index < len(found.grounding_chunks) else None
            if web is not None:
                cited.append({"start_index": start, "end_index": end, "url": web.uri, "title": web.title})
    return cited


def searches(grounding: Raw) -> tuple[list[str], list[str]]:
    """The queries of a web search, and the URLs it found."""
    found = _grounding(grounding)
    return found.web_search_queries, [source.web.uri for source in found.grounding_chunks if source.web is not None]


def _grounding(grounding: Raw) -> _Grounding:
    try:
        return msgspec.json.decode(grounding, type=_Grounding)
    except _UNREADABLE:
        return _Grounding()


def log_probabilities(result: Raw) -> list[dict[str, Any]]:
    """``logprobs.content``; empty where upstream's form is not the expected one."""
    try:
        found = msgspec.json.decode(result, type=_LogProbs)
    except _UNREADABLE:
        return []
    content = []
    for position, chosen in enumerate(found.chosen_candidates):
        top = found.top_candidates[position].candidates if position < len(found.top_candidates) else []
        content.append({**_log_prob(chosen), "top_logprobs": [_log_prob(other) for other in top]})
    return content


def _log_prob(found: _LogProb) -> dict[str, Any]:
    return {"token": found.token, "logprob": found.log_probability, "bytes": list(found.token.encode())}
