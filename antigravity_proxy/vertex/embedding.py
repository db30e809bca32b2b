"""What Vertex AI is asked for vectors (official-upstreams.md 8.2). Pure."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from antigravity_proxy.canonical.embedding import EmbeddingCall
from antigravity_proxy.canonical.models import Model
from antigravity_proxy.errors import BadRequest
from antigravity_proxy.generatecontent.embedding import AT_ONCE, BATCH, FIRST, batch

_PREDICT = b":predict"
#: an option's name in ``:predict``, where it is another
_NAMES = {"taskType": "task_type"}


class _Part(Struct):
    text: str | None = None


class _Content(Struct):
    parts: list[_Part] = []


def method(model: Model) -> bytes:
    """The method that makes the model's vectors."""
    return _PREDICT if model.id == FIRST or "gemini" not in model.id else BATCH


def at_once(model: Model) -> int:
    """How many contents one request may have: one with ``:predict`` (Google's page on text embeddings)."""
    return AT_ONCE if method(model) == BATCH else 1


def body(call: EmbeddingCall, model: Model) -> bytes:
    """The body for as many contents. Raises BadRequest for a content that is not text, where only text is read."""
    pairs = zip(call.contents, call.options, strict=True)
    if method(model) == BATCH:
        requests = ({"content": content, "embedContentConfig": options} for content, options in pairs)
        return batch({name: value for name, value in each.items() if value} for each in requests)
    [(content, options)] = pairs
    return _prediction(content, dict(options))


def _prediction(content: Raw, options: dict[str, Raw]) -> bytes:
    size = options.pop("outputDimensionality", None)
    instance: dict[str, Any] = {"content": _text(content)}
    instance |= {_NAMES.get(name, name): value for name, value in options.items()}
    parameters = {} if size is None else {"parameters": {"outputDimensionality": size}}
    return msgspec.json.encode({"instances": [instance]} | parameters)


def _text(content: Raw) -> str:
    try:
        parts = msgspec.json.decode(content, type=_Content).parts
    except msgspec.MsgspecError:
        parts = []
    texts = [part.text for part in parts if part.text is not None]
    if not texts or len(texts) < len(parts):
        raise BadRequest("This model makes vectors of text alone.", param="content")
    return "".join(texts)
