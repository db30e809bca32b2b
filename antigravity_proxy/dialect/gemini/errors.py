"""Errors in Gemini's form (translation.md 10). Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from antigravity_proxy.dialect.base import Rendered
from antigravity_proxy.dialect.http import error_headers
from antigravity_proxy.errors import ProxyError

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"
_ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
#: whose reasons the codes are
_DOMAIN = "antigravity-proxy"


def error_object(error: ProxyError) -> dict[str, Any]:
    """The ``error`` object, as in an answer's body and in a stream."""
    out: dict[str, Any] = {
        "code": error.status,
        "message": error.message,
        "status": error.upstream_status or _STATUSES.get(error.status, "UNKNOWN"),
    }
    details = []
    if error.shows_code:
        details.append({"@type": _ERROR_INFO, "reason": error.code.upper(), "domain": _DOMAIN})
    if error.retry_after is not None:
        details.append({"@type": _RETRY_INFO, "retryDelay": f"{error.retry_after}s"})
    if details:
        out["details"] = details
    return out


def render(error: ProxyError, request_id: str) -> Rendered:
    """The complete answer."""
    headers = (*error_headers(error), (b"x-request-id", request_id.encode()))
    return Rendered(error.status, msgspec.json.encode({"error": error_object(error)}), headers)
