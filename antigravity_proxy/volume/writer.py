"""Writes accounts and renewed tokens into the volume as the desktop app does. Blocking; one short transaction a call.

This is the one place where SQLite opens the volume itself: a writer has to take the app's locks. Writes are
read back by the daemon's own reader, like everything that the app writes.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import msgspec
from msgspec import Struct

from antigravity_proxy import coerce
from antigravity_proxy.canonical.grant import IssuedToken
from antigravity_proxy.secret import Secret, SecretBytes
from antigravity_proxy.volume import exclusion, files, keys, mounts, paused, schema
from antigravity_proxy.volume.atomic import Directory
from antigravity_proxy.volume.database import restrict
from antigravity_proxy.volume.layout import Layout
from antigravity_proxy.volume.sealed import PREFIX, Malformed, Unsealer, WrongKey, is_sealed, opens, seal
from antigravity_proxy.volume.snapshot import VolumeError, located

#: seconds to wait for another writer's lock; the app waits as long (credential-volume.md 1.2)
BUSY = 3.0
#: seconds of SQLite's work in one transaction, waiting for locks apart
WORK = 5.0
#: where a key is made, relative to the volume
NEW_KEY = ".keys/master.key"
#: this many of the rows used last decide which key is the volume's own
_SAMPLE = 100


class NotWritten(VolumeError):
    """Nothing was written; the message says why, for an operator."""


class NewAccount(Struct, frozen=True):
    """Somebody who signed in. ``client_key`` names the OAuth client that the token belongs to, None: the plain one."""

    email: Secret
    name: Secret
    avatar_url: str | None
    access_token: Secret
    refresh_token: Secret
    expires_at: float
    client_key: str | None = None


class Written(Struct, frozen=True):
    """The result of ``add``. ``key_file``, relative to the volume: the key that had to be made."""

    id: str
    is_new: bool
    key_file: str = ""


class VolumeWriter:
    """Writes one volume. ``configured_key`` is a key besides the volume's own; ``epoch`` the wall clock in seconds."""

    def __init__(self, layout: Layout, configured_key: SecretBytes | None, epoch: Callable[[], float]) -> None:
        self._layout = layout
        self._configured = () if configured_key is None else (configured_key,)
        self._epoch = epoch

    def add(self, account: NewAccount) -> Written:
        """Stores who signed in: a new row, or the row of the same address. Raises NotWritten."""
        now = int(self._epoch())
        with self._transaction(create=True) as db:
            schema.bring_up(db)
            key, key_file = self._key(db)
            before = db.execute(
                "SELECT id, token_json FROM accounts WHERE provider = 'google' AND lower(email) = lower(?)"
                " ORDER BY last_used DESC LIMIT 1",
                (account.email.reveal(),),
            ).fetchone()
            kept = {} if before is None else self._opened(before[1])[0]
            field = seal(_text(_signed_in(account, kept, now)), key, prefixed=_has_prefix(db))
            name = account.name.reveal() or account.email.reveal()
            if before is None:
                identity = str(uuid.uuid4())
                db.execute(
                    "INSERT INTO accounts (id, provider, email, name, avatar_url, token_json, created_at, last_used,"
                    " status, is_active) VALUES (?, 'google', ?, ?, ?, ?, ?, ?, 'active', 0)",
                    (identity, account.email.reveal(), name, account.avatar_url, field, now, now),
                )
            else:
                identity = before[0]
                db.execute(
                    "UPDATE accounts SET name = ?, avatar_url = coalesce(?, avatar_url), token_json = ?, last_used = ?,"
                    " status = 'active', status_reason = NULL WHERE id = ?",
                    (name, account.avatar_url, field, now, identity),
                )
        return Written(identity, before is None, key_file)

    def renew(self, identity: str, used: Secret, grant: IssuedToken) -> bool:
        """Stores what a refresh with the refresh token ``used`` brought; returns whether the row had to be changed.

        Newer data of the app stays: another sign-in altogether, or an access token that lives longer. Every
        field that a refresh doesn't concern stays too. Raises NotWritten.
        """
        if not os.path.lexists(self._layout.database):
            return False
        with self._transaction(create=False) as db:
            row = db.execute("SELECT token_json FROM accounts WHERE id = ?", (identity,)).fetchone()
            if row is None:
                return False
            token, key = self._opened(row[0])
            merged = _renewed(token, used, grant, self._epoch())
            if key is None or merged == token:  # unsealed, or sealed by an unknown key: the app's own business
                return False
            db.execute(
                "UPDATE accounts SET token_json = ? WHERE id = ?",
                (seal(_text(merged), key, prefixed=row[0].startswith(PREFIX)), identity),
            )
        return True

    def pause(self, identity: str, *, paused: bool) -> bool:
        """Has this proxy leave an account alone, or use it again; returns whether there is such a row.

        Raises NotWritten.
        """
        with self._transaction(create=False) as db:
            if not _has(db, identity):
                return False
            schema.bring_up_settings(db)
            before = _paused(db)
            _keep_paused(db, before | {identity} if paused else before - {identity})
        return True

    def remove(self, identity: str) -> bool:
        """Removes an account's row; returns whether there was one. Raises NotWritten."""
        with self._transaction(create=False) as db:
            if not _has(db, identity):
                return False
            db.execute("DELETE FROM accounts WHERE id = ?", (identity,))
            schema.bring_up_settings(db)
            _keep_paused(db, _paused(db) - {identity})
        return True

    @contextmanager
    def _transaction(self, *, create: bool) -> Iterator[sqlite3.Connection]:
        """A connection within a transaction that holds the write lock; committed at the end, or as if never begun."""
        database = self._layout.database
        try:
            with exclusion.writing(BUSY), self._connected(create) as db:
                db.text_factory = lambda raw: raw.decode("utf-8", "replace")
                restrict(db, WORK)
                if create and db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                    with suppress(sqlite3.OperationalError):  # somebody is in there: the mode it has serves too
                        db.execute("PRAGMA journal_mode=WAL")
                db.execute("BEGIN IMMEDIATE")
                try:
                    yield db
                except BaseException:
                    if db.in_transaction:
                        db.execute("ROLLBACK")
                    raise
                db.execute("COMMIT")
        except sqlite3.Error as e:
            raise NotWritten(f"{database.name} can't be written: {e}") from e
        except OSError as e:
            raise NotWritten(f"the data directory can't be written: {e.strerror or e}") from e

    def _connected(self, create: bool) -> closing[sqlite3.Connection]:
        """A connection, closed in the end. Raises NotWritten, OSError, sqlite3.Error."""
        self._check(create)
        return closing(sqlite3.connect(self._layout.database, timeout=BUSY, isolation_level=None))

    def _check(self, create: bool) -> None:
        """Whether writing may be tried at all; ``create``: makes an empty file, for this user alone, if there is none.

        Raises NotWritten, OSError.
        """
        database = self._layout.database
        if not os.path.isdir(database.parent):
            raise NotWritten("the data directory is not there: is the volume mounted?")
        if mounts.is_alone(located(database)):
            raise NotWritten(f"{database.name} is mounted as a single file: mount the directory that holds it")
        if create:
            if not os.path.exists(database) and not self._keys():
                self._check_new_key()  # now, so that a refusal leaves no empty database
            os.close(os.open(database, os.O_CREAT | os.O_RDWR, 0o600))
        elif not os.access(database, os.W_OK):
            raise NotWritten(f"{database.name} can't be written: {files.whose(database)}")

    def _keys(self) -> tuple[SecretBytes, ...]:
        return tuple(dict.fromkeys((*self._configured, *keys.find_all(self._layout.keys).keys)))

    def _key(self, db: sqlite3.Connection) -> tuple[SecretBytes, str]:
        """The key that opens most of the rows, and the name of its file if it had to be made. Raises NotWritten."""
        rows = db.execute("SELECT token_json FROM accounts ORDER BY last_used DESC LIMIT ?", (_SAMPLE,))
        sealed = [field for (field,) in rows if isinstance(field, str) and is_sealed(field)]
        material = self._keys()
        if material:
            opened = {key: sum(opens(field, key) for field in sealed) for key in material}
            best = max(material, key=opened.__getitem__)  # the first of equals
            if sealed and not opened[best]:
                raise NotWritten("none of the keys opens the accounts that are there: find the right one first")
            return best, ""
        self._check_new_key()
        if sealed:
            raise NotWritten("the accounts that are there are sealed, and their key is missing: put it into .keys/")
        key = SecretBytes(secrets.token_bytes(32))
        with (
            Directory.opened(self._layout.directory) as directory,
            directory.parent_of(NEW_KEY, make=True) as (inside, name),
        ):
            inside.write(name, key.hex().encode(), directory.heir())
        return key, NEW_KEY

    def _check_new_key(self) -> None:
        """Whether a key may be made: none is there that can't be used here, and no file in its place."""
        for finding in keys.find_all(self._layout.keys).findings:
            if finding.kind not in ("ignored", "directory"):
                raise NotWritten(finding.message)
        if os.path.lexists(self._layout.directory / NEW_KEY):
            raise NotWritten(f"{NEW_KEY} is there, but holds no key")

    def _opened(self, field: object) -> tuple[dict[str, Any], SecretBytes | None]:
        """A row's token, empty if it can't be read, and the key that opened it, None if it took none."""
        if not isinstance(field, str):
            return {}, None
        opening = next((key for key in self._keys() if is_sealed(field) and opens(field, key)), None)
        try:
            token = msgspec.json.decode(Unsealer(() if opening is None else (opening,)).open(field))
        except (Malformed, WrongKey, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return {}, None
        return (token, opening) if isinstance(token, dict) else ({}, None)


def _has(db: sqlite3.Connection, identity: str) -> bool:
    return db.execute("SELECT 1 FROM accounts WHERE id = ?", (identity,)).fetchone() is not None


def _paused(db: sqlite3.Connection) -> frozenset[str]:
    found = db.execute("SELECT value FROM settings WHERE key = ?", (paused.KEY,)).fetchone()
    return frozenset() if found is None else paused.parse(found[0])


def _keep_paused(db: sqlite3.Connection, ids: frozenset[str]) -> None:
    """Keeps those of the ids whose accounts are still there; nothing at all where none is paused."""
    there = [identity for identity in ids if _has(db, identity)]
    if there:
        db.execute("INSERT OR REPLACE INTO settings (key, value) VALUES (?, ?)", (paused.KEY, paused.compose(there)))
    else:
        db.execute("DELETE FROM settings WHERE key = ?", (paused.KEY,))


def _has_prefix(db: sqlite3.Connection) -> bool:
    """Whether any row has the new sealed form; versions that know only the old one would take it for plain text."""
    like = PREFIX.replace("_", r"\_") + "%"
    query = r"SELECT 1 FROM accounts WHERE token_json LIKE ? ESCAPE '\' OR quota_json LIKE ? ESCAPE '\' LIMIT 1"
    return db.execute(query, (like, like)).fetchone() is not None


def _signed_in(account: NewAccount, kept: dict[str, Any], now: int) -> dict[str, Any]:
    """The token of a sign-in; what the row said of project, session and egress proxy stays."""
    token: dict[str, Any] = {
        "access_token": account.access_token.reveal(),
        "refresh_token": account.refresh_token.reveal(),
        "expires_in": max(0, round(account.expires_at - now)),
        "expiry_timestamp": int(account.expires_at),
        "token_type": "Bearer",
        "email": account.email.reveal(),
    }
    if account.client_key:
        token["oauth_client_key"] = account.client_key
    return token | {name: kept[name] for name in ("project_id", "session_id", "upstream_proxy_url") if name in kept}


def _renewed(token: dict[str, Any], used: Secret, grant: IssuedToken, now: float) -> dict[str, Any]:
    """The token with the result of a refresh, or unchanged if the app has a newer one."""
    if token.get("refresh_token") != used.reveal():
        return token
    merged = dict(token)
    if (coerce.number(token.get("expiry_timestamp")) or 0.0) < int(grant.expires_at):
        merged["access_token"] = grant.access_token.reveal()
        merged["expires_in"] = max(0, round(grant.expires_at - now))
        merged["expiry_timestamp"] = int(grant.expires_at)
    if grant.refresh_token is not None:
        merged["refresh_token"] = grant.refresh_token.reveal()
    return merged


def _text(token: dict[str, Any]) -> bytes:
    return msgspec.json.encode(token)
