"""Scripted faults of the simulated service, and the error bodies that it really sends (upstream.md 6.1). Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct


class Fault(Struct, frozen=True):
    """What goes wrong with one request.

    With ``status`` an error answer. Else what is set shapes a stream: ``reset`` closes the connection hard, ``before``
    the head or ``after`` that many events; ``error`` is an error object sent in the stream after ``after`` events;
    ``silent`` never answers; ``delay`` seconds pass before each event; ``events`` replaces the events' payloads;
    ``raw`` the whole body; ``unfinished`` leaves the finish reason out.
    """

    status: int = 0
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    reset: bool = False
    before: bool = False
    after: int = 1
    error: bytes = b""
    silent: bool = False
    delay: float = 0.0
    events: tuple[bytes, ...] | None = None
    raw: bytes | None = None
    unfinished: bool = False


def error(code: int, status: str, message: str, *details: dict[str, Any]) -> bytes:
    """An error body."""
    found: dict[str, Any] = {"code": code, "message": message, "status": status}
    if details:
        found["details"] = list(details)
    return msgspec.json.encode({"error": found})


def info(reason: str, **metadata: str) -> dict[str, Any]:
    """An ``ErrorInfo`` detail."""
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "cloudcode-pa.googleapis.com",
        "metadata": metadata,
    }


def retry_info(seconds: float) -> dict[str, Any]:
    """A ``RetryInfo`` detail."""
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{seconds}s"}


def quota_exhausted(reset_at: float, model: str = "gemini-3-flash") -> Fault:
    """The model's quota is used up until ``reset_at`` (epoch seconds)."""
    moment = datetime.fromtimestamp(reset_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    detail = info("QUOTA_EXHAUSTED", model=model, quotaResetTimeStamp=moment)
    message = "You have exhausted your capacity on this model."
    return Fault(429, error(429, "RESOURCE_EXHAUSTED", message, detail))


def rate_limited(seconds: float) -> Fault:
    """A burst limit."""
    details = (info("RATE_LIMIT_EXCEEDED"), retry_info(seconds))
    return Fault(429, error(429, "RESOURCE_EXHAUSTED", "Rate limit.", *details))


def bare_limit() -> Fault:
    """A 429 that says nothing."""
    return Fault(429, error(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."))


def no_capacity() -> Fault:
    """Google's own capacity is used up."""
    detail = info("MODEL_CAPACITY_EXHAUSTED")
    return Fault(503, error(503, "UNAVAILABLE", "No capacity available for model", detail))


def unauthenticated() -> Fault:
    """The access token is refused."""
    return Fault(401, error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."))


def verification_needed() -> Fault:
    """The account must be verified by its owner."""
    detail = info("VALIDATION_REQUIRED", validation_link="https://accounts.example/verify")
    return Fault(403, error(403, "PERMISSION_DENIED", "Verify your account to continue.", detail))


def forbidden() -> Fault:
    """A 403 that says nothing."""
    return Fault(403, error(403, "PERMISSION_DENIED", "The caller does not have permission"))


def failing(status: int = 500) -> Fault:
    """The service is in trouble."""
    names = {500: "INTERNAL", 502: "UNKNOWN", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}
    return Fault(status, error(status, names.get(status, "UNKNOWN"), "The service is currently unavailable."))


def refused(message: str, status: str = "INVALID_ARGUMENT") -> Fault:
    """A 400."""
    return Fault(400, error(400, status, message))


def error_in_stream(after: int = 1, code: int = 503, status: str = "UNAVAILABLE") -> Fault:
    """An error object inside a 200 stream."""
    return Fault(error=error(code, status, "The service is currently unavailable."), after=after)
