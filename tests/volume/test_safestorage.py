"""Chromium's wrapping on each platform, unwrapped again; with made-up keys and passwords."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from hypothesis import given
from hypothesis import strategies as st

from antigravity_proxy.volume.safestorage import (
    LINUX_ROUNDS,
    MACOS_ROUNDS,
    unwrap_cbc,
    unwrap_gcm,
    windows_key,
)

PLAIN = b"ab" * 32
KEY = bytes(range(32))


def cbc(content: bytes, password: bytes, rounds: int, prefix: bytes = b"v10") -> bytes:
    key = PBKDF2HMAC(hashes.SHA1(), 16, b"saltysalt", rounds).derive(password)
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(b" " * 16)).encryptor()
    return prefix + encryptor.update(padder.update(content) + padder.finalize()) + encryptor.finalize()


def gcm(content: bytes, key: bytes) -> bytes:
    return b"v10" + bytes(12) + AESGCM(key).encrypt(bytes(12), content, None)


@pytest.mark.parametrize(
    ("password", "rounds", "prefix"),
    [(b"peanuts", LINUX_ROUNDS, b"v10"), (b"of the keyring", LINUX_ROUNDS, b"v11"), (b"chain", MACOS_ROUNDS, b"v10")],
)
def test_a_password_unwraps_what_it_wrapped(password: bytes, rounds: int, prefix: bytes) -> None:
    wrapped = cbc(PLAIN, password, rounds, prefix)
    assert unwrap_cbc(wrapped, password, rounds) == PLAIN
    assert unwrap_cbc(wrapped, b"another one", rounds) is None
    assert unwrap_cbc(wrapped, password, rounds + 1) is None


@pytest.mark.parametrize("content", [b"", b"v10", b"v12" + bytes(16), b"v10" + bytes(15), PLAIN])
def test_what_is_not_wrapped_so_is_none(content: bytes) -> None:
    assert unwrap_cbc(content, b"peanuts", 1) is None
    assert unwrap_gcm(content, KEY) is None


def test_windows_key_unwraps_what_it_wrapped() -> None:
    assert unwrap_gcm(gcm(PLAIN, KEY), KEY) == PLAIN
    assert unwrap_gcm(gcm(PLAIN, KEY), bytes(32)) is None
    assert unwrap_gcm(gcm(PLAIN, KEY), b"no key") is None


def test_windows_key_stands_in_the_local_state() -> None:
    state = {"os_crypt": {"encrypted_key": base64.b64encode(b"DPAPI" + KEY).decode()}}
    assert windows_key(json.dumps(state).encode()) == KEY


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"os_crypt": []}',
        b'{"os_crypt": {"encrypted_key": 7}}',
        b'{"os_crypt": {"encrypted_key": "!"}}',
        b'{"os_crypt": {"encrypted_key": "QUJD"}}',
    ],
)
def test_a_local_state_without_a_key_is_none(content: bytes) -> None:
    assert windows_key(content) is None


@given(st.binary(max_size=200), st.binary(max_size=40))
def test_no_bytes_raise(content: bytes, secret: bytes) -> None:
    unwrap_cbc(b"v10" + content, secret, 1)
    unwrap_gcm(b"v10" + content, secret)
    windows_key(content)
