"""The conversation that a request's headers name (clients.md 8)."""

from __future__ import annotations

from antigravity_proxy.dialect.session import session_name
from antigravity_proxy.http1.fields import ReceivedFields

#: the most reliable first: Claude Code's, Codex's, opencode's
_HEADERS = (b"x-claude-code-session-id", b"session-id", b"thread-id", b"x-session-affinity", b"x-session-id")


def session_of(headers: ReceivedFields) -> str:
    """The conversation's name; empty if no header names one."""
    for field in _HEADERS:
        if field in headers and (name := session_name(headers[field][0].strip().decode("latin-1"))):
            return name
    return ""
