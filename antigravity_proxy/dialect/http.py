"""The headers of errors, which are the same in every dialect. Pure."""

from __future__ import annotations

from antigravity_proxy.errors import MethodNotAllowed, ProxyError


def error_headers(error: ProxyError) -> list[tuple[bytes, bytes]]:
    """Content type, and ``Retry-After`` and ``Allow`` where they belong (RFC 9110 10.2.3, 10.2.1)."""
    headers = [(b"content-type", b"application/json"), (b"x-content-type-options", b"nosniff")]
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % error.retry_after))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", ", ".join(error.allow).encode()))
    return headers
