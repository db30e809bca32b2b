"""Reads upstream's error bodies into facts. Pure; the consequences are in each upstream's decision table.

The shapes and their variants are those of upstream.md 6.1; a type that isn't the expected one counts as absent.
"""

from __future__ import annotations

from typing import Any

import msgspec

from antigravity_proxy.canonical.verdict import Failure
from antigravity_proxy.generatecontent import durations

#: gRPC status names and their HTTP statuses (upstream.md 6.3)
HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}

_MAX_NESTING = 3  # a message may hold the JSON of another error (upstream.md 6.1)
#: characters of any text of upstream's that are judged, logged and passed on: it may repeat a whole request
MAX_TEXT = 4096
#: details, violations and links that are looked at; Google sends two or three
_MAX_ITEMS = 64


def read(
    body: bytes, now: float, *, http_status: int = 200, date: str | None = None, retry_after: str | None = None
) -> Failure:
    """Reads an error body; never raises.

    ``now`` is in epoch seconds and used where the answer has no ``Date`` header (``date``). With ``http_status`` 200
    (an error object inside a stream) the status is taken from the object, 500 if it has none.
    """
    error = _error_object(body)
    details = [d for d in _list(error.get("details")) if isinstance(d, dict)]
    info = _detail(details, "ErrorInfo")
    metadata = _object(info.get("metadata"))
    violations = [v for v in _list(_detail(details, "QuotaFailure").get("violations")) if isinstance(v, dict)]
    message = _text(error.get("message"))
    status = _text(error.get("status"))
    if http_status == 200:
        code = error.get("code")
        http_status = code if isinstance(code, int) and 400 <= code <= 599 else HTTP_STATUS.get(status, 500)
    answered_at = durations.http_date(date) or now
    delay, source = _delay(metadata, _detail(details, "RetryInfo"), message, retry_after, answered_at)
    link, appeal = _link(metadata, _detail(details, "Help"))
    return Failure(
        http_status=http_status,
        status=status,
        message=message,
        reason=_text(info.get("reason")),
        domain=_text(info.get("domain")),
        quota_ids=tuple(
            filter(None, (*(_text(v.get("quotaId")) for v in violations), _text(metadata.get("quota_limit"))))
        ),
        limits=tuple(
            filter(None, (*(_text(v.get("quotaValue")) for v in violations), _text(metadata.get("quota_limit_value"))))
        ),
        consumer=_text(metadata.get("consumer")),
        delay=delay,
        delay_source=source,
        model=_text(metadata.get("model")),
        link=link,
        appeal=appeal,
    )


def _error_object(body: bytes) -> dict[str, Any]:
    """The innermost error object; an empty one for HTML, nothing, or JSON without an error."""
    found: dict[str, Any] = {}
    text: bytes | str = body
    for _ in range(_MAX_NESTING):
        try:
            value = msgspec.json.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            break
        if isinstance(value, list) and value:
            value = value[0]
        error = value.get("error") if isinstance(value, dict) else None
        if isinstance(error, str):
            error = {"message": error}
        if not isinstance(error, dict):
            break
        found = {**found, **error}  # an inner error without details keeps the outer's
        text = error.get("message", "")
        if not isinstance(text, str) or not text.lstrip().startswith(("{", "[")):
            break
    return found


def _delay(
    metadata: dict[str, Any], retry_info: dict[str, Any], message: str, retry_after: str | None, now: float
) -> tuple[float | None, str]:
    """The stated wait in seconds and where it stood, in the order of upstream.md 6.2."""
    reset_at = durations.timestamp(metadata.get("quotaResetTimeStamp"))
    stated = (
        (None if reset_at is None else reset_at - now, "quotaResetTimeStamp"),
        (durations.duration(retry_info.get("retryDelay")), "retryDelay"),
        (durations.duration(metadata.get("quotaResetDelay")), "quotaResetDelay"),
        (durations.retry_after(retry_after, now), "Retry-After"),
        (durations.in_message(message, now), "message"),
    )
    for seconds, source in stated:
        if seconds is not None:
            return durations.clamp(seconds), source
    return None, ""


def _link(metadata: dict[str, Any], help_detail: dict[str, Any]) -> tuple[str, bool]:
    """Where the account's owner can act, and whether it is an appeal."""
    if appeal := _text(metadata.get("appeal_url")):
        return appeal, True
    links = [_text(link.get("url")) for link in _list(help_detail.get("links")) if isinstance(link, dict)]
    own = [url for url in links if url and "support.google.com" not in url]
    return _text(metadata.get("validation_link")) or _text(metadata.get("validation_url")) or (own or [""])[0], False


def _detail(details: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next((d for d in details if _text(d.get("@type")).endswith(kind)), {})


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value[:_MAX_ITEMS] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value[:MAX_TEXT] if isinstance(value, str) else ""
