"""A service account's assertion, with which it asks for a token (RFC 7523 2.1, official-upstreams.md 3.3). Pure."""

from __future__ import annotations

from base64 import urlsafe_b64encode

import msgspec
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from antigravity_proxy.canonical.grant import ServiceAccount
from antigravity_proxy.secret import Secret

#: what every token for Vertex AI is good for
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
#: whom the assertion is meant for, wherever it is sent
AUDIENCE = "https://oauth2.googleapis.com/token"
#: seconds that it holds: the most
LIFE = 3600


def assertion(grant: ServiceAccount, now: float) -> Secret:
    """The signed JWT; ``now`` in epoch seconds. Takes a millisecond or two."""
    key = load_pem_private_key(grant.private_key.reveal().encode(), None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, RSAPrivateKey):
        raise AssertionError("checked when its file was read")
    header = {"alg": "RS256", "typ": "JWT", "kid": grant.key_id}
    issued = int(now)
    claims = {
        "iss": grant.email.reveal(),
        "scope": SCOPE,
        "aud": AUDIENCE,
        "iat": issued,
        "exp": issued + LIFE,
    }
    signed = _part(msgspec.json.encode(header)) + b"." + _part(msgspec.json.encode(claims))
    return Secret((signed + b"." + _part(key.sign(signed, PKCS1v15(), SHA256()))).decode("ascii"))


def _part(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")
