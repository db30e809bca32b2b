"""The client dialects, one table each: how its requests are decoded, its errors and model lists rendered. Pure.

The one place where operations and dialects meet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from msgspec import Struct

from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.catalogue import PublicModel
from antigravity_proxy.canonical.embedding import EmbeddingCall, Vectors
from antigravity_proxy.dialect.anthropic import answer as anthropic_answer
from antigravity_proxy.dialect.anthropic import errors as anthropic_errors
from antigravity_proxy.dialect.anthropic import models as anthropic_models
from antigravity_proxy.dialect.anthropic import request as anthropic_request
from antigravity_proxy.dialect.base import Decoded, Rendered, RenderError
from antigravity_proxy.dialect.gemini import answer as gemini_answer
from antigravity_proxy.dialect.gemini import embeddings as gemini_embeddings
from antigravity_proxy.dialect.gemini import errors as gemini_errors
from antigravity_proxy.dialect.gemini import models as gemini_models
from antigravity_proxy.dialect.gemini import request as gemini_request
from antigravity_proxy.dialect.openai import (
    audio_request,
    chat_request,
    completions_request,
    images_request,
    speech,
)
from antigravity_proxy.dialect.openai import embeddings as openai_embeddings
from antigravity_proxy.dialect.openai import errors as openai_errors
from antigravity_proxy.dialect.openai import models as openai_models
from antigravity_proxy.web.routes import DialectName, Operation


class Incoming(Struct, frozen=True):
    """The parts of a request that a decoder needs.

    ``model`` is the path's; ``query`` has the last of a repeated field. ``anthropic``: its ``anthropic-version``
    and ``anthropic-beta``, where an upstream may take the body unchanged.
    """

    body: bytes
    content_type: str
    model: str
    query: Mapping[str, str]
    anthropic: tuple[str, str] | None = None


class TokenCount(Struct, frozen=True):
    """An operation that counts tokens. ``decode`` raises BadRequest."""

    decode: Callable[[Incoming], Call]
    render: Callable[[int], Rendered]


class Embedding(Struct, frozen=True):
    """A decoded request for vectors, and how they are rendered."""

    call: EmbeddingCall
    render: Callable[[Vectors], Rendered]


class Dialect(Struct, frozen=True):
    """One client dialect.

    ``id_header`` carries our id of the request. Where a path is of several dialects, one of the headers ``marks`` makes
    the request one of this. ``decoders`` raise BadRequest. ``render_models`` takes the query, and raises BadRequest;
    ``render_model`` takes the name that was asked for, and raises ModelNotFound for None.
    """

    name: DialectName
    id_header: bytes
    marks: tuple[bytes, ...]
    render_error: RenderError
    render_models: Callable[[Sequence[PublicModel], Mapping[str, str]], Rendered]
    render_model: Callable[[PublicModel | None, str], Rendered]
    decoders: Mapping[Operation, Callable[[Incoming], Decoded]]
    counts: Mapping[Operation, TokenCount]
    embeddings: Mapping[Operation, Callable[[Incoming], Embedding]] = {}


def _openai_embedding(body: bytes) -> Embedding:
    wanted = openai_embeddings.decode(body)
    return Embedding(wanted.call, partial(openai_embeddings.render, wanted))


_OPENAI = Dialect(
    name="openai",
    id_header=b"x-request-id",
    marks=(),
    render_error=openai_errors.render,
    render_models=openai_models.render_list,
    render_model=openai_models.render_one,
    decoders={
        Operation.CHAT: lambda incoming: chat_request.decode(incoming.body),
        Operation.COMPLETIONS: lambda incoming: completions_request.decode(incoming.body),
        Operation.IMAGES: lambda incoming: images_request.decode(incoming.body),
        Operation.IMAGE_EDITS: lambda incoming: images_request.decode_edit(incoming.body, incoming.content_type),
        Operation.TRANSCRIPTIONS: lambda incoming: audio_request.decode_transcription(
            incoming.body, incoming.content_type
        ),
        Operation.SPEECH: lambda incoming: speech.decode(incoming.body),
        Operation.TRANSLATIONS: lambda incoming: audio_request.decode_translation(incoming.body, incoming.content_type),
    },
    counts={},
    embeddings={Operation.EMBEDDINGS: lambda incoming: _openai_embedding(incoming.body)},
)
_ANTHROPIC = Dialect(
    name="anthropic",
    id_header=b"request-id",
    marks=(b"anthropic-version",),
    render_error=anthropic_errors.render,
    render_models=anthropic_models.render_list,
    render_model=anthropic_models.render_one,
    decoders={Operation.MESSAGE: lambda incoming: anthropic_request.decode(incoming.body, incoming.anthropic)},
    counts={
        Operation.MESSAGE_COUNT: TokenCount(
            lambda incoming: anthropic_request.decode_count(incoming.body, incoming.anthropic),
            anthropic_answer.render_count,
        )
    },
)
_GEMINI = Dialect(
    name="gemini",
    id_header=b"x-request-id",
    marks=(b"x-goog-api-key", b"x-goog-api-client"),
    render_error=gemini_errors.render,
    render_models=gemini_models.render_list,
    render_model=gemini_models.render_one,
    decoders={
        Operation.GEMINI_GENERATE: lambda incoming: gemini_request.decode(
            incoming.body, incoming.model, stream=False, alt=None
        ),
        Operation.GEMINI_STREAM: lambda incoming: gemini_request.decode(
            incoming.body, incoming.model, stream=True, alt=incoming.query.get("alt", incoming.query.get("$alt"))
        ),
    },
    counts={
        Operation.GEMINI_COUNT: TokenCount(
            lambda incoming: gemini_request.decode_count(incoming.body, incoming.model), gemini_answer.render_count
        )
    },
    embeddings={
        Operation.GEMINI_EMBED: lambda incoming: Embedding(
            gemini_embeddings.decode(incoming.body, incoming.model), gemini_embeddings.render
        ),
        Operation.GEMINI_EMBED_BATCH: lambda incoming: Embedding(
            gemini_embeddings.decode_batch(incoming.body, incoming.model), gemini_embeddings.render_batch
        ),
    },
)
#: by name; where a request has the marks of several, the first of them counts
DIALECTS: Mapping[DialectName, Dialect] = {"anthropic": _ANTHROPIC, "gemini": _GEMINI, "openai": _OPENAI}
_MARKED = tuple((mark, dialect.name) for dialect in DIALECTS.values() for mark in dialect.marks)


def marked(has_header: Callable[[bytes], bool]) -> DialectName | None:
    """The dialect that a request's headers mark, None where none does."""
    for mark, name in _MARKED:
        if has_header(mark):
            return name
    return None
