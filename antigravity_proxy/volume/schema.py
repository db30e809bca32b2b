"""The database's schema as the desktop app creates and migrates it (credential-volume.md 1.2)."""

from __future__ import annotations

import sqlite3

_ACCOUNTS = """CREATE TABLE IF NOT EXISTS accounts (
  id TEXT PRIMARY KEY, provider TEXT NOT NULL, email TEXT NOT NULL, name TEXT, avatar_url TEXT,
  token_json TEXT NOT NULL, quota_json TEXT, device_profile_json TEXT, device_history_json TEXT,
  created_at INTEGER NOT NULL, last_used INTEGER NOT NULL, status TEXT DEFAULT 'active', status_reason TEXT,
  is_active INTEGER DEFAULT 0, proxy_url TEXT)"""
_INDEX = "CREATE INDEX IF NOT EXISTS idx_accounts_email ON accounts (email)"
_SETTINGS = "CREATE TABLE IF NOT EXISTS settings (key TEXT PRIMARY KEY, value TEXT NOT NULL)"
#: what later versions added: migrations only ever add columns, checked by name
_ADDED = {
    "is_active": "INTEGER DEFAULT 0",
    "device_profile_json": "TEXT",
    "device_history_json": "TEXT",
    "proxy_url": "TEXT",
    "status_reason": "TEXT",
}


def bring_up(connection: sqlite3.Connection) -> None:
    """Creates what is missing, within the caller's transaction. Raises sqlite3.Error."""
    connection.execute(_ACCOUNTS)
    there = {name for _, name, *_ in connection.execute("PRAGMA table_info(accounts)")}
    for name, kind in _ADDED.items():
        if name not in there:
            connection.execute(f"ALTER TABLE accounts ADD COLUMN {name} {kind}")
    connection.execute(_INDEX)
    bring_up_settings(connection)


def bring_up_settings(connection: sqlite3.Connection) -> None:
    """Creates the table of settings, if it is missing. Raises sqlite3.Error."""
    connection.execute(_SETTINGS)
