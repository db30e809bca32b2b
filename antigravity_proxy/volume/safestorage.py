"""Electron's safeStorage: what the desktop's operating system wrapped, unwrapped. Pure (credential-volume.md 1.5).

Chromium's scheme: a prefix, then AES-128-CBC under a password (macOS, Linux) or AES-256-GCM under a key (Windows).
"""

from __future__ import annotations

import base64
import binascii

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

PREFIXES = (b"v10", b"v11")
#: the password of Linux's ``v10``, for desktops without a keyring
LINUX_PASSWORD = b"peanuts"
LINUX_ROUNDS, MACOS_ROUNDS = 1, 1003
_DPAPI = b"DPAPI"
_NONCE_SIZE, _TAG_SIZE = 12, 16


def unwrap_cbc(wrapped: bytes, password: bytes, rounds: int) -> bytes | None:
    """The secret that macOS or Linux wrapped with ``password``; None if it is not one, or the password is another."""
    if not wrapped.startswith(PREFIXES) or (len(wrapped) - 3) % 16 or len(wrapped) == 3:
        return None
    key = PBKDF2HMAC(hashes.SHA1(), 16, b"saltysalt", rounds).derive(password)  # noqa: S303 - Chromium's choice
    decryptor = Cipher(algorithms.AES(key), modes.CBC(b" " * 16)).decryptor()
    padded = decryptor.update(wrapped[3:]) + decryptor.finalize()
    padding = padded[-1]
    if not 1 <= padding <= 16 or padded[-padding:] != bytes([padding]) * padding:
        return None
    return padded[:-padding]


def unwrap_gcm(wrapped: bytes, key: bytes) -> bytes | None:
    """The secret that Windows wrapped with the ``key`` of `windows_key`; None if it is not one, or by another key."""
    if not wrapped.startswith(b"v10") or len(wrapped) < 3 + _NONCE_SIZE + _TAG_SIZE:
        return None
    nonce, sealed = wrapped[3 : 3 + _NONCE_SIZE], wrapped[3 + _NONCE_SIZE :]
    try:
        return AESGCM(key).decrypt(nonce, sealed, None)
    except (InvalidTag, ValueError):
        return None


def windows_key(local_state: bytes) -> bytes | None:
    """The wrapping key in Chromium's ``Local State``, still protected by DPAPI; None if there is none."""
    try:
        encoded = msgspec.json.decode(local_state)["os_crypt"]["encrypted_key"]
        protected = base64.b64decode(encoded, validate=True)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, LookupError, TypeError, binascii.Error):
        return None
    return protected.removeprefix(_DPAPI) if protected.startswith(_DPAPI) else None
