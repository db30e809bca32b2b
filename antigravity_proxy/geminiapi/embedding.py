"""Vectors by the Gemini API: ``:batchEmbedContents`` (official-upstreams.md 8.2). Pure."""

from __future__ import annotations

import math

import msgspec
from msgspec import Raw, Struct

from antigravity_proxy.canonical.embedding import EmbeddingCall, Vectors
from antigravity_proxy.canonical.models import Model

#: contents of one request; more go in several, in order
AT_ONCE = 100
#: vectors of this model are of length 1 only in their full size
_NOT_NORMALISED = "gemini-embedding-001"


class _Values(Struct):
    values: tuple[float, ...] = ()


class _Usage(Struct, rename="camel"):
    prompt_token_count: int = 0


class _Answer(Struct, rename="camel"):
    embeddings: tuple[_Values, ...] = ()
    usage_metadata: _Usage | None = None


def bodies(call: EmbeddingCall, model: Model) -> list[bytes]:
    """The bodies of the requests that the call takes."""
    name = Raw(msgspec.json.encode(f"models/{model.id}"))
    requests = [
        {"model": name, "content": content, **options}
        for content, options in zip(call.contents, call.options, strict=True)
    ]
    return [
        msgspec.json.encode({"requests": requests[start : start + AT_ONCE]})
        for start in range(0, len(requests), AT_ONCE)
    ]


def read(answer: bytes, model: Model) -> Vectors:
    """The vectors of one answer; none where it can't be read."""
    try:
        found = msgspec.json.decode(answer, type=_Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Vectors(())
    values = tuple(each.values for each in found.embeddings)
    if model.id == _NOT_NORMALISED:
        values = tuple(map(_normalised, values))
    return Vectors(values, 0 if found.usage_metadata is None else max(found.usage_metadata.prompt_token_count, 0))


def _normalised(values: tuple[float, ...]) -> tuple[float, ...]:
    length = math.hypot(*values)
    return tuple(value / length for value in values) if length else values
