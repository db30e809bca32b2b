"""Errors in Anthropic's form (translation.md 10). Pure."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.dialect.http import error_headers
from antigravity_proxy.errors import ContextOverflow, ProxyError, UpstreamOverloaded

#: Anthropic's own status for an overloaded service
OVERLOADED = 529

#: the prompt's tokens and the limit, as in "input token count (1200000) exceeds the maximum … (1048576)"
_COUNTS = re.compile(r"\b(\d{4,})\b\D+\b(\d{4,})\b")

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    OVERLOADED: "overloaded_error",
}


def error_body(error: ProxyError, request_id: str) -> dict[str, Any]:
    """The body, as in an answer and in a stream."""
    status = _status(error)
    kind = _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    message = _too_long(error.message) if isinstance(error, ContextOverflow) else error.message
    if error.param is not None and error.param not in message:  # the form has no other place for it
        message = f"{error.param}: {message}"
    if error.shows_code:  # likewise
        message = f"{message} ({error.code})"
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}


def render(error: ProxyError, request_id: str) -> Rendered:
    """The complete answer."""
    headers = (*error_headers(error), (b"request-id", request_id.encode()))
    return Rendered(_status(error), msgspec.json.encode(error_body(error, request_id)), headers)


def _status(error: ProxyError) -> int:
    return OVERLOADED if isinstance(error, UpstreamOverloaded) else error.status


def _too_long(message: str) -> str:
    """Anthropic's words for a prompt over the context; agents compact when they see them (translation.md 8.2)."""
    found = _COUNTS.search(message)
    return f"prompt is too long: {found[1]} tokens > {found[2]} maximum" if found else "prompt is too long"
