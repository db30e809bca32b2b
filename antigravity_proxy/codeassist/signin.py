"""Signing in at Google: where the browser goes, what comes back. Pure (credential-volume.md 1.8, upstream.md 7)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
from msgspec import Struct

from antigravity_proxy.canonical.grant import RefreshRejected, RejectionKind
from antigravity_proxy.secret import Secret

#: without this one every call is refused (403, ACCESS_TOKEN_SCOPE_INSUFFICIENT)
_NEEDED = "https://www.googleapis.com/auth/cloud-platform"
_SCOPES = " ".join(
    f"https://www.googleapis.com/auth/{name}"
    for name in ("cloud-platform", "userinfo.email", "userinfo.profile", "cclog", "experimentsandconfigs")
)
#: what the consent page may answer, in words (RFC 6749 4.1.2.1)
_REFUSALS = {
    "access_denied": "the access was not allowed",
    "admin_policy_enforced": "the organisation's administrator does not allow it",
    "org_internal": "the OAuth client is for its own organisation alone",
    "invalid_scope": "the OAuth client may not ask for this access",
    "unauthorized_client": "the OAuth client may not sign people in",
    "server_error": "the provider has a fault of its own",
    "temporarily_unavailable": "the provider can't be used at the moment",
}


class User(Struct, frozen=True):
    """The person who signed in. ``email`` and ``name`` must not be logged; ``picture`` is a URL."""

    email: Secret
    name: Secret
    picture: str | None = None


class Callback(Struct, frozen=True):
    """The parameters of the provider's redirect; each empty if it is missing or repeated."""

    state: str
    code: str
    error: str


def challenge(verifier: str) -> str:
    """The S256 challenge of a PKCE verifier (RFC 7636 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


def authorization_url(auth_url: str, client_id: str, redirect_uri: str, state: str, verifier: str) -> str:
    """The consent page. It asks for a refresh token, and so for consent, every time."""
    query = {
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "scope": _SCOPES,
        "access_type": "offline",
        "prompt": "consent",
        "include_granted_scopes": "true",
        "state": state,
        "code_challenge": challenge(verifier),
        "code_challenge_method": "S256",
    }
    return f"{auth_url}{'&' if '?' in auth_url else '?'}{urlencode(query)}"


def read_callback(query: str) -> Callback:
    """The fields of a redirect's query string."""
    fields = parse_qs(query, keep_blank_values=True, max_num_fields=64) if query.count("&") < 64 else {}
    single = {name: values[0] for name, values in fields.items() if len(values) == 1}
    return Callback(single.get("state", ""), single.get("code", ""), single.get("error", ""))


def read_pasted(text: str) -> Callback:
    """As ``read_callback``, from what somebody copied out of the address bar: a whole URL, or its query alone."""
    words = text.strip()
    try:
        parts = urlsplit(words)
    except ValueError:
        return Callback("", "", "")
    return read_callback(parts.query if parts.query or parts.scheme else words.lstrip("?"))


def is_enough(scopes: Collection[str] | None) -> bool:
    """False if the person left out access that no call can do without; None, not said, is what was asked for."""
    return scopes is None or _NEEDED in scopes


def refusal(error: str) -> str:
    """The consent page's error in words; an unknown one is not repeated, since anybody may have made it up."""
    return _REFUSALS.get(error, "the provider reported an error")


def read_user(status: int, body: bytes) -> User:
    """The person in a user info answer. Raises RefreshRejected."""
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        answer = None
    if status != 200 or not isinstance(answer, dict):
        kind: RejectionKind = "dead" if status in (401, 403) else "temporary"
        raise RefreshRejected(kind, f"the user info endpoint answered {status}")
    email, name, picture = (answer.get(field) for field in ("email", "name", "picture"))
    if not isinstance(email, str) or "@" not in email:
        raise RefreshRejected("temporary", "the user info endpoint's answer holds no e-mail address")
    if answer.get("verified_email") is False:
        raise RefreshRejected("dead", "the account's e-mail address is not verified")
    return User(
        Secret(email.strip()),
        Secret(name.strip() if isinstance(name, str) else ""),
        picture if isinstance(picture, str) and picture.startswith("https://") else None,
    )
