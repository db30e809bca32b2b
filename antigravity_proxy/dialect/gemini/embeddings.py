"""``:embedContent`` and ``:batchEmbedContents`` (official-upstreams.md 8.2): passed through. Pure."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from antigravity_proxy.canonical.content import ABSENT
from antigravity_proxy.canonical.embedding import EmbeddingCall, Vectors
from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.dialect.parse import parse
from antigravity_proxy.errors import BadRequest

_MAX_REQUESTS = 2048
_OPTIONS = ("outputDimensionality", "taskType", "title")
_JSON = ((b"content-type", b"application/json; charset=UTF-8"),)


class _Request(Struct, rename="camel"):
    content: Raw
    model: str = ""
    output_dimensionality: Raw = ABSENT
    task_type: Raw = ABSENT
    title: Raw = ABSENT


class _Batch(Struct):
    requests: list[_Request]


_one = msgspec.json.Decoder(_Request)
_many = msgspec.json.Decoder(_Batch)


def decode(body: bytes, model: str) -> EmbeddingCall:
    """One content. Raises BadRequest."""
    return _call([parse(body, _one)], model)


def decode_batch(body: bytes, model: str) -> EmbeddingCall:
    """Several. Raises BadRequest."""
    requests = parse(body, _many).requests
    if not 0 < len(requests) <= _MAX_REQUESTS:
        raise BadRequest(f"From 1 to {_MAX_REQUESTS} requests in one batch.", param="requests")
    return _call(requests, model)


def render(vectors: Vectors) -> Rendered:
    """The answer to one."""
    return Rendered(200, msgspec.json.encode({"embedding": {"values": vectors.values[0]}}), _JSON)


def render_batch(vectors: Vectors) -> Rendered:
    """The answer to several."""
    return Rendered(200, msgspec.json.encode({"embeddings": [{"values": each} for each in vectors.values]}), _JSON)


def _call(requests: list[_Request], model: str) -> EmbeddingCall:
    options = []
    for each in requests:
        given = zip(_OPTIONS, (each.output_dimensionality, each.task_type, each.title), strict=True)
        options.append({name: value for name, value in given if bytes(value) not in (b"", b"null")})
    return EmbeddingCall(model, tuple(each.content for each in requests), tuple(options))
