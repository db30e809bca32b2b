"""The simulated service accounts: their key files, and tokens for what those keys sign."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

_AUDIENCE = "https://oauth2.googleapis.com/token"
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class ServiceAccounts:
    """Whose keys are known, by the address of the account. ``granted`` counts their tokens."""

    def __init__(self) -> None:
        self._keys: dict[str, tuple[str, rsa.RSAPublicKey]] = {}
        self.granted = 0

    def make(self, name: str = "proxy", project: str = "my-proj", **fields: Any) -> str:
        """A new account's key file, as Google Cloud's console hands it out; ``fields`` replace some of its own."""
        key = rsa.generate_private_key(65537, 2048)
        email, key_id = f"{name}@{project}.iam.gserviceaccount.com", f"{len(self._keys):040}"
        self._keys[email] = (key_id, key.public_key())
        file = {
            "type": "service_account",
            "project_id": project,
            "private_key_id": key_id,
            "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
            "client_email": email,
            "token_uri": _AUDIENCE,
            "universe_domain": "googleapis.com",
        }
        return msgspec.json.encode(file | fields).decode()

    def forget(self, name: str = "proxy", project: str = "my-proj") -> None:
        """Somebody deletes the account."""
        del self._keys[f"{name}@{project}.iam.gserviceaccount.com"]

    def grant(self, form: dict[str, str]) -> dict[str, Any] | None:
        """A token for an assertion; None where it is not as Google wants it."""
        try:
            signed, _, signature = form["assertion"].rpartition(".")
            header, claims = (msgspec.json.decode(_part(part)) for part in signed.split("."))
            key_id, key = self._keys[claims["iss"]]
            key.verify(_part(signature), signed.encode(), PKCS1v15(), SHA256())
        except (LookupError, ValueError, TypeError, binascii.Error, msgspec.MsgspecError, InvalidSignature):
            return None
        said = (header, claims.get("aud"), claims.get("scope"), claims["exp"] - claims["iat"], form.get("grant_type"))
        if said != ({"alg": "RS256", "typ": "JWT", "kid": key_id}, _AUDIENCE, _SCOPE, 3600, _GRANT):
            return None
        self.granted += 1
        token = f"ya29.{claims['iss'].partition('@')[0]}-{self.granted}"
        return {"access_token": token, "expires_in": 3599, "token_type": "Bearer"}


def _part(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
