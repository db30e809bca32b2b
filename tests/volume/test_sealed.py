"""The three spellings of a sealed field, and what is none."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from antigravity_proxy.volume import sealed
from antigravity_proxy.volume.sealed import Malformed, Unsealer, WrongKey

KEY, OTHER = bytes(range(32)), bytes(32)
TEXT = b'{"access_token": "ya29.\xc3\xa9"}'


def seal(text: bytes = TEXT, key: bytes = KEY) -> str:
    """The old form."""
    nonce = os.urandom(16)
    content = AESGCM(key).encrypt(nonce, text, None)
    return f"{nonce.hex()}:{content[-16:].hex()}:{content[:-16].hex()}"


@pytest.mark.parametrize("spell", [str, str.upper, lambda field: sealed.PREFIX + field])
def test_old_and_new_form_open_in_either_case(spell: Callable[[str], str]) -> None:
    assert Unsealer([KEY]).open(spell(seal())) == TEXT


@pytest.mark.parametrize("field", ['{"a": 1}', " \n[1]", "{"])
def test_plain_json_passes_through(field: str) -> None:
    assert Unsealer([]).open(field) == field.encode()


@pytest.mark.parametrize(
    "field",
    [
        "",
        "null",
        "agm_enc_v1:",
        "a:b:c",
        seal()[:-1],
        ":".join(seal().split(":")[:2]),
        ":".join([*seal().split(":")[:2], ""]),
        seal()[2:],
        "agm_enc_v2:" + seal(),
        seal() + ":00",
        "é" * 32,
    ],
)
def test_what_has_none_of_the_forms_is_malformed(field: str) -> None:
    with pytest.raises(Malformed):
        Unsealer([KEY]).open(field)


def test_a_wrong_key_is_told_from_a_malformed_field() -> None:
    for keys in ([], [OTHER], [OTHER, bytes(31) + b"\x01"]):
        with pytest.raises(WrongKey):
            Unsealer(keys).open(seal())
    nonce, tag, text = seal().split(":")
    with pytest.raises(WrongKey):
        Unsealer([KEY]).open(f"{nonce}:{tag}:{text[:-2]}{'00' if text[-2:] != '00' else '01'}")


def test_fields_under_different_keys_open_and_the_last_good_key_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[bytes] = []

    class Watched:
        def __init__(self, key: bytes) -> None:
            self.key = key

        def decrypt(self, *arguments: Any) -> bytes:
            tried.append(self.key)
            return AESGCM(self.key).decrypt(*arguments)

    monkeypatch.setattr(sealed, "AESGCM", Watched)
    unsealer = Unsealer([OTHER, KEY])
    for key in (KEY, KEY, OTHER, OTHER):
        assert unsealer.open(seal(key=key)) == TEXT
    assert tried == [OTHER, KEY, KEY, KEY, OTHER, OTHER]
