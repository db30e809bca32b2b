"""The desktop's own safes, one thin class for each operating system. Nothing here decides anything.

Their packages come with ``pip install antigravity-proxy[keychain]`` and are imported on the platform that has them.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, Protocol

#: Electron's safeStorage keeps its password under this name (credential-volume.md 1.5)
STORAGE = "Antigravity Manager Safe Storage"
APPLICATION = "Antigravity Manager"


class Keychain(Protocol):
    """The operating system's store of the desktop app's secrets. Each method gives None if there is no such entry.

    All raise KeychainError if the safe can't be asked.
    """

    def entry(self, service: str, account: str) -> str | None:
        """The password that keytar stored."""
        ...

    def storage_password(self) -> bytes | None:
        """The password of Electron's safeStorage; Windows has none."""
        ...

    def unprotect(self, blob: bytes) -> bytes | None:
        """The secret that DPAPI protects for this user; None elsewhere than on Windows."""
        ...


class KeychainError(Exception):
    """The operating system's safe can't be asked; the message says what to do."""


def of_platform(platform: str = sys.platform) -> Keychain:
    """The safe of this operating system."""
    if platform == "win32":
        return Windows()
    return MacOS() if platform == "darwin" else Linux()


class MacOS:
    """The login keychain; it may ask the user for permission."""

    def entry(self, service: str, account: str) -> str | None:
        found: str | None = _called(_module("keyring").get_password, service, account)
        return found

    def storage_password(self) -> bytes | None:
        found = self.entry(STORAGE, APPLICATION) or self.entry(STORAGE, "Antigravity Manager Key")
        return found.encode() if found else None

    def unprotect(self, blob: bytes) -> bytes | None:
        return None


class Linux:
    """The Secret Service: GNOME's keyring, KWallet from KDE 5.97 on, KeePassXC."""

    def entry(self, service: str, account: str) -> str | None:
        found = self._secret({"service": service, "account": account})
        return found.decode() if found else None

    def storage_password(self) -> bytes | None:
        return self._secret({"application": APPLICATION})

    def unprotect(self, blob: bytes) -> bytes | None:
        return None

    def _secret(self, attributes: dict[str, str]) -> bytes | None:
        safe = _module("secretstorage")
        connection = _called(safe.dbus_init)
        try:
            for item in _called(lambda: list(safe.search_items(connection, attributes))):
                if item.is_locked():
                    _called(item.unlock)
                secret: bytes = _called(item.get_secret)
                return secret
            return None
        finally:
            connection.close()


class Windows:
    """The credential manager, and DPAPI."""

    def entry(self, service: str, account: str) -> str | None:
        credentials = _module("win32ctypes.pywin32.win32cred")
        try:
            blob = credentials.CredRead(f"{service}/{account}", credentials.CRED_TYPE_GENERIC)["CredentialBlob"]
        except Exception:  # its own error type, for: there is no such entry
            return None
        return blob.decode("utf-8", "replace") if isinstance(blob, bytes) else str(blob)

    def storage_password(self) -> bytes | None:
        return None

    def unprotect(self, blob: bytes) -> bytes | None:
        import ctypes

        class Blob(ctypes.Structure):
            _fields_ = (("size", ctypes.c_uint32), ("data", ctypes.c_void_p))

        windll: Any = ctypes.windll  # type: ignore[attr-defined,unused-ignore]
        buffer = ctypes.create_string_buffer(blob, len(blob))
        given, plain = Blob(len(blob), ctypes.addressof(buffer)), Blob()
        if not windll.crypt32.CryptUnprotectData(ctypes.byref(given), None, None, None, None, 0, ctypes.byref(plain)):
            return None
        try:
            return ctypes.string_at(plain.data or 0, plain.size)
        finally:
            windll.kernel32.LocalFree(ctypes.c_void_p(plain.data))


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as e:
        raise KeychainError(
            f"the system's keychain needs a package ({e}): run pip install 'antigravity-proxy[keychain]'"
        ) from e


def _called(function: Any, *arguments: Any) -> Any:
    """The function's result; whatever it raises is the safe's refusal."""
    try:
        return function(*arguments)
    except Exception as e:  # each platform has types of its own, and dozens of them
        raise KeychainError(f"the system's keychain can't be asked: {' '.join(str(e).split())}") from e
