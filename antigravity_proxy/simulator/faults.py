"""Scripted faults of the simulated service, and the error bodies that it really sends (upstream.md 6.1). Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct


class Fault(Struct, frozen=True):
    """A fault of one request. Times in seconds.

    With ``status`` it is answered by ``body`` and ``headers``. ``silent``: never answered. ``reset`` closes the
    connection hard: ``before`` the head, or after the head and ``after`` events.

    The rest shapes a stream: ``pause`` passes before the head, ``delay`` after each event; ``error`` is an error object
    that ends it after ``after`` events; ``events`` replaces the events' payloads; ``finish`` is the finish reason,
    ``unfinished`` leaves it out; ``framing`` is the text before and after each payload. ``raw`` replaces the whole
    body, written in pieces of ``cut`` bytes (0: at once).
    """

    status: int = 0
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    silent: bool = False
    reset: bool = False
    before: bool = False
    after: int = 1
    pause: float = 0.0
    delay: float = 0.0
    error: bytes = b""
    events: tuple[bytes, ...] | None = None
    finish: str = "STOP"
    unfinished: bool = False
    framing: tuple[bytes, bytes] = (b"data: ", b"\r\n\r\n")
    raw: bytes | None = None
    cut: int = 0


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


def quota_failure(quota: str) -> dict[str, Any]:
    """A ``QuotaFailure`` detail; the quota's id names its period."""
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota}]}


# too much


def quota_exhausted(reset_at: float, model: str = "gemini-3-flash") -> Fault:
    """The model's quota is used up until ``reset_at`` (epoch seconds)."""
    moment = datetime.fromtimestamp(reset_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    detail = info("QUOTA_EXHAUSTED", model=model, quotaResetTimeStamp=moment, uiMessage="true")
    return _exhausted("You have exhausted your capacity on this model.", detail)


def quota_exhausted_for(delay: str, model: str = "gemini-3-flash") -> Fault:
    """The same as a duration, such as ``13h19m1.2s``."""
    detail = info("QUOTA_EXHAUSTED", model=model, quotaResetDelay=delay)
    return _exhausted(f"You have exhausted your capacity on this model. It will reset after {delay}.", detail)


def rate_limited(seconds: float) -> Fault:
    """A burst limit."""
    return _exhausted("Rate limit.", info("RATE_LIMIT_EXCEEDED"), retry_info(seconds))


def limited_per(period: str) -> Fault:
    """A limit that only its quota's id explains: ``Minute`` or ``Day``."""
    return _exhausted("Quota exceeded.", quota_failure(f"GenerateRequestsPer{period}PerProjectPerModel"))


def bare_limit() -> Fault:
    """A 429 that says nothing."""
    return _exhausted("Resource has been exhausted (e.g. check quota).")


def no_credits() -> Fault:
    """The paid credits are gone."""
    return _exhausted("Insufficient credits.", info("INSUFFICIENT_G1_CREDITS_BALANCE"))


def no_capacity(status: int = 503) -> Fault:
    """Google's own capacity is used up: 503, or 429."""
    name = "UNAVAILABLE" if status == 503 else "RESOURCE_EXHAUSTED"
    detail = info("MODEL_CAPACITY_EXHAUSTED")
    return Fault(status, error(status, name, "No capacity available for model", detail))


# not allowed


def unauthenticated() -> Fault:
    """The access token is refused."""
    return Fault(401, error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."))


def verification_needed() -> Fault:
    """The account must be verified by its owner."""
    detail = info("VALIDATION_REQUIRED", validation_link="https://accounts.example/verify")
    return _denied("Verify your account to continue.", detail)


def barred() -> Fault:
    """The account is barred from the service."""
    detail = info("ACCOUNT_BARRED", appeal_url="https://accounts.example/appeal")
    return _denied("This account has been disabled for a violation of the Terms of Service.", detail)


def scope_missing() -> Fault:
    """The account's owner left out access that the service needs."""
    detail = info("ACCESS_TOKEN_SCOPE_INSUFFICIENT", service="cloudcode-pa.googleapis.com")
    return _denied("Request had insufficient authentication scopes.", detail)


def project_disabled(project: str) -> Fault:
    """The project, not the account, is wrong."""
    detail = info("SERVICE_DISABLED", consumer=f"projects/{project}")
    return _denied(f"API has not been used in project {project} before or it is disabled.", detail)


def forbidden() -> Fault:
    """A 403 that says nothing."""
    return _denied("The caller does not have permission")


# wrong, or in trouble


def refused(message: str, status: str = "INVALID_ARGUMENT", field: str = "") -> Fault:
    """A 400; ``field`` names the place that is wrong."""
    violations = [{"field": field, "description": message}]
    details = ({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations},) if field else ()
    return Fault(400, error(400, status, message, *details))


def not_found() -> Fault:
    """This account or host doesn't have the model."""
    return Fault(404, error(404, "NOT_FOUND", "Requested entity was not found."))


def failing(status: int = 500) -> Fault:
    """The service is in trouble."""
    names = {500: "INTERNAL", 502: "UNKNOWN", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"}
    return Fault(status, error(status, names.get(status, "UNKNOWN"), "The service is currently unavailable."))


def error_in_stream(after: int = 1, code: int = 503, status: str = "UNAVAILABLE") -> Fault:
    """An error object inside a 200 stream, after ``after`` events."""
    return Fault(error=error(code, status, "The service is currently unavailable."), after=after)


# of the token endpoint (upstream.md 7)


def invalid_grant() -> Fault:
    """The refresh token or the code is not, or no longer, valid."""
    return Fault(400, b'{"error":"invalid_grant","error_description":"Token has been expired or revoked."}')


def invalid_assertion() -> Fault:
    """A service account's assertion is not signed by a key that is known, or not of this time."""
    words = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
    return Fault(400, b'{"error":"invalid_grant","error_description":"%s"}' % words.encode())


def unauthorized_client() -> Fault:
    """The refresh token belongs to another client."""
    return Fault(401, b'{"error":"unauthorized_client","error_description":"Unauthorized"}')


def invalid_client() -> Fault:
    """Client id or secret is wrong."""
    return Fault(401, b'{"error":"invalid_client","error_description":"The OAuth client was not found."}')


def _exhausted(message: str, *details: dict[str, Any]) -> Fault:
    return Fault(429, error(429, "RESOURCE_EXHAUSTED", message, *details))


def _denied(message: str, *details: dict[str, Any]) -> Fault:
    return Fault(403, error(403, "PERMISSION_DENIED", message, *details))
