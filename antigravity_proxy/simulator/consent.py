"""The simulated consent page: refuses what Google's refuses, asks, and sends the browser back (upstream.md 7)."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from msgspec import Struct

CLIENT_ID, CLIENT_SECRET = "simulated-client", "simulated-secret"
PERSON = {"id": "1", "email": "someone@example.com", "verified_email": True, "name": "Someone"}

_NEEDED = ("client_id", "redirect_uri", "response_type", "scope")
_PAGE = """<!doctype html><title>Sign in - simulated Google</title>
<h1>{who} allows access?</h1>
<form method="post" action="/auth">{fields}
<button name="decision" value="allow">Allow</button> <button name="decision" value="deny">Cancel</button></form>
"""


class Consent(Struct, frozen=True):
    """The consents that were given, until their codes are redeemed."""

    client_id: str
    redirect_uri: str
    challenge: str
    offline: bool
    scope: str
    person: dict[str, object]


class Consents:
    """The page, and the codes that it gave out. ``person`` returns who is asked."""

    def __init__(self, person: Callable[[], dict[str, object]]) -> None:
        self._person = person
        self.codes: dict[str, Consent] = {}
        self._given = 0

    def page(self, request: Any) -> bytes:
        """``GET``: asks the person."""
        asked = _fields(urlsplit(request.uri.decode("latin-1")).query)
        if (wrong := _wrong(asked)) is not None:
            return _refused(request, wrong)
        hidden = "".join(
            f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
            for name, value in asked.items()
        )
        request.setHeader(b"content-type", b"text/html; charset=utf-8")
        return _PAGE.format(who=html.escape(str(self._person()["email"])), fields=hidden).encode()

    def decided(self, request: Any) -> bytes:
        """``POST``: the person's decision goes back with the browser."""
        asked = _fields(request.content.read().decode("latin-1"))
        if (wrong := _wrong(asked)) is not None:
            return _refused(request, wrong)
        back = {"state": asked["state"]} if "state" in asked else {}
        if asked.get("decision") == "allow":
            back |= {"code": self._code(asked), "scope": asked["scope"]}
        else:
            back["error"] = "access_denied"
        uri = asked["redirect_uri"]
        request.redirect(f"{uri}{'&' if '?' in uri else '?'}{urlencode(back)}".encode("latin-1"))
        return b""

    def redeem(self, form: dict[str, str]) -> Consent | None:
        """The consent of a code, once; None unless client, redirect URI and verifier are those that it belongs to."""
        consent = self.codes.pop(form.get("code", ""), None)
        if consent is None or (form.get("client_id"), form.get("redirect_uri")) != (
            consent.client_id,
            consent.redirect_uri,
        ):
            return None
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proof = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        return consent if not consent.challenge or proof == consent.challenge else None

    def _code(self, asked: dict[str, str]) -> str:
        self._given += 1
        code = f"4/0simulated-{self._given}"
        offline = asked.get("access_type") == "offline" and asked.get("prompt") == "consent"
        self.codes[code] = Consent(
            asked["client_id"],
            asked["redirect_uri"],
            asked.get("code_challenge", ""),
            offline,
            asked["scope"],
            dict(self._person()),
        )
        return code


def _fields(query: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(query).items()}


def _wrong(asked: dict[str, str]) -> str | None:
    """Google's name of what is wrong with a request for consent."""
    if any(name not in asked for name in _NEEDED) or asked["response_type"] != "code":
        return "invalid_request"
    if asked["client_id"] != CLIENT_ID:
        return "invalid_client"
    if asked.get("code_challenge_method", "S256") != "S256" or len(asked.get("code_challenge", "x" * 43)) != 43:
        return "invalid_request"
    uri = urlsplit(asked["redirect_uri"])
    if uri.scheme != "https" and uri.hostname not in ("localhost", "127.0.0.1", "::1"):
        return "redirect_uri_mismatch"
    return None


def _refused(request: Any, error: str) -> bytes:
    """On Google's own page: a browser is not sent back to where it may not be sent."""
    request.setResponseCode(401 if error == "invalid_client" else 400)
    request.setHeader(b"content-type", b"text/html; charset=utf-8")
    return f"<!doctype html><title>Access blocked</title><p>Error 400: {error}".encode()
