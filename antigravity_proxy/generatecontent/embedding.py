"""Vectors: what official upstreams take and answer alike (official-upstreams.md 8.2). Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct, field

from antigravity_proxy.canonical.embedding import Vectors
from antigravity_proxy.canonical.models import Model

#: the method for many contents, and how many it takes at once
BATCH, AT_ONCE = b":batchEmbedContents", 100
#: older than the others: its vectors are of length 1 only in their full size
FIRST = "gemini-embedding-001"


class _Statistics(Struct):
    token_count: float = 0


class _Values(Struct):
    values: tuple[float, ...] = ()
    statistics: _Statistics | None = None


class _Prediction(Struct):
    embeddings: _Values = field(default_factory=_Values)


class _Usage(Struct, rename="camel"):
    prompt_token_count: int = 0


class _Answer(Struct, rename="camel"):
    embeddings: tuple[_Values, ...] = ()
    predictions: tuple[_Prediction, ...] = ()
    usage_metadata: _Usage | None = None


def batch(requests: Iterable[dict[str, Any]]) -> bytes:
    """The body for many contents, a request for each."""
    return msgspec.json.encode({"requests": list(requests)})


def read(answer: bytes, model: Model) -> Vectors:
    """The vectors of one answer; none where it can't be read."""
    try:
        found = msgspec.json.decode(answer, type=_Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Vectors(())
    every = found.embeddings or tuple(each.embeddings for each in found.predictions)
    values = tuple(each.values for each in every)
    if model.id == FIRST:
        values = tuple(map(_normalised, values))
    counted = sum(int(each.statistics.token_count) for each in every if each.statistics is not None)
    return Vectors(values, max(found.usage_metadata.prompt_token_count if found.usage_metadata else counted, 0))


def _normalised(values: tuple[float, ...]) -> tuple[float, ...]:
    length = math.hypot(*values)
    return tuple(value / length for value in values) if length else values
