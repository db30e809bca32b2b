"""The tables of the state database, and the way to them from every earlier version. Versions only grow."""

from __future__ import annotations

import sqlite3

from antigravity_proxy.state import usage_table

#: each brings a database from the version before to the next: the first from nothing to version 1
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE fact (kind TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, until REAL,"
        " PRIMARY KEY (kind, name)) WITHOUT ROWID",
    ),
    usage_table.SCHEMA,
)
VERSION = len(MIGRATIONS)


class NewerSchema(Exception):
    """The database belongs to a later release: it is left unchanged."""


def migrate(connection: sqlite3.Connection, migrations: tuple[tuple[str, ...], ...] = MIGRATIONS) -> None:
    """Brings the database to the last version, in one transaction. Raises NewerSchema, sqlite3.Error."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(migrations):
        raise NewerSchema(f"a later release has written it (version {version}, this one knows {len(migrations)})")
    if version == len(migrations):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statements in migrations[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
    except BaseException:
        connection.rollback()
        raise
    connection.commit()
