"""Opens and makes the sealed fields of the database: AES-256-GCM in three spellings (credential-volume.md 1.4)."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from antigravity_proxy.secret import SecretBytes

PREFIX = "agm_enc_v1:"
_SEALED = re.compile(r"([0-9a-fA-F]{32}):([0-9a-fA-F]{32}):((?:[0-9a-fA-F]{2})+)")


class Malformed(Exception):
    """The field has none of the known forms."""


class WrongKey(Exception):
    """The field is sealed, and none of the keys opens it."""


class Unsealer:
    """Opens fields with several keys: the one that worked last comes first."""

    def __init__(self, keys: Sequence[SecretBytes]) -> None:
        self._ciphers = [(AESGCM(key), key) for key in keys]
        self.used: SecretBytes | None = None  # what opened the last field; None: that was not sealed

    def open(self, field: str) -> bytes:
        """The JSON text of a field, sealed or plain. Raises Malformed or WrongKey."""
        self.used = None
        if field.lstrip()[:1] in ("{", "["):
            return field.encode("utf-8", "surrogatepass")
        found = _SEALED.fullmatch(field.removeprefix(PREFIX))
        if found is None:
            raise Malformed("neither sealed nor JSON")
        nonce, tag, ciphertext = (bytes.fromhex(part) for part in found.groups())
        for position, (cipher, key) in enumerate(self._ciphers):
            try:
                text = cipher.decrypt(nonce, ciphertext + tag, None)
            except InvalidTag:
                continue
            if position:
                self._ciphers.insert(0, self._ciphers.pop(position))
            self.used = key
            return text
        raise WrongKey("no key opens it")


def seal(text: bytes, key: SecretBytes, *, prefixed: bool) -> str:
    """The field with that JSON text, sealed with ``key``: in the new form, ``prefixed``, or in the old one."""
    nonce = os.urandom(16)
    sealed = AESGCM(key).encrypt(nonce, text, None)
    return f"{PREFIX if prefixed else ''}{nonce.hex()}:{sealed[-16:].hex()}:{sealed[:-16].hex()}"


def is_sealed(field: str) -> bool:
    """Whether the field has one of the sealed forms."""
    return _SEALED.fullmatch(field.removeprefix(PREFIX)) is not None


def opens(field: str, key: SecretBytes) -> bool:
    """Whether the key opens a sealed field."""
    try:
        Unsealer((key,)).open(field)
    except WrongKey:
        return False
    return True
