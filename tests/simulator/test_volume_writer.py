"""A volume as the desktop app writes it: the product's own reader is not asked here, the document's words are."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from antigravity_proxy.simulator.volume import FAR, write_volume


def opened(directory: Path) -> list[dict[str, Any]]:
    """The rows, their tokens opened by the key that lies beside them (credential-volume.md 1.4, 1.5)."""
    key = bytes.fromhex((directory / ".keys/master.key").read_text())
    with closing(sqlite3.connect(directory / "cloud_accounts.db")) as db:
        db.row_factory = sqlite3.Row
        rows = [dict(row) for row in db.execute("SELECT * FROM accounts ORDER BY id")]
    for row in rows:
        prefix, iv, tag, text = row["token_json"].split(":")
        assert prefix == "agm_enc_v1"
        assert len(bytes.fromhex(iv)) == 16
        row["token"] = json.loads(AESGCM(key).decrypt(bytes.fromhex(iv), bytes.fromhex(text + tag), None))
    return rows


def test_accounts_are_written_and_sealed(tmp_path: Path) -> None:
    write_volume(tmp_path / "v", accounts=2, api_key="sk-1")
    first, second = opened(tmp_path / "v")
    assert (first["provider"], first["email"], first["status"], first["is_active"]) == (
        "google",
        "account-0@example.com",
        "active",
        0,
    )
    assert first["token"] == {
        "access_token": "ya29.sim-0",
        "refresh_token": "1//sim-0",
        "expires_in": 3599,
        "expiry_timestamp": FAR,
        "token_type": "Bearer",
        "project_id": "project-0",
    }
    assert second["id"] != first["id"]
    assert json.loads((tmp_path / "v/gui_config.json").read_text()) == {"proxy": {"api_key": "sk-1"}}


def test_an_accounts_token_is_as_chosen(tmp_path: Path) -> None:
    writer = write_volume(tmp_path, accounts=0)
    identity = writer.add(5, expires_at=1000, project_id=None, refresh_token="")
    (row,) = opened(tmp_path)
    assert row["id"] == identity
    assert row["token"]["expiry_timestamp"] == 1000
    assert (row["token"]["project_id"], row["token"]["refresh_token"]) == (None, "")


def test_accounts_are_replaced_and_removed(tmp_path: Path) -> None:
    writer = write_volume(tmp_path, accounts=2)
    writer.add(0, access_token="ya29.other")
    writer.remove(1)
    assert [row["token"]["access_token"] for row in opened(tmp_path)] == ["ya29.other"]


def test_nobody_else_can_read_the_key(tmp_path: Path) -> None:
    write_volume(tmp_path, accounts=0)
    assert (tmp_path / ".keys/master.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / ".keys").stat().st_mode & 0o077 == 0


def test_the_journal_is_a_write_ahead_log_that_is_gone_when_nobody_writes(tmp_path: Path) -> None:
    write_volume(tmp_path, accounts=1)
    with closing(sqlite3.connect(tmp_path / "cloud_accounts.db")) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".keys", "cloud_accounts.db", "gui_config.json"]
