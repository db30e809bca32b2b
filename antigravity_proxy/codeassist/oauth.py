"""The token endpoint's answers: a token, or the reason why there is none. Pure (upstream.md 7)."""

from __future__ import annotations

from typing import Any

import msgspec

from antigravity_proxy.canonical.grant import IssuedToken, RefreshRejected
from antigravity_proxy.secret import Secret

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


def read_answer(status: int, body: bytes, sent_at: float) -> IssuedToken:
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
        return IssuedToken(
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
