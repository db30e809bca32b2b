"""Master keys in a volume: all forms and holders, and what is told of those that give none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from support.volumes import NAMES, copy_of, expected

from antigravity_proxy.volume import files, keys

A, B, C, D = (bytes([letter]) * 32 for letter in b"\xa1\xb2\xc3\xd4")


def wrap(content: bytes, password: bytes = b"peanuts", rounds: int = 1, prefix: bytes = b"v10") -> bytes:
    """Chromium's wrapping on Linux and macOS."""
    key = PBKDF2HMAC(hashes.SHA1(), 16, b"saltysalt", rounds).derive(password)
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(b" " * 16)).encryptor()
    return prefix + encryptor.update(padder.update(content) + padder.finalize()) + encryptor.finalize()


def volume(tmp_path: Path, **contents: bytes) -> Path:
    """A volume of key files: ``k_name`` for those in ``.keys``."""
    (tmp_path / ".keys").mkdir(exist_ok=True)
    names = {"mk": ".mk", "v2file": "master-key.v2.file", "v2safe": "master-key.v2.safe"}
    for name, content in contents.items():
        (tmp_path / names.get(name, f".keys/{name.removeprefix('k_')}")).write_bytes(content)
    return tmp_path


@pytest.mark.parametrize(
    "content",
    [
        A.hex().encode(),
        A.hex().upper().encode(),
        b" \r\n" + A.hex().encode() + b"\n",
        A,
        wrap(A.hex().encode()),
    ],
)
@pytest.mark.parametrize("place", ["k_any", "mk", "v2file", "v2safe"])
def test_every_form_is_read_in_every_place(tmp_path: Path, place: str, content: bytes) -> None:
    assert keys.find(volume(tmp_path, **{place: content})).keys == (A,)


def test_the_order_is_by_name_then_the_apps_own_and_each_key_comes_once(tmp_path: Path) -> None:
    place = volume(tmp_path, mk=D.hex().encode(), v2file=C, k_b=B, k_a=A.hex().encode(), k_c=A)
    (place / ".keys" / ".hidden").write_bytes(bytes(32))
    assert keys.find(place).keys == (bytes(32), A, B, C, D)


@pytest.mark.parametrize("name", NAMES)
def test_the_stored_volumes_have_one_key_each_and_nothing_to_complain_of(name: str, tmp_path: Path) -> None:
    found = keys.find(copy_of(name, tmp_path))
    assert len(found.keys) == 1
    assert found.findings == ()
    assert found.keys[0].hex() == expected(name).get("key_hex", found.keys[0].hex())


def test_a_volume_without_keys_has_none(tmp_path: Path) -> None:
    assert keys.find(tmp_path) == keys.Keys()


@pytest.mark.parametrize(
    "content", [b"", b"README", A.hex().encode()[:-1], A + b"\n", A.hex().encode() * 2, bytes(9999)]
)
def test_other_files_are_ignored_and_named_but_not_shown(tmp_path: Path, content: bytes) -> None:
    found = keys.find(volume(tmp_path, k_notes=content))
    assert found.keys == ()
    assert [(finding.kind, finding.file) for finding in found.findings] == [("ignored", ".keys/notes")]
    assert "README" not in repr(found)


@pytest.mark.parametrize(
    "content",
    [
        wrap(A.hex().encode(), b"a keychain's password", 1003),
        wrap(A.hex().encode(), b"a keyring's password", prefix=b"v11"),
        b"v10" + os.urandom(12 + 64 + 16),
    ],
)
@pytest.mark.parametrize("place", ["mk", "v2safe", "k_copied"])
def test_a_key_wrapped_by_the_system_is_recognised(tmp_path: Path, place: str, content: bytes) -> None:
    found = keys.find(volume(tmp_path, **{place: content}))
    assert found.keys == ()
    assert [finding.kind for finding in found.findings] == ["wrapped"]
    assert "antigravity-proxy key export" in found.findings[0].message


@pytest.mark.parametrize("content", [b"", b"v10", b"v10" + bytes(15), b"v10" + bytes(16), wrap(b"no key"), b"x" * 83])
def test_unwrapping_what_is_not_wrapped_so_gives_nothing(content: bytes) -> None:
    assert keys.unwrap_linux_v10(content) is None


def test_links_are_followed_inside_the_volume_only(tmp_path: Path) -> None:
    place = tmp_path / "volume"
    place.mkdir()
    volume(place)
    (tmp_path / "outside").write_bytes(B)
    (place / ".keys" / "..data").mkdir()
    (place / ".keys" / "..data" / "key").write_bytes(A)
    (place / ".keys" / "key").symlink_to("..data/key")
    (place / ".keys" / "leaves").symlink_to(tmp_path / "outside")
    (place / ".keys" / "leaves to nowhere").symlink_to("/nowhere/at/all")
    (place / ".keys" / "loop").symlink_to("loop")
    (place / ".keys" / "dangles").symlink_to("gone")
    found = keys.find(place)
    assert found.keys == (A,)
    assert [(finding.kind, finding.file) for finding in found.findings] == [
        ("outside", ".keys/leaves"),
        ("outside", ".keys/leaves to nowhere"),
        ("unreadable", ".keys/loop"),
    ]


def test_a_key_directory_that_is_a_link_out_of_the_volume_is_not_followed(tmp_path: Path) -> None:
    place, outside = tmp_path / "volume", tmp_path / "outside"
    place.mkdir()
    outside.mkdir()
    (outside / "key").write_bytes(A)
    (place / ".keys").symlink_to(outside)
    found = keys.find(place)
    assert found.keys == ()
    assert [finding.kind for finding in found.findings] == ["outside"]


def test_a_volume_that_is_itself_a_link_is_a_volume(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    volume(real, k_key=A)
    (tmp_path / "link").symlink_to(real)
    assert keys.find(tmp_path / "link").keys == (A,)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_regular_file_is_passed_over(tmp_path: Path, make: object) -> None:
    place = volume(tmp_path, k_key=A)
    make(place / ".keys" / "aside")  # type: ignore[operator]
    assert keys.find(place).keys == (A,)


def test_an_unreadable_key_is_told_with_owner_mode_and_our_uid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = volume(tmp_path, k_key=A)
    (place / ".keys" / "key").chmod(0o400)

    def refuse(path: Path, **_: bool) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files, "open_descriptor", refuse)
    uid = os.getuid()
    assert keys.find(place).findings == (
        keys.KeyFinding(
            "unreadable",
            ".keys/key",
            f".keys/key can't be read: owned by uid {uid}, mode 0400; this process has uid {uid}",
        ),
    )


def test_a_key_directory_that_may_not_be_listed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = volume(tmp_path)
    (place / ".keys").chmod(0o700)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert [(finding.kind, finding.file) for finding in keys.find(place).findings] == [("unreadable", ".keys")]


def test_keys_are_not_shown(tmp_path: Path) -> None:
    shown = repr(keys.find(volume(tmp_path, k_key=A)))
    assert ".keys/key" in shown
    assert A.hex() not in shown
    assert repr(A) not in shown
