"""Pieces of upstream's answers as dialects show them: arguments, ids, code, images, grounding. Pure (translation.md 2).

Upstream's own JSON inside a part was only skimmed until now: what is of another form than expected counts as absent.
"""

from __future__ import annotations

import re

import msgspec
from msgspec import Raw, Struct

from antigravity_proxy.canonical.content import Blob, FunctionCall, Part
from antigravity_proxy.dialect.base import Stamp

#: what reading a piece of upstream's answer may raise
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError)
_GOOD_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class _Code(Struct):
    language: str = ""
    code: str = ""


class _Result(Struct):
    outcome: str = ""
    output: str = ""


class Web(Struct):
    """A page that a search found."""

    uri: str = ""
    title: str = ""


class Source(Struct):
    """The sources of an answer; only web pages are of use."""

    web: Web | None = None


class Segment(Struct, rename="camel"):
    """A stretch of the answer's text, in UTF-8 bytes."""

    start_index: int = 0
    end_index: int = 0


class Support(Struct, rename="camel"):
    """Which sources a stretch rests on, by their indices."""

    segment: Segment | None = None
    grounding_chunk_indices: list[int] = []


class Grounding(Struct, rename="camel"):
    """The results of a web search (translation.md 2.8)."""

    web_search_queries: list[str] = []
    grounding_chunks: list[Source] = []
    grounding_supports: list[Support] = []

    def page(self, index: int) -> Web | None:
        """The page of that index, if there is one."""
        return self.grounding_chunks[index].web if 0 <= index < len(self.grounding_chunks) else None


def grounding(metadata: Raw) -> Grounding:
    """``groundingMetadata``; empty where its form is not the expected one."""
    try:
        return msgspec.json.decode(metadata, type=Grounding)
    except UNREADABLE:
        return Grounding()


def call_id(call: FunctionCall, prefix: str, stamp: Stamp, signature: str) -> str:
    """A call's id: upstream's own if that is a good one, else a random one (translation.md 2.3).

    Its signature, if it has one, comes together with it: the client may drop that.
    """
    identity = call.id if _GOOD_ID.fullmatch(call.id) else prefix + stamp.hex(24)
    if signature and stamp.signed is not None:
        stamp.signed(identity, signature)
    return identity


def compact(args: Raw) -> str:
    """Arguments as compact JSON text: same values, digits and key order, no white space. Always an object."""
    text = msgspec.json.format(bytes(args), indent=-1).decode("utf-8", "replace") if args else ""
    return text if text.startswith("{") else "{}"


def data_url(blob: Blob) -> str:
    """Inline data as a URL."""
    return f"data:{blob.mime_type};base64,{blob.data}"


def code_block(part: Part) -> str:
    """Code that the model ran, or its output, as fenced Markdown."""
    try:
        if part.executable_code:
            code = msgspec.json.decode(part.executable_code, type=_Code)
            language = "" if code.language == "LANGUAGE_UNSPECIFIED" else code.language.lower()
            return f"\n```{language}\n{code.code}\n```\n"
        return f"\n```\n{msgspec.json.decode(part.code_execution_result, type=_Result).output}\n```\n"
    except UNREADABLE:
        return ""


def unfenced(text: str) -> str:
    """JSON without the code fence that some models add even if asked not to (translation.md 2.5)."""
    first, _, rest = text.strip().partition("\n")
    if first.rstrip() in ("```", "```json") and rest.endswith("```"):
        return rest[:-3].rstrip()
    return text
