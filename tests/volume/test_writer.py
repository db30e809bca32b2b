"""Writing into real SQLite files: what the app finds there, what stays, what is refused, a writer at the same time."""

from __future__ import annotations

import json
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from support.users import as_nobody, reachable_directory
from support.volumes import EPOCH, copy_of, reader_of, trace

from antigravity_proxy.canonical.credential import Credential
from antigravity_proxy.canonical.grant import IssuedToken
from antigravity_proxy.secret import Secret
from antigravity_proxy.simulator.volume import write_volume
from antigravity_proxy.volume import keys, layout, mounts
from antigravity_proxy.volume.sealed import Unsealer
from antigravity_proxy.volume.writer import NewAccount, NotWritten, VolumeWriter

T = TypeVar("T")

ALICE = NewAccount(
    email=Secret("Newcomer@example.com"),
    name=Secret("Alice"),
    avatar_url="https://example.com/a.png",
    access_token=Secret("ya29.alice"),
    refresh_token=Secret("1//alice"),
    expires_at=EPOCH + 3599.4,
)


def writer_of(directory: Path, key: bytes | None = None) -> VolumeWriter:
    return VolumeWriter(layout.single(directory), key, lambda: EPOCH)


def rows(directory: Path) -> dict[str, dict[str, Any]]:
    """The rows by address, as SQLite has them."""
    with closing(sqlite3.connect(directory / "cloud_accounts.db")) as db:
        db.row_factory = sqlite3.Row
        return {row["email"]: dict(row) for row in db.execute("SELECT * FROM accounts")}


def accounts(directory: Path) -> dict[str, Credential]:
    """The accounts by address, as the daemon reads them."""
    state = reader_of(directory).read()
    assert not state.error
    return {account.label.reveal(): account for account in state.accounts}


def execute(directory: Path, words: str, *values: Any) -> None:
    with closing(sqlite3.connect(directory / "cloud_accounts.db")) as db, db:
        db.execute(words, values)


@pytest.mark.row("key files")
def test_a_volume_begins_with_a_schema_a_key_and_the_row(tmp_path: Path) -> None:
    written = writer_of(tmp_path).add(ALICE)
    assert (written.is_new, written.key_file) == (True, ".keys/master.key")
    row = rows(tmp_path)["Newcomer@example.com"]
    assert row.pop("token_json").count(":") == 2  # the old form, which every version of the app reads
    assert row == {
        "id": written.id, "provider": "google", "email": "Newcomer@example.com", "name": "Alice",
        "avatar_url": "https://example.com/a.png", "quota_json": None, "device_profile_json": None,
        "device_history_json": None, "created_at": int(EPOCH), "last_used": int(EPOCH), "status": "active",
        "status_reason": None, "is_active": 0, "proxy_url": None,
    }  # fmt: skip
    token = accounts(tmp_path)["Newcomer@example.com"]
    assert (token.access_token, token.grant.token) == (Secret("ya29.alice"), Secret("1//alice"))
    assert token.expires_at == int(EPOCH + 3599)
    modes = {path: stat.S_IMODE((tmp_path / path).stat().st_mode) for path in (".keys", ".keys/master.key")}
    assert modes == {".keys": 0o700, ".keys/master.key": 0o600}
    assert stat.S_IMODE((tmp_path / "cloud_accounts.db").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == [".keys", "cloud_accounts.db"]  # no -wal, no -shm
    with closing(sqlite3.connect(tmp_path / "cloud_accounts.db")) as db:
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert db.execute("SELECT count(*) FROM settings").fetchone()[0] == 0


def test_the_same_address_again_updates_its_row_and_keeps_what_a_sign_in_does_not_concern(tmp_path: Path) -> None:
    first = writer_of(tmp_path).add(ALICE)
    execute(tmp_path, "UPDATE accounts SET status = 'expired', status_reason = 'x', created_at = 5, quota_json = 'q'")
    again = NewAccount(
        Secret("newcomer@EXAMPLE.com"), Secret(""), None, Secret("ya29.2"), Secret("1//2"), EPOCH + 10, "k"
    )
    second = writer_of(tmp_path).add(again)
    assert (second.id, second.is_new, second.key_file) == (first.id, False, "")
    (row,) = rows(tmp_path).values()
    kept = ("email", "avatar_url", "created_at", "quota_json", "status", "status_reason")
    assert [row[name] for name in kept] == [
        "Newcomer@example.com", "https://example.com/a.png", 5, "q", "active", None,
    ]  # fmt: skip
    (account,) = accounts(tmp_path).values()
    assert (account.grant.token, account.grant.client) == (Secret("1//2"), "k")


def test_a_project_and_an_egress_proxy_of_the_row_stay(tmp_path: Path) -> None:
    volume = write_volume(tmp_path, accounts=0)
    volume.add(0, upstream_proxy_url="http://p:1", session_id="-5")
    again = NewAccount(Secret("account-0@example.com"), Secret("A"), None, Secret("ya29.2"), Secret("1//2"), EPOCH + 10)
    writer_of(tmp_path).add(again)
    token = accounts(tmp_path)["account-0@example.com"]
    assert (token.project, token.egress) == ("project-0", Secret("http://p:1"))
    with closing(sqlite3.connect(tmp_path / "cloud_accounts.db")) as db:
        (text,) = db.execute("SELECT token_json FROM accounts").fetchone()
    assert json.loads(Unsealer(keys.find(tmp_path).keys).open(text))["session_id"] == "-5"
    assert token.access_token == Secret("ya29.2")


@pytest.mark.parametrize(
    ("name", "prefixed"),
    [("gui-0.9.2", False), ("gui-2026-08", True), ("hot-wal", True), ("raw-key-rollback", False)],
)
def test_the_apps_own_volumes_take_an_account_and_lose_nothing(tmp_path: Path, name: str, prefixed: bool) -> None:
    directory = copy_of(name, tmp_path)
    before = accounts(directory)
    key_files = {path: found for path, found in trace(directory).items() if ".keys/" in path or "master" in path}
    written = writer_of(directory).add(ALICE)
    assert not written.key_file
    after = accounts(directory)
    assert after.pop("Newcomer@example.com").access_token == Secret("ya29.alice")
    assert {mail: each.sign_in for mail, each in after.items()} == {mail: each.sign_in for mail, each in before.items()}
    assert rows(directory)["Newcomer@example.com"]["token_json"].startswith("agm_enc_v1:") is prefixed
    assert {"proxy_url", "status_reason"} <= rows(directory)["Newcomer@example.com"].keys()
    assert {path: content for path, content in trace(directory).items() if path in key_files} == key_files


def test_the_key_that_opens_the_rows_is_taken_whatever_else_is_there(tmp_path: Path) -> None:
    write_volume(tmp_path, accounts=2)
    own = bytes.fromhex((tmp_path / ".keys/master.key").read_text())
    (tmp_path / ".keys/a.key").write_bytes(b"x" * 32)
    writer_of(tmp_path, key=b"y" * 32).add(ALICE)
    (tmp_path / ".keys/a.key").unlink()
    assert own.hex() == (tmp_path / ".keys/master.key").read_text()
    assert len(accounts(tmp_path)) == 3


def test_a_key_of_the_settings_serves_an_empty_volume(tmp_path: Path) -> None:
    assert not writer_of(tmp_path, key=b"y" * 32).add(ALICE).key_file
    assert not (tmp_path / ".keys").exists()
    assert len(reader_of(tmp_path, key=b"y" * 32).read().accounts) == 1


def test_no_key_is_made_where_there_is_one_that_can_not_be_used(tmp_path: Path) -> None:
    write_volume(tmp_path, accounts=1)
    key = tmp_path / ".keys/master.key"
    for spoil, words in (
        (lambda: key.write_bytes(b"x" * 32), "none of the keys opens"),
        (lambda: key.write_text("no key"), "is there, but holds no key"),
        (key.unlink, "their key is missing"),
        (lambda: (tmp_path / ".mk").write_bytes(b"v11" + b"x" * 80), "is wrapped by the desktop"),
    ):
        spoil()
        before = rows(tmp_path)
        with pytest.raises(NotWritten, match=words):
            writer_of(tmp_path).add(ALICE)
        assert rows(tmp_path) == before
        assert not (tmp_path / ".keys/master-2.key").exists()


def test_a_file_in_the_new_keys_place_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / ".keys").mkdir()
    (tmp_path / ".keys/master.key").write_text("somebody's notes")
    with pytest.raises(NotWritten, match="holds no key"):
        writer_of(tmp_path).add(ALICE)
    assert (tmp_path / ".keys/master.key").read_text() == "somebody's notes"
    assert [path.name for path in tmp_path.iterdir()] == [".keys"]


def test_what_can_not_be_written_says_why_and_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotWritten, match="is the volume mounted"):
        writer_of(tmp_path / "nowhere").add(ALICE)
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "cloud_accounts.db").write_bytes(b"no database" * 100)
    before = trace(tmp_path)
    with pytest.raises(NotWritten, match=r"cloud_accounts.db can't be written: file is not a database"):
        writer_of(tmp_path).add(ALICE)
    monkeypatch.setattr(mounts, "is_alone", lambda _: True)
    with pytest.raises(NotWritten, match="mounted as a single file"):
        writer_of(tmp_path).add(ALICE)
    assert trace(tmp_path) == before


def test_a_lock_that_stays_is_told_after_the_busy_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("antigravity_proxy.volume.writer.BUSY", 0.05)
    write_volume(tmp_path, accounts=1)
    with closing(sqlite3.connect(tmp_path / "cloud_accounts.db", isolation_level=None)) as app:
        app.execute("BEGIN IMMEDIATE")
        with pytest.raises(NotWritten, match="database is locked"):
            writer_of(tmp_path).add(ALICE)
        app.execute("ROLLBACK")
    writer_of(tmp_path).add(ALICE)
    assert len(rows(tmp_path)) == 2


def grant(token: str = "ya29.new", expires_at: float = EPOCH + 3599, refresh: str = "") -> IssuedToken:
    return IssuedToken(Secret(token), expires_at, Secret(refresh) if refresh else None)


def test_a_renewed_token_changes_nothing_but_what_it_is(tmp_path: Path) -> None:
    volume = write_volume(tmp_path, accounts=2)
    identity = volume.add(0, expires_at=EPOCH - 5, id_token="kept", is_gcp_tos=True)
    before = rows(tmp_path)
    writer = writer_of(tmp_path)
    assert writer.renew(identity, Secret("1//sim-0"), grant(refresh="1//rotated"))
    after = rows(tmp_path)
    changed = after["account-0@example.com"].pop("token_json")
    assert changed != before["account-0@example.com"].pop("token_json")
    assert changed.startswith("agm_enc_v1:")
    assert after == before
    token = writer._opened(changed)[0]
    assert token == {
        "access_token": "ya29.new", "refresh_token": "1//rotated", "expires_in": 3599,
        "expiry_timestamp": int(EPOCH + 3599), "token_type": "Bearer", "project_id": "project-0", "id_token": "kept",
        "is_gcp_tos": True,
    }  # fmt: skip
    state = trace(tmp_path)
    assert not writer.renew(identity, Secret("1//sim-0"), grant(refresh="1//rotated"))  # told twice
    assert {path: each[5] for path, each in trace(tmp_path).items()} == {path: each[5] for path, each in state.items()}


def test_what_the_app_wrote_meanwhile_is_never_lost(tmp_path: Path) -> None:
    volume = write_volume(tmp_path, accounts=1)
    writer = writer_of(tmp_path)
    identity = volume.add(0, refresh_token="1//another-sign-in", expires_at=EPOCH)
    assert not writer.renew(identity, Secret("1//sim-0"), grant(refresh="1//rotated"))
    identity = volume.add(0, access_token="ya29.by-the-app", expires_at=EPOCH + 9000)
    assert not writer.renew(identity, Secret("1//sim-0"), grant())
    assert accounts(tmp_path)["account-0@example.com"].access_token == Secret("ya29.by-the-app")
    assert writer.renew(identity, Secret("1//sim-0"), grant(refresh="1//rotated"))  # only that is news
    token = accounts(tmp_path)["account-0@example.com"]
    assert (token.access_token, token.grant.token) == (Secret("ya29.by-the-app"), Secret("1//rotated"))
    volume.remove(0)
    assert not writer.renew(identity, Secret("1//rotated"), grant())
    assert rows(tmp_path) == {}


@pytest.mark.parametrize(
    "field", ["{}", "nonsense", "00" * 16 + ":" + "00" * 16 + ":00", None, 5, '{"refresh_token":"r"}']
)
def test_a_row_that_does_not_open_is_left_as_it_is(tmp_path: Path, field: Any) -> None:
    identity = write_volume(tmp_path, accounts=1).add(0)
    execute(tmp_path, "UPDATE accounts SET token_json = ?", "" if field is None else field)
    assert not writer_of(tmp_path).renew(identity, Secret("r"), grant())
    assert rows(tmp_path)["account-0@example.com"]["token_json"] in (field, "", str(field))


def test_renewing_makes_no_file_and_no_schema(tmp_path: Path) -> None:
    assert not writer_of(tmp_path).renew("x", Secret("r"), grant())
    assert list(tmp_path.iterdir()) == []
    directory = copy_of("gui-0.9.2", tmp_path)
    columns = set(next(iter(rows(directory).values())))
    writer_of(directory).renew("x", Secret("r"), grant())
    assert set(next(iter(rows(directory).values()))) == columns


@pytest.fixture
def open_directory() -> Iterator[Path]:
    with reachable_directory() as directory:
        yield directory


def test_a_file_of_somebody_else_is_told_with_its_owner(open_directory: Path) -> None:
    identity = write_volume(open_directory, accounts=1).add(0)
    (open_directory / ".keys").chmod(0o755)
    (open_directory / ".keys" / "master.key").chmod(0o644)
    (open_directory / "cloud_accounts.db").chmod(0o444)
    with as_nobody(), pytest.raises(NotWritten, match="owned by uid"):
        writer_of(open_directory).renew(identity, Secret("1//sim-0"), grant())


APP = """
import sqlite3, sys
for number in range(1, 401):
    db = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA busy_timeout=30000")
    if number % 2:
        db.execute("UPDATE accounts SET last_used = last_used + 1 WHERE id = ?", (sys.argv[2],))
    else:
        db.execute("INSERT INTO settings VALUES (?, '1')", (str(number),))
    db.close()
"""


def in_the_end(write: Callable[[], T]) -> T:
    """What the write gives once the app lets it have the database: on a busy machine it may be refused a few times."""
    for _ in range(20):
        try:
            return write()
        except NotWritten as e:
            if "locked" not in str(e):
                raise
    return write()


def test_a_desktop_app_that_writes_at_the_same_time_loses_nothing_and_costs_nothing(tmp_path: Path) -> None:
    volume = write_volume(tmp_path, accounts=1)
    identity = volume.add(0, expires_at=0)
    database = tmp_path / "cloud_accounts.db"
    app = subprocess.Popen([sys.executable, "-c", APP, str(database), identity], stderr=subprocess.PIPE, text=True)
    writer = writer_of(tmp_path)
    count = 0
    while app.poll() is None or count < 10:
        count += 1
        account = NewAccount(
            Secret(f"{count}@example.com"), Secret(""), None, Secret("ya29.x"), Secret("1//x"), EPOCH + 5
        )
        in_the_end(partial(writer.add, account))
        token = grant(f"ya29.{count}", EPOCH + count)
        assert in_the_end(partial(writer.renew, identity, Secret("1//sim-0"), token))
    assert app.returncode == 0, app.communicate()[1]
    app.communicate()
    found = rows(tmp_path)
    assert len(found) == count + 1
    assert found["account-0@example.com"]["last_used"] == 200
    assert accounts(tmp_path)["account-0@example.com"].access_token == Secret(f"ya29.{count}")
    with closing(sqlite3.connect(database)) as db:
        assert db.execute("SELECT count(*) FROM settings").fetchone()[0] == 200
        assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
