"""A client's statements on its request's identity: an id of its own, and the trace that it belongs to. Does no I/O."""

from __future__ import annotations

import re
from collections.abc import Callable

from antigravity_proxy.http1.fields import HeaderFields
from antigravity_proxy.logs import redact
from antigravity_proxy.telemetry import trace
from antigravity_proxy.telemetry.trace import Trace

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}", re.A)


def own_id(headers: HeaderFields) -> str:
    """The client's own id of the request, from ``X-Request-Id``; empty if it has none that is safe in log and answer.

    One that looks like a secret is ignored.
    """
    values = headers.getRawHeaders(b"x-request-id", ())
    if len(values) != 1:
        return ""
    text = values[0].decode("latin-1")
    return text if _SAFE.fullmatch(text) and redact(text) == text else ""


def own_trace(headers: HeaderFields, hex_digits: Callable[[int], str]) -> Trace | None:
    """The trace that the client's ``traceparent`` names, with a new span of ours in it; None: there is none."""
    values = headers.getRawHeaders(b"traceparent", ())
    if len(values) != 1:
        return None
    return trace.parse(values[0].decode("latin-1"), hex_digits(16))
