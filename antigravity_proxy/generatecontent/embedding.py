"""Vectors, as the official upstreams take contents and answer (official-upstreams.md 8.2). Pure."""

from __future__ import annotations

import math
from typing import Any

import msgspec
from msgspec import Raw, Struct, field

from antigravity_proxy.canonical.embedding import EmbeddingCall, Vectors
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.errors import BadRequest

BATCH, PREDICT = b":batchEmbedContents", b":predict"
#: vectors of this model are of length 1 only in their full size
_NOT_NORMALISED = "gemini-embedding-001"


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


class _Part(Struct):
    text: str | None = None


class _Content(Struct):
    parts: list[_Part] = []


def batch(call: EmbeddingCall, model: Model) -> bytes:
    """The body of ``:batchEmbedContents`` for the Gemini API."""
    name = Raw(msgspec.json.encode(f"models/{model.id}"))
    return _requests({"model": name, "content": content, **options} for content, options in _pairs(call))


def vertex_batch(call: EmbeddingCall) -> bytes:
    """The same for Vertex AI, which has the options apart."""
    return _requests(
        {"content": content, "embedContentConfig": options} if options else {"content": content}
        for content, options in _pairs(call)
    )


def predicted(model: Model) -> bool:
    """Whether Vertex AI has the model's vectors by ``:predict``."""
    return model.id == _NOT_NORMALISED or "gemini" not in model.id


def predictions(call: EmbeddingCall) -> list[bytes]:
    """The bodies of ``:predict``: one for each content, since the models take one in a request (Google's page on text
    embeddings). Raises BadRequest for a value that is not text.
    """
    bodies = []
    for content, options in _pairs(call):
        options = dict(options)
        size = options.pop("outputDimensionality", None)
        instance: dict[str, Any] = {"content": _text(content)}
        instance |= {{"taskType": "task_type"}.get(name, name): value for name, value in options.items()}
        parameters = {} if size is None else {"parameters": {"outputDimensionality": size}}
        bodies.append(msgspec.json.encode({"instances": [instance]} | parameters))
    return bodies


def read(answer: bytes, model: Model) -> Vectors:
    """The vectors of one answer; none where it can't be read."""
    try:
        found = msgspec.json.decode(answer, type=_Answer)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Vectors(())
    every = found.embeddings or tuple(each.embeddings for each in found.predictions)
    values = tuple(each.values for each in every)
    if model.id == _NOT_NORMALISED:
        values = tuple(map(_normalised, values))
    counted = sum(int(each.statistics.token_count) for each in every if each.statistics is not None)
    return Vectors(values, max(found.usage_metadata.prompt_token_count if found.usage_metadata else counted, 0))


def _pairs(call: EmbeddingCall) -> zip[tuple[Raw, dict[str, Raw]]]:
    return zip(call.contents, call.options, strict=True)


def _requests(requests: Any) -> bytes:
    return msgspec.json.encode({"requests": list(requests)})


def _text(content: Raw) -> str:
    try:
        parts = msgspec.json.decode(content, type=_Content).parts
    except msgspec.MsgspecError:
        parts = []
    texts = [part.text for part in parts if part.text is not None]
    if not texts or len(texts) < len(parts):
        raise BadRequest("This model makes vectors of text alone.", param="content")
    return "".join(texts)


def _normalised(values: tuple[float, ...]) -> tuple[float, ...]:
    length = math.hypot(*values)
    return tuple(value / length for value in values) if length else values
