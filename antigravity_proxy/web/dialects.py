"""Which dialect's functions serve which route: the one place where routes and dialects meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from msgspec.structs import replace

from antigravity_proxy.canonical.call import Call
from antigravity_proxy.canonical.catalogue import Catalogue
from antigravity_proxy.dialect.anthropic import answer as anthropic_answer
from antigravity_proxy.dialect.anthropic import errors as anthropic_errors
from antigravity_proxy.dialect.anthropic import models as anthropic_models
from antigravity_proxy.dialect.anthropic import request as anthropic_request
from antigravity_proxy.dialect.base import Decoded, Rendered, RenderError
from antigravity_proxy.dialect.gemini import answer as gemini_answer
from antigravity_proxy.dialect.gemini import errors as gemini_errors
from antigravity_proxy.dialect.gemini import models as gemini_models
from antigravity_proxy.dialect.gemini import request as gemini_request
from antigravity_proxy.dialect.openai import (
    audio_request,
    chat_request,
    completions_request,
    images_request,
    responses_request,
)
from antigravity_proxy.dialect.openai import errors as openai_errors
from antigravity_proxy.dialect.openai import models as openai_models
from antigravity_proxy.errors import ProxyError
from antigravity_proxy.web.client_keys import ClientKey
from antigravity_proxy.web.edge import GuardedRequest
from antigravity_proxy.web.routes import DialectName, Operation, Route
from antigravity_proxy.web.session_headers import session_of

_ERRORS: dict[DialectName, RenderError] = {
    "openai": openai_errors.render,
    "anthropic": anthropic_errors.render,
    "gemini": gemini_errors.render,
}


def render_error(route: Route, error: ProxyError, request_id: str) -> Rendered:
    """The error in the route's dialect."""
    return _ERRORS[route.dialect](error, request_id)


def decode(route: Route, request: GuardedRequest) -> Decoded:
    """The request's body as a call; raises BadRequest. A header that names the conversation wins over the body."""
    decoded = _DECODERS[route.operation](route, request)
    name = session_of(request.requestHeaders)
    return replace(decoded, call=replace(decoded.call, session=name)) if name else decoded


def counts(route: Route) -> bool:
    """Whether the route counts tokens."""
    return route.operation in _COUNTERS


def decode_count(route: Route, request: GuardedRequest) -> Call:
    """The body of a token count as a call; raises BadRequest."""
    return _COUNTERS[route.operation][0](route, request)


def counted(route: Route, tokens: int) -> Rendered:
    """A token count in the route's dialect."""
    return _COUNTERS[route.operation][1](tokens)


def id_header(route: Route) -> bytes:
    """The header in which the route's dialect tells our id of the request."""
    return b"request-id" if route.dialect == "anthropic" else b"x-request-id"


def models(route: Route, catalogue: Catalogue, request: GuardedRequest) -> Rendered:
    """The list of models that the client may use, or one, in the route's dialect; raises ModelNotFound, BadRequest."""
    dialect: Any = _MODELS[route.dialect]
    key: ClientKey | None = request.client_key
    listed = catalogue.public()
    if key is not None and key.models:
        listed = tuple(model for model in listed if key.may_use(catalogue.resolve(model.id).id))
    rendered: Rendered
    if route.operation is Operation.MODEL:
        found = next((model for model in listed if model.id == route.model), None)
        rendered = dialect.render_one(found, route.model)
    else:
        rendered = dialect.render_list(listed, _query(request))
    return rendered


def _chat(route: Route, request: GuardedRequest) -> Decoded:
    return chat_request.decode(request.take_body())


def _message(route: Route, request: GuardedRequest) -> Decoded:
    return anthropic_request.decode(request.take_body())


def _message_count(route: Route, request: GuardedRequest) -> Call:
    return anthropic_request.decode_count(request.take_body())


def _responses(route: Route, request: GuardedRequest) -> Decoded:
    return responses_request.decode(request.take_body())


def _completions(route: Route, request: GuardedRequest) -> Decoded:
    return completions_request.decode(request.take_body())


def _images(route: Route, request: GuardedRequest) -> Decoded:
    return images_request.decode(request.take_body())


def _image_edits(route: Route, request: GuardedRequest) -> Decoded:
    return images_request.decode_edit(request.take_body(), _content_type(request))


def _transcriptions(route: Route, request: GuardedRequest) -> Decoded:
    return audio_request.decode_transcription(request.take_body(), _content_type(request))


def _translations(route: Route, request: GuardedRequest) -> Decoded:
    return audio_request.decode_translation(request.take_body(), _content_type(request))


def _gemini_document(route: Route, request: GuardedRequest) -> Decoded:
    return gemini_request.decode(request.take_body(), route.model, stream=False, alt=None)


def _gemini_stream(route: Route, request: GuardedRequest) -> Decoded:
    query = _query(request)
    return gemini_request.decode(request.take_body(), route.model, stream=True, alt=query.get("alt", query.get("$alt")))


def _gemini_count(route: Route, request: GuardedRequest) -> Call:
    return gemini_request.decode_count(request.take_body(), route.model)


def _content_type(request: GuardedRequest) -> str:
    return (request.getHeader(b"content-type") or b"").decode("latin-1")


def _query(request: GuardedRequest) -> dict[str, str]:
    """The query's fields; of a repeated one the last."""
    return dict(parse_qsl(request.uri.partition(b"?")[2].decode("latin-1"), keep_blank_values=True))


_DECODERS: dict[Operation, Callable[[Route, GuardedRequest], Decoded]] = {
    Operation.CHAT: _chat,
    Operation.MESSAGE: _message,
    Operation.RESPONSES: _responses,
    Operation.COMPLETIONS: _completions,
    Operation.IMAGES: _images,
    Operation.IMAGE_EDITS: _image_edits,
    Operation.TRANSCRIPTIONS: _transcriptions,
    Operation.TRANSLATIONS: _translations,
    Operation.GEMINI_GENERATE: _gemini_document,
    Operation.GEMINI_STREAM: _gemini_stream,
}
_COUNTERS: dict[Operation, tuple[Callable[[Route, GuardedRequest], Call], Callable[[int], Rendered]]] = {
    Operation.MESSAGE_COUNT: (_message_count, anthropic_answer.render_count),
    Operation.GEMINI_COUNT: (_gemini_count, gemini_answer.render_count),
}
_MODELS = {"openai": openai_models, "anthropic": anthropic_models, "gemini": gemini_models}
