"""Tokens for Vertex AI: what is signed and asked, and what a refusal means (official-upstreams.md 3.3, O33)."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from support.deferreds import deferred
from support.token_endpoint import Endpoint, listening
from twisted.web.http import datetimeToString

from antigravity_proxy.canonical.grant import (
    AuthorizedUser,
    IssuedToken,
    Metadata,
    RefreshRejected,
    ServiceAccount,
    StaticKey,
)
from antigravity_proxy.secret import Secret
from antigravity_proxy.upstream.assertion import assertion
from antigravity_proxy.upstream.grants import TokenGrants
from antigravity_proxy.upstream.oauth import OAuthClient

NOW = 1795867200.5
KEY = rsa.generate_private_key(65537, 1024)
TOKEN = b'{"access_token":"ya29.constructed","expires_in":3599,"token_type":"Bearer"}'
ISSUED = IssuedToken(Secret("ya29.constructed"), NOW + 3599)
FLAVOR = {b"Metadata-Flavor": b"Google"}


def pem(key: Any) -> Secret:
    return Secret(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def account(token_uri: str = "", key: Any = KEY) -> ServiceAccount:
    return ServiceAccount(Secret("proxy@my-proj.iam.gserviceaccount.com"), pem(key), "0123456789abcdef", token_uri)


def part(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_an_assertion_as_the_reference_has_it() -> None:
    header, claims, signature = assertion(account(), NOW).reveal().split(".")
    assert json.loads(part(header)) == {"alg": "RS256", "typ": "JWT", "kid": "0123456789abcdef"}
    assert json.loads(part(claims)) == {
        "iss": "proxy@my-proj.iam.gserviceaccount.com",
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "aud": "https://oauth2.googleapis.com/token",
        "iat": 1795867200,
        "exp": 1795870800,
    }
    signed = f"{header}.{claims}".encode()
    KEY.public_key().verify(part(signature), signed, PKCS1v15(), SHA256())
    with pytest.raises(InvalidSignature):
        KEY.public_key().verify(part(signature), signed + b"x", PKCS1v15(), SHA256())
    with pytest.raises(AssertionError):
        assertion(account(key=ec.generate_private_key(ec.SECP256R1())), NOW)


@asynccontextmanager
async def asked(
    status: int, body: bytes, headers: dict[bytes, bytes] | None = None, replaced: bool = False
) -> AsyncIterator[tuple[Endpoint, Any, str]]:
    """An endpoint, and a way to ask it with a grant for its URL."""
    from twisted.internet import reactor

    made = Endpoint(status, body, headers or {})
    async with listening(made) as (url, agent):
        grants = TokenGrants(lambda: NOW, OAuthClient(reactor, lambda: NOW, url, "ua/1"), url if replaced else "")

        async def issue(grant: Any) -> IssuedToken:
            return await grants.issue(grant, agent, agent)

        issue.grants = grants  # type: ignore[attr-defined]
        issue.agent = agent  # type: ignore[attr-defined]
        yield made, issue, url


@deferred()
async def test_a_service_account_asks_by_its_assertion() -> None:
    async with asked(200, TOKEN) as (made, issue, url):
        assert await issue(account(url)) == ISSUED
    form, headers = made.forms[0]
    assert form[b"grant_type"] == [b"urn:ietf:params:oauth:grant-type:jwt-bearer"]
    assert form[b"assertion"][0].count(b".") == 2
    assert not headers.hasHeader("authorization")


@deferred()
async def test_the_settings_token_endpoint_replaces_the_files() -> None:
    async with asked(200, TOKEN, replaced=True) as (made, issue, _):
        assert await issue(account("http://127.0.0.1:1/never")) == ISSUED
    assert len(made.forms) == 1


@deferred()
async def test_a_user_asks_by_the_refresh_token_and_the_files_own_client() -> None:
    async with asked(200, TOKEN) as (made, issue, _):
        assert await issue(AuthorizedUser("an-id", Secret("a-secret"), Secret("1//r"))) == ISSUED
    form, _ = made.forms[0]
    assert form == {
        b"grant_type": [b"refresh_token"],
        b"refresh_token": [b"1//r"],
        b"client_id": [b"an-id"],
        b"client_secret": [b"a-secret"],
    }


def at(seconds: float) -> dict[bytes, bytes]:
    return {b"Date": datetimeToString(NOW + seconds)}


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "words"),
    [
        (400, b'{"error":"invalid_grant","error_description":"Invalid JWT"}', at(5), "dead", "invalid_grant"),
        (400, b'{"error":"invalid_grant","error_description":"Invalid JWT"}', {b"Date": b"?"}, "dead", "invalid_grant"),
        (400, b'{"error":"invalid_grant"}', at(-600), "temporary", "600 s fast"),
        (400, b'{"error":"invalid_grant"}', at(600), "temporary", "600 s slow"),
        (401, b'{"error":"unauthorized_client"}', at(0), "dead", "unauthorized_client"),
        (503, b"", at(-600), "temporary", "503"),
        (302, b"", {b"Location": b"http://127.0.0.1:1/"}, "temporary", "302"),
    ],
)
@deferred()
async def test_refusals(status: int, body: bytes, headers: dict[bytes, bytes], kind: str, words: str) -> None:
    async with asked(status, body, headers) as (made, issue, url):
        with pytest.raises(RefreshRejected, match=words) as raised:
            await issue(account(url))
    assert raised.value.kind == kind
    assert (raised.value.pause == 60.0) is bool(raised.value.clock) is (" s " in words)
    assert len(made.forms) == 1
    assert "eyJ" not in str(raised.value)


@deferred()
async def test_a_key_is_not_renewed() -> None:
    async with asked(200, TOKEN) as (_, issue, _):
        with pytest.raises(RefreshRejected):
            await issue(StaticKey())


@deferred()
async def test_the_metadata_server() -> None:
    async with asked(200, TOKEN, FLAVOR) as (made, issue, url):
        grant = Metadata(url.split("/")[2])
        assert await issue(grant) == ISSUED
        made.body = b"my-proj\n"
        assert await issue.grants.project(grant, issue.agent) == "my-proj"
    form, headers = made.forms[0]
    assert headers.getRawHeaders("metadata-flavor") == ["Google"]
    assert form == {b"scopes": [b"https://www.googleapis.com/auth/cloud-platform"]}
    assert made.paths == [
        b"/computeMetadata/v1/instance/service-accounts/default/token",
        b"/computeMetadata/v1/project/project-id",
    ]


@pytest.mark.parametrize(
    ("status", "headers", "words"),
    [
        (200, {}, "not Google's metadata server"),
        (404, FLAVOR, "404"),
        (302, {**FLAVOR, b"Location": b"http://127.0.0.1:1/"}, "302"),
    ],
)
@deferred()
async def test_what_is_no_metadata_server_is_not_believed(status: int, headers: dict[bytes, bytes], words: str) -> None:
    async with asked(status, TOKEN, headers) as (made, issue, url):
        with pytest.raises(RefreshRejected, match=words) as raised:
            await issue(Metadata(url.split("/")[2]))
    assert raised.value.kind == "temporary"
    assert len(made.forms) == 1
