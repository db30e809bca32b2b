"""Writes a throwaway credential volume as the desktop app would (credential-volume.md 1.2 to 1.5)."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_SCHEMA = """
CREATE TABLE IF NOT EXISTS accounts (
  id TEXT PRIMARY KEY, provider TEXT NOT NULL, email TEXT NOT NULL, name TEXT, avatar_url TEXT,
  token_json TEXT NOT NULL, quota_json TEXT, device_profile_json TEXT, device_history_json TEXT,
  created_at INTEGER NOT NULL, last_used INTEGER NOT NULL, status TEXT DEFAULT 'active', status_reason TEXT,
  is_active INTEGER DEFAULT 0, proxy_url TEXT);
CREATE INDEX IF NOT EXISTS idx_accounts_email ON accounts (email);
CREATE TABLE IF NOT EXISTS settings (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
#: far in the future, epoch seconds: 2100-01-01
FAR = 4_102_444_800


class VolumeWriter:
    """A volume being written. Accounts are numbered from 0: ``ya29.sim-0``, ``account-0@example.com``, …"""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._key = os.urandom(32)
        keys = directory / ".keys"
        keys.mkdir(parents=True, mode=0o700, exist_ok=True)
        key_file = keys / "master.key"
        key_file.touch(mode=0o600)
        key_file.write_text(self._key.hex())
        with closing(self._connect()) as db, db:
            db.executescript(_SCHEMA)

    def add(self, number: int, *, expires_at: float = FAR, **fields: Any) -> str:
        """Adds an account, or replaces it; returns its id. ``fields`` go into its token; expiry in epoch seconds."""
        self.add_all([number], expires_at=expires_at, **fields)
        return _id(number)

    def add_all(self, numbers: Iterable[int], *, expires_at: float = FAR, **fields: Any) -> None:
        """Adds accounts, or replaces them, in one transaction; the rest as ``add``."""
        rows = [
            (
                _id(n),
                "google",
                f"account-{n}@example.com",
                f"Account {n}",
                self.seal(_token(n, expires_at) | fields),
                1,
                n,
            )
            for n in numbers
        ]
        with closing(self._connect()) as db, db:
            db.executemany(
                "INSERT OR REPLACE INTO accounts (id, provider, email, name, token_json, created_at, last_used)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows,
            )

    def remove(self, number: int) -> None:
        """Removes an account."""
        with closing(self._connect()) as db, db:
            db.execute("DELETE FROM accounts WHERE id = ?", (_id(number),))

    def configure(self, **proxy: Any) -> None:
        """Writes ``gui_config.json`` with these ``proxy`` settings."""
        (self.directory / "gui_config.json").write_text(msgspec.json.encode({"proxy": proxy}).decode())

    def seal(self, value: Any) -> str:
        """A field in the newest sealed form (credential-volume.md 1.4)."""
        nonce = os.urandom(16)
        sealed = AESGCM(self._key).encrypt(nonce, msgspec.json.encode(value), None)
        return f"agm_enc_v1:{nonce.hex()}:{sealed[-16:].hex()}:{sealed[:-16].hex()}"

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.directory / "cloud_accounts.db")
        db.execute("PRAGMA synchronous=OFF")  # made up: it need not outlive a power cut
        db.execute("PRAGMA journal_mode=WAL")
        return db


def write_volume(directory: Path, *, accounts: int, api_key: str = "") -> VolumeWriter:
    """A volume with ``accounts`` accounts that never expire, and an API key."""
    writer = VolumeWriter(directory)
    writer.configure(api_key=api_key)
    writer.add_all(range(accounts))
    return writer


def _id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def _token(number: int, expires_at: float) -> dict[str, Any]:
    return {
        "access_token": f"ya29.sim-{number}",
        "refresh_token": f"1//sim-{number}",
        "expires_in": 3599,
        "expiry_timestamp": expires_at,
        "token_type": "Bearer",
        "project_id": f"project-{number}",
    }
