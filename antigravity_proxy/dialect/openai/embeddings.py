"""``POST /v1/embeddings`` (official-upstreams.md 8.2). Pure."""

from __future__ import annotations

import base64
import struct
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from antigravity_proxy.canonical.embedding import EmbeddingCall, Vectors
from antigravity_proxy.canonical.estimate import text_size
from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.dialect.numbers import Whole, whole
from antigravity_proxy.dialect.parse import parse
from antigravity_proxy.errors import BadRequest

#: as OpenAI's own limit
_MAX_INPUTS = 2048
_MAX_DIMENSIONS = 65_536


class _Request(Struct):
    model: str
    input: str | list[str | int | list[int]]
    dimensions: Whole | None = None
    encoding_format: Literal["float", "base64"] | None = None
    user: str | None = None


class _Embedding(Struct):
    index: int
    embedding: str | tuple[float, ...]
    object: str = "embedding"


class _Usage(Struct):
    prompt_tokens: int
    total_tokens: int


class _Answer(Struct):
    data: list[_Embedding]
    model: str
    usage: _Usage
    object: str = "list"


_decoder = msgspec.json.Decoder(_Request)


class Wanted(Struct, frozen=True):
    """A decoded request, and what its answer depends on besides."""

    call: EmbeddingCall
    as_base64: bool
    estimate: int


def decode(body: bytes) -> Wanted:
    """Reads a request; raises BadRequest with the ``param`` at fault."""
    request = parse(body, _decoder)
    texts = [request.input] if isinstance(request.input, str) else request.input
    if not texts or len(texts) > _MAX_INPUTS:
        raise BadRequest(f"From 1 to {_MAX_INPUTS} texts in one request.", param="input")
    said: list[str] = []
    for text in texts:
        if not isinstance(text, str):
            raise BadRequest("Token ids are not supported: send the text itself.", param="input")
        if not text:
            raise BadRequest("An empty text can't be embedded.", param="input")
        said.append(text)
    size = whole(request.dimensions, "dimensions", 1, _MAX_DIMENSIONS)
    options = {} if size is None else {"outputDimensionality": Raw(b"%d" % size)}
    contents = tuple(Raw(msgspec.json.encode({"parts": [{"text": text}]})) for text in said)
    call = EmbeddingCall(request.model, contents, (options,) * len(contents))
    return Wanted(call, request.encoding_format == "base64", sum(map(text_size, said)))


def render(wanted: Wanted, vectors: Vectors) -> Rendered:
    """The answer."""
    tokens = vectors.tokens or wanted.estimate
    data = [
        _Embedding(index, _encoded(values) if wanted.as_base64 else values)
        for index, values in enumerate(vectors.values)
    ]
    answer = _Answer(data, wanted.call.model, _Usage(tokens, tokens))
    return Rendered(200, msgspec.json.encode(answer), ((b"content-type", b"application/json"),))


def _encoded(values: tuple[float, ...]) -> str:
    """Little-endian floats of 32 bits, in base64."""
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
