"""The sign-in's URLs and answers."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity_proxy.canonical.grant import RefreshRejected
from antigravity_proxy.codeassist.signin import (
    Callback,
    User,
    authorization_url,
    challenge,
    read_callback,
    read_pasted,
    read_user,
    refusal,
)
from antigravity_proxy.secret import Secret

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"


def test_the_challenge_is_that_of_the_rfc() -> None:
    assert challenge(VERIFIER) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


@pytest.mark.parametrize("base", ["https://a.example/auth", "https://a.example/auth?hd=x"])
def test_the_consent_page_is_asked_for_a_refresh_token_with_state_and_pkce(base: str) -> None:
    url = authorization_url(base, "an id", "http://localhost:8888/oauth-callback", "s&t", VERIFIER)
    assert url.startswith(base)
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    query.pop("hd", None)
    scopes = query.pop("scope").split()
    assert len(scopes) == 5
    assert all(scope.startswith("https://www.googleapis.com/auth/") for scope in scopes)
    assert query == {
        "client_id": "an id",
        "redirect_uri": "http://localhost:8888/oauth-callback",
        "response_type": "code",
        "access_type": "offline",
        "prompt": "consent",
        "include_granted_scopes": "true",
        "state": "s&t",
        "code_challenge": challenge(VERIFIER),
        "code_challenge_method": "S256",
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("http://localhost:8888/oauth-callback?state=a&code=4%2Fx&scope=y", Callback("a", "4/x", "")),
        ("  ?state=a&code=4/x\n", Callback("a", "4/x", "")),
        ("state=a&error=access_denied", Callback("a", "", "access_denied")),
        ("state=a&state=b&code=", Callback("", "", "")),
        ("https://x/", Callback("", "", "")),
        ("http://[", Callback("", "", "")),
        ("a=1&" * 100 + "state=a", Callback("", "", "")),
        ("", Callback("", "", "")),
    ],
)
def test_what_is_pasted(text: str, found: Callback) -> None:
    assert read_pasted(text) == found


@given(st.text())
def test_any_text_may_be_pasted(text: str) -> None:
    read_pasted(text)
    read_callback(text)


def test_a_refusal_is_told_in_our_own_words() -> None:
    assert refusal("access_denied") == "the access was not allowed"
    assert refusal("<script>") == "the provider reported an error"


def test_a_user() -> None:
    body = b'{"email": " a@example.com ", "name": " A ", "picture": "https://x/p", "verified_email": true}'
    assert read_user(200, body) == User(Secret("a@example.com"), Secret("A"), "https://x/p")
    assert read_user(200, b'{"email": "a@b", "picture": "javascript:x"}') == User(Secret("a@b"), Secret(""))


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b"{}", "dead"),
        (500, b"{}", "temporary"),
        (200, b"<html>", "temporary"),
        (200, b"[]", "temporary"),
        (200, b"[" * 100_000, "temporary"),
        (200, b'{"email": 5}', "temporary"),
        (200, b'{"email": "nobody"}', "temporary"),
        (200, b'{"email": "a@b", "verified_email": false}', "dead"),
    ],
)
def test_what_is_no_user(status: int, body: bytes, kind: str) -> None:
    with pytest.raises(RefreshRejected) as e:
        read_user(status, body)
    assert e.value.kind == kind
