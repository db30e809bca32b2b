"""Anthropic's error bodies as facts; Google's go before them. Pure (official-upstreams.md 6.1)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from antigravity_proxy.canonical.verdict import Failure

#: kinds of errors, with the HTTP status and Google's name of each
_KINDS = {
    "invalid_request_error": (400, "INVALID_ARGUMENT"),
    "authentication_error": (401, "UNAUTHENTICATED"),
    "billing_error": (402, "RESOURCE_EXHAUSTED"),
    "permission_error": (403, "PERMISSION_DENIED"),
    "not_found_error": (404, "NOT_FOUND"),
    "request_too_large": (413, "INVALID_ARGUMENT"),
    "rate_limit_error": (429, "RESOURCE_EXHAUSTED"),
    "api_error": (500, "INTERNAL"),
    "timeout_error": (504, "DEADLINE_EXCEEDED"),
    "overloaded_error": (529, "UNAVAILABLE"),
}


def completed(read: Failure, body: bytes, *, in_stream: bool) -> Failure:
    """A failure that was read as one of Google's, with its kind if the body is Anthropic's.

    ``in_stream``: it came within an answer, so the kind alone determines the status.
    """
    error = _error(body)
    kind = error.get("type")
    if not isinstance(kind, str) or kind not in _KINDS:
        return read
    status, name = _KINDS[kind]
    return replace(read, http_status=status if in_stream else read.http_status, status=name, reason=kind)


def _error(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    error = value.get("error") if isinstance(value, dict) else None
    return error if isinstance(error, dict) else {}
