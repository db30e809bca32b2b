"""Seals texts that a client keeps for us and shows again: for its key alone, and at any replica. Keys come from it.

A holder of the client's key may open what was sealed for it: no more than that client has sent and received.
"""

from __future__ import annotations

import base64
import os
import zlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

#: what every sealed text begins with; grows with every change of the form
_PREFIX = "agpc1."
_USE = b"antigravity-proxy compaction 1"
_NONCE = 12


class Seal:
    """Seals and opens. ``key`` is the client's API key, empty where none is asked for; ``most`` characters of text."""

    __slots__ = ("_key", "_most")

    def __init__(self, key: bytes, most: int) -> None:
        self._key = key
        self._most = most

    def seal(self, text: str) -> str:
        """The text, sealed: a word that needs no escapes in JSON."""
        nonce = os.urandom(_NONCE)
        sealed = self._cipher().encrypt(nonce, zlib.compress(text.encode("utf-8", "replace")), _USE)
        return _PREFIX + base64.urlsafe_b64encode(nonce + sealed).decode("ascii")

    def open(self, sealed: str) -> str | None:
        """The sealed text; None: not by us, not for this key, or too long."""
        if not sealed.startswith(_PREFIX) or len(sealed) > 6 * self._most:
            return None
        try:
            data = base64.b64decode(sealed[len(_PREFIX) :], b"-_", validate=True)
            packed = self._cipher().decrypt(data[:_NONCE], data[_NONCE:], _USE)
            unpacker = zlib.decompressobj()
            plain = unpacker.decompress(packed, 4 * self._most)
            return None if unpacker.unconsumed_tail else plain.decode()
        except (InvalidTag, ValueError, zlib.error):
            return None

    def _cipher(self) -> AESGCM:
        return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=_USE).derive(self._key))
