"""Names without meaning and sealed values for Redis, with keys derived from the volume's master key. Pure.

Several volumes may share one Redis, and two releases one volume during a rolling update: each volume and each version
of the form has a namespace of its own. Who can read Redis, but not the volume, learns which models are in cooldown on
how many accounts, and no more: accounts, sessions and what was signed are keyed digests, everything else is sealed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

#: grows with every change of the form in Redis: releases of different versions leave each other alone
VERSION = 3
_NONCE = 12
#: bytes of a proof
PROOF = 16


class Vault:
    """The names and seals of one volume. ``master`` is its master key, 32 bytes."""

    def __init__(self, master: bytes) -> None:
        self._cipher = AESGCM(_derived(master, b"seal"))
        self._account_key = _derived(master, b"accounts")
        self._session_key = _derived(master, b"sessions")
        self._message_key = _derived(master, b"messages")
        self._signature_key = _derived(master, b"signatures")
        self.namespace = f"antigravity:{VERSION}:{_derived(master, b'namespace')[:8].hex()}"

    def account(self, identity: str) -> str:
        """An account's name in Redis: 22 characters."""
        return _name(identity.encode("utf-8", "surrogatepass"), self._account_key)

    def session(self, session: bytes) -> bytes:
        """A session's name in Redis: 16 bytes."""
        return hashlib.blake2b(session, digest_size=16, key=self._session_key).digest()

    def signature(self, digest: bytes) -> str:
        """The name in Redis of what is found by a digest: 22 characters."""
        return _name(digest, self._signature_key)

    def signed(self, message: bytes) -> bytes:
        """A message with a proof before it that somebody with the volume's key has sent it."""
        return self.proof("message", message) + message

    def verified(self, data: bytes) -> bytes | None:
        """The message in the result of ``signed``; None: its sender does not have the volume's key."""
        message = data[PROOF:]
        return message if hmac.compare_digest(data, self.signed(message)) else None

    def proof(self, use: str, what: bytes) -> bytes:
        """Shows that somebody with the volume's key has said ``what``, for this ``use`` alone: 16 bytes."""
        person = use.encode()
        return hashlib.blake2b(what, digest_size=PROOF, key=self._message_key, person=person).digest()

    def seal(self, identity: str, kind: str, plain: bytes) -> bytes:
        """Sealed for this account, or whatever has that name, and this use alone."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, plain, _bound_to(identity, kind))

    def open(self, identity: str, kind: str, sealed: bytes) -> bytes | None:
        """The sealed content; None: not by this volume's key, or not for this account and use."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound_to(identity, kind))
        except (InvalidTag, ValueError):
            return None


def _name(what: bytes, key: bytes) -> str:
    digest = hashlib.blake2b(what, digest_size=16, key=key).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _derived(master: bytes, use: bytes) -> bytes:
    info = b"antigravity-proxy replicas %d %s" % (VERSION, use)
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(master)


def _bound_to(identity: str, kind: str) -> bytes:
    return f"{VERSION}\0{kind}\0{identity}".encode("utf-8", "surrogatepass")
