"""The token endpoint's answers: a grant, or why there is none. Pure (upstream.md 7)."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

from antigravity_proxy.secret import Secret

Kind = Literal["dead", "misconfigured", "temporary"]

#: the account itself is refused: nothing but a new sign-in helps
_DEAD = frozenset({"invalid_grant", "access_denied", "admin_policy_enforced", "org_internal"})
#: our OAuth client or our request is refused: not the account's fault
_MISCONFIGURED = frozenset(
    {
        "invalid_client",
        "unauthorized_client",
        "invalid_request",
        "unsupported_grant_type",
        "invalid_scope",
        "redirect_uri_mismatch",
    }
)


class Grant(Struct, frozen=True):
    """A new access token; ``expires_at`` in epoch seconds. ``refresh_token`` only where upstream rotated it.

    ``scopes``: what was granted; None where the answer does not say: then it is what was asked for (RFC 6749 5.1).
    """

    access_token: Secret
    expires_at: float
    refresh_token: Secret | None = None
    scopes: frozenset[str] | None = None


class RefreshRejected(Exception):
    """No new token. ``kind``: ``dead`` account, ``misconfigured`` client, or ``temporary`` trouble. No token in it."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def read_answer(status: int, body: bytes, sent_at: float) -> Grant:
    """The grant in a token endpoint's answer; ``sent_at`` (epoch seconds) is when the request was sent.

    Raises RefreshRejected.
    """
    answer = _object(body)
    if status == 200:
        token, life = answer.get("access_token"), answer.get("expires_in", 3599)
        if not isinstance(token, str) or not token or not isinstance(life, int | float):
            raise RefreshRejected("temporary", "the token endpoint's answer holds no token")
        rotated = answer.get("refresh_token")
        scope = answer.get("scope")
        return Grant(
            Secret(token),
            sent_at + life,
            Secret(rotated) if isinstance(rotated, str) and rotated else None,
            frozenset(scope.split()) if isinstance(scope, str) else None,
        )
    error = answer.get("error")
    if isinstance(error, dict):
        error = error.get("status") or error.get("message")
    code = error if isinstance(error, str) and error in _DEAD | _MISCONFIGURED else ""
    if code in _DEAD:
        raise RefreshRejected("dead", f"the sign-in is refused: {code}")
    if code in _MISCONFIGURED:
        raise RefreshRejected("misconfigured", f"the OAuth client is refused: {code}")
    raise RefreshRejected("temporary", f"the token endpoint answered {status}")


def _object(body: bytes) -> dict[str, Any]:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}
