"""Keys: which opens what, and out of the desktop's safes; the safes themselves are stand-ins of each platform's."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from click import ClickException
from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from support.command import call
from support.volumes import copy_of

from antigravity_proxy.operator import keychain, keys
from antigravity_proxy.operator.keychain import KeychainError
from antigravity_proxy.operator.keys import Candidate, of_desktop
from antigravity_proxy.simulator.volume import write_volume
from antigravity_proxy.volume import layout

A, B, C = (bytes([letter]) * 32 for letter in b"\xa1\xb2\xc3")


def cbc(key: bytes, password: bytes, rounds: int, prefix: bytes) -> bytes:
    wrapping = PBKDF2HMAC(hashes.SHA1(), 16, b"saltysalt", rounds).derive(password)
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(wrapping), modes.CBC(b" " * 16)).encryptor()
    return prefix + encryptor.update(padder.update(key.hex().encode()) + padder.finalize()) + encryptor.finalize()


class Safe:
    """A desktop's safe; raises what it holds if that is an error."""

    def __init__(self, entries: Any = None, password: Any = None, unprotected: Any = None) -> None:
        self.entries, self.password, self.unprotected = entries or {}, password, unprotected

    def entry(self, service: str, account: str) -> str | None:
        assert service == "AntigravityManager"
        return self._given(self.entries if isinstance(self.entries, Exception) else self.entries.get(account))

    def storage_password(self) -> bytes | None:
        return self._given(self.password)

    def unprotect(self, blob: bytes) -> bytes | None:
        assert blob == b"protected"
        return self._given(self.unprotected)

    def _given(self, value: Any) -> Any:
        if isinstance(value, Exception):
            raise value
        return value


def test_entries_of_keytar_come_first_and_each_key_once(tmp_path: Path) -> None:
    (tmp_path / ".mk").write_text(A.hex())
    (tmp_path / "master-key.v2.file").write_text(C.hex())
    safe = Safe({"MasterKey": A.hex(), "MasterKeyV2": B.hex()})
    found, trouble = of_desktop([tmp_path], "linux", safe)
    assert [(each.source, each.key) for each in found] == [
        ("keychain entry MasterKeyV2", B),
        ("keychain entry MasterKey", A),
        ("master-key.v2.file", C),
    ]
    assert trouble == []
    assert A.hex() not in repr(found)


@pytest.mark.parametrize(
    ("platform", "content", "safe"),
    [
        ("linux", cbc(A, b"peanuts", 1, b"v10"), Safe()),
        ("linux", cbc(A, b"ring", 1, b"v11"), Safe(password=b"ring")),
        ("darwin", cbc(A, b"chain", 1003, b"v10"), Safe(password=b"chain")),
        ("win32", b"v10" + bytes(12) + AESGCM(C).encrypt(bytes(12), A.hex().encode(), None), Safe(unprotected=C)),
    ],
)
@pytest.mark.parametrize("name", [".mk", "master-key.v2.safe"])
def test_each_platform_unwraps_its_own(platform: str, content: bytes, safe: Safe, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    state = {"os_crypt": {"encrypted_key": base64.b64encode(b"DPAPIprotected").decode()}}
    (tmp_path / "Local State").write_text(json.dumps(state))
    assert of_desktop([tmp_path], platform, safe) == ([Candidate(name, A)], [])
    found, trouble = of_desktop([tmp_path], platform, Safe(password=b"wrong", unprotected=B))
    if (platform, content[:3]) != ("linux", b"v10"):
        assert found == []
        assert trouble == [f"{name} can't be unwrapped here: was it made by another user or machine?"]


@pytest.mark.parametrize("platform", ["win32", "darwin", "linux"])
def test_a_safe_that_can_not_be_asked_is_told_once(platform: str, tmp_path: Path) -> None:
    (tmp_path / ".mk").write_bytes(cbc(A, b"unknown", 1, b"v11"))
    state = {"os_crypt": {"encrypted_key": base64.b64encode(b"DPAPIprotected").decode()}}
    (tmp_path / "Local State").write_text(json.dumps(state))
    error = KeychainError("locked")
    found, trouble = of_desktop([tmp_path], platform, Safe(error, error, error))
    assert found == []
    assert trouble == ["locked", ".mk can't be unwrapped here: was it made by another user or machine?"]


def test_windows_without_a_local_state_has_no_key(tmp_path: Path) -> None:
    (tmp_path / ".mk").write_bytes(b"v10" + bytes(60))
    assert of_desktop([tmp_path], "win32", Safe(unprotected=C))[0] == []


def test_only_keys_that_are_not_there_are_written_for_this_user_alone(tmp_path: Path) -> None:
    (tmp_path / ".mk").write_text(A.hex())
    found = [Candidate("x", key) for key in (A, B, C, B)]
    written = keys.export(found, tmp_path)
    assert [path.name for path in written] == ["master.key", "master-2.key"]
    assert [path.read_text() for path in written] == [f"{B.hex()}\n", f"{C.hex()}\n"]
    assert {path.stat().st_mode & 0o777 for path in written} == {0o600}
    assert (tmp_path / ".keys").stat().st_mode & 0o777 == 0o700
    assert keys.export(found, tmp_path) == []
    with pytest.raises(ClickException):
        keys.export([Candidate("x", b"d" * 32)], tmp_path / ".mk")


def test_check_counts_what_each_key_opens(tmp_path: Path) -> None:
    volume = copy_of("hot-wal", tmp_path)
    (volume / ".keys" / "another").write_text(B.hex())
    result = call("key", "check", "--data-dir", volume, ANTIGRAVITY_MASTER_KEY=C.hex())
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "ANTIGRAVITY_MASTER_KEY: opens 0 of 3 sealed rows",
        ".keys/another: opens 0 of 3 sealed rows",
        ".keys/master.key: opens 3 of 3 sealed rows",
    ]
    (volume / ".keys" / "master.key").unlink()
    result = call("key", "check", "--data-dir", volume)
    assert (result.exit_code, result.stderr) == (1, "Error: 3 of 3 sealed rows are opened by no key\n")


def test_check_without_keys_or_sealed_rows_is_well(tmp_path: Path) -> None:
    volume = write_volume(tmp_path / "volume", accounts=0, api_key="").directory
    (volume / ".keys" / "master.key").unlink()
    result = call("key", "check", "--data-dir", volume)
    assert (result.exit_code, result.stdout) == (0, "No key, and no row that needs one.\n")


def test_the_command_exports_what_opens_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    volume, home = copy_of("gui-0.9.2", tmp_path), tmp_path / "home"
    manager = home / ".config" / "Antigravity Manager"
    manager.mkdir(parents=True)
    right = (volume / ".keys" / "mk").rename(manager / ".mk").read_text().strip()
    (manager / "master-key.v2.file").write_text(B.hex())
    monkeypatch.setattr(keychain, "of_platform", lambda: Safe(KeychainError("no keyring here")))
    environ = {"HOME": str(home), "XDG_CONFIG_HOME": ""}
    refused = call("key", "export", "--data-dir", volume, READONLY_MODE="true", **environ)
    assert (refused.exit_code, "READONLY_MODE" in refused.stderr) == (1, True)
    result = call("key", "export", "--data-dir", volume, **environ)
    path = volume / ".keys" / "master.key"
    assert (result.exit_code, result.stdout) == (0, f"{path}: written, mode 0600\n")
    assert result.stderr == "no keyring here\n"
    assert path.read_text().strip() == right
    assert right not in result.output
    again = call("key", "export", "--data-dir", volume, **environ)
    assert again.stdout == "Every key that is needed is there already.\n"
    assert call("key", "export", "--all", "--data-dir", volume, **environ).stdout.count("written") == 1
    elsewhere = call("key", "export", "--data-dir", tmp_path / "new", **environ)
    assert elsewhere.stdout.count("written") == 2
    (manager / ".mk").unlink()
    none = call("key", "export", "--data-dir", volume, **environ)
    assert (none.exit_code, "1 keys found on this machine, none that opens a row" in none.stderr) == (1, True)


def module(name: str, **contents: Any) -> ModuleType:
    made = ModuleType(name)
    made.__dict__.update(contents)
    return made


def test_macos_asks_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    held = {("AntigravityManager", "MasterKey"): "m", ("Antigravity Manager Safe Storage", "Antigravity Manager"): "s"}
    monkeypatch.setitem(sys.modules, "keyring", module("keyring", get_password=lambda *asked: held.get(asked)))
    safe = keychain.of_platform("darwin")
    assert (safe.entry("AntigravityManager", "MasterKey"), safe.storage_password()) == ("m", b"s")
    assert (safe.entry("x", "y"), safe.unprotect(b"")) == (None, None)
    held.clear()
    assert safe.storage_password() is None


def test_linux_asks_the_secret_service(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    item = SimpleNamespace(is_locked=lambda: True, unlock=lambda: calls.append("unlock"), get_secret=lambda: b"secret")
    held = {"AntigravityManager": [item], "Antigravity Manager": [item]}
    connection = SimpleNamespace(close=lambda: calls.append("close"))
    service = module(
        "secretstorage",
        dbus_init=lambda: connection,
        search_items=lambda _, attributes: iter(held.get(next(iter(attributes.values())), [])),
    )
    monkeypatch.setitem(sys.modules, "secretstorage", service)
    safe = keychain.of_platform("linux")
    assert (safe.entry("AntigravityManager", "MasterKey"), safe.storage_password()) == ("secret", b"secret")
    assert calls == ["unlock", "close"] * 2
    assert (safe.entry("x", "y"), safe.unprotect(b"")) == (None, None)
    monkeypatch.setattr(service, "dbus_init", lambda: 1 / 0)
    with pytest.raises(KeychainError, match="can't be asked: division by zero"):
        safe.storage_password()


def test_windows_asks_the_credential_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    held: dict[str, Any] = {"AntigravityManager/MasterKey": b"m", "AntigravityManager/MasterKeyV2": "n"}
    credentials = module(
        "win32ctypes.pywin32.win32cred",
        CRED_TYPE_GENERIC=1,
        CredRead=lambda target, kind: {"CredentialBlob": held[target]},
    )
    for name in ("win32ctypes", "win32ctypes.pywin32"):
        monkeypatch.setitem(sys.modules, name, module(name))
    monkeypatch.setitem(sys.modules, "win32ctypes.pywin32.win32cred", credentials)
    safe = keychain.of_platform("win32")
    assert [safe.entry("AntigravityManager", name) for name in ("MasterKey", "MasterKeyV2", "x")] == ["m", "n", None]
    assert safe.storage_password() is None


@pytest.mark.parametrize("answers", [True, False])
def test_windows_unprotects_by_dpapi(answers: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    import ctypes

    plain = ctypes.create_string_buffer(b"key", 3)
    freed: list[int] = []

    def unprotect(given: Any, *rest: Any) -> bool:
        blob = given._obj
        assert ctypes.string_at(blob.data, blob.size) == b"protected"
        rest[-1]._obj.size, rest[-1]._obj.data = 3, ctypes.addressof(plain)
        return answers

    windll = SimpleNamespace(
        crypt32=SimpleNamespace(CryptUnprotectData=unprotect),
        kernel32=SimpleNamespace(LocalFree=lambda pointer: freed.append(pointer.value)),
    )
    monkeypatch.setattr(ctypes, "windll", windll, raising=False)
    assert keychain.Windows().unprotect(b"protected") == (b"key" if answers else None)
    assert freed == ([ctypes.addressof(plain)] if answers else [])


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(KeychainError, match=r"pip install 'antigravity-proxy\[keychain\]'"):
        keychain.MacOS().storage_password()


def test_keys_for_a_volume_that_is_not_there_yet_are_all_wanted(tmp_path: Path) -> None:
    found = [Candidate("x", A)]
    assert keys.that_open(layout.single(tmp_path), found) == found
