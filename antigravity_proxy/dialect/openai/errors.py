"""Errors in OpenAI's form (translation.md 10). Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.dialect.http import error_headers
from antigravity_proxy.errors import ProxyError

#: status → type; every other one below 500 is the request's fault, and never "server_error": clients would retry it
_TYPES = {403: "permission_error", 429: "rate_limit_error"}
#: those that have a type of their own
_TYPES_BY_CODE = {"moderation_blocked": "image_generation_user_error"}
#: codes that OpenAI's own API uses; other errors have none
_CODES = {
    "client_limited": "rate_limit_exceeded",
    "context_length_exceeded": "context_length_exceeded",
    "invalid_api_key": "invalid_api_key",
    "model_not_found": "model_not_found",
    "moderation_blocked": "moderation_blocked",
    "previous_response_not_found": "previous_response_not_found",
    "rate_limited": "rate_limit_exceeded",
    "upstream_timeout": "timeout",
}


def error_object(error: ProxyError) -> dict[str, Any]:
    """The ``error`` object, as in an answer's body and in a stream."""
    kind = "server_error" if error.status >= 500 else _TYPES.get(error.status, "invalid_request_error")
    kind = _TYPES_BY_CODE.get(error.code, kind)
    return {"message": error.message, "type": kind, "param": error.param, "code": _code(error)}


def _code(error: ProxyError) -> str | None:
    return error.code if error.shows_code else _CODES.get(error.code)


def render(error: ProxyError, request_id: str) -> Rendered:
    """The complete answer."""
    body = msgspec.json.encode({"error": error_object(error)})
    return Rendered(error.status, body, (*error_headers(error), (b"x-request-id", request_id.encode())))
