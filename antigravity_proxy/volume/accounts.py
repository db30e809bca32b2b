"""Accounts from the database's rows: one bad row never hides the others (credential-volume.md 1.3, 1.6)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from antigravity_proxy.secret import Secret
from antigravity_proxy.volume.database import Row
from antigravity_proxy.volume.sealed import Malformed, Unsealer, WrongKey

_PLACEHOLDER_PROJECT = re.compile(r"cloud-code-\d+|projects(/.*)?", re.I)


class Token(Struct, frozen=True):
    """An account's sign-in; ``expiry_timestamp`` in epoch seconds. The proxy URL may hold a password: it is secret."""

    access_token: Secret
    refresh_token: Secret
    expiry_timestamp: float
    project_id: str | None = None
    session_id: str | None = None
    upstream_proxy_url: Secret | None = None
    oauth_client_key: str | None = None


class Account(Struct, frozen=True):
    """One row whose token opens. ``id`` is opaque and may be logged; ``email`` and ``name`` may not."""

    id: str
    provider: str
    email: Secret
    name: Secret
    status: str
    token: Token
    created_at: float = 0.0
    last_used: float = 0.0


class RowProblem(Struct, frozen=True):
    """A row that gives no account, and why."""

    id: str
    reason: str


class Accounts(Struct, frozen=True):
    """What a read brought: accounts in the app's order, and the rows that gave none."""

    accounts: tuple[Account, ...]
    problems: tuple[RowProblem, ...] = ()


class AccountReader:
    """Turns rows into accounts; opens again only those fields whose text, or whose keys, changed."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, tuple[bytes, ...], Token]] = {}

    def read(self, rows: Iterable[Row], keys: tuple[bytes, ...]) -> Accounts:
        """The accounts among ``rows``, opened with ``keys``."""
        unsealer = Unsealer(keys)
        accounts: list[Account] = []
        problems: list[RowProblem] = []
        known: dict[str, tuple[str, tuple[bytes, ...], Token]] = {}
        for row in rows:
            identity = row["id"] if isinstance(row["id"], str) and row["id"] else "(no id)"
            try:
                text = row["token_json"]
                if not isinstance(text, str):
                    raise _BadRow("its token is no text")
                before = self._known.get(identity)
                token = before[2] if before is not None and before[:2] == (text, keys) else _token(text, unsealer, keys)
                known[identity] = (text, keys, token)
                accounts.append(_account(identity, row, token))
            except _BadRow as e:
                problems.append(RowProblem(identity, str(e)))
        self._known = known
        return Accounts(tuple(accounts), tuple(problems))


def usable_project_id(project: object) -> str | None:
    """A project id that requests may carry: not blank, no placeholder, no resource path (credential-volume.md 1.3)."""
    if not isinstance(project, str) or not project.strip() or _PLACEHOLDER_PROJECT.fullmatch(project.strip()):
        return None
    return project.strip()


class _BadRow(Exception):
    """Why a row gives no account."""


def _token(field: str, unsealer: Unsealer, keys: tuple[bytes, ...]) -> Token:
    try:
        value: Any = msgspec.json.decode(unsealer.open(field))
    except Malformed:
        raise _BadRow("its token has no known form") from None
    except WrongKey:
        raise _BadRow("no key opens its token" if keys else "its token is sealed and there is no key") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _BadRow("its token is no JSON") from None
    if not isinstance(value, dict):
        raise _BadRow("its token is no JSON object")
    access = value.get("access_token")
    if not isinstance(access, str):
        raise _BadRow("its token holds no access token")
    expiry = value.get("expiry_timestamp")
    egress = _text(value.get("upstream_proxy_url"))
    return Token(
        access_token=Secret(access),
        refresh_token=Secret(_text(value.get("refresh_token")) or ""),
        expiry_timestamp=float(expiry) if isinstance(expiry, int | float) and not isinstance(expiry, bool) else 0.0,
        project_id=usable_project_id(value.get("project_id")),
        session_id=_text(value.get("session_id")),
        upstream_proxy_url=Secret(egress) if egress else None,
        oauth_client_key=_text(value.get("oauth_client_key")),
    )


def _account(identity: str, row: Row, token: Token) -> Account:
    egress = _text(row.get("proxy_url"))
    if token.upstream_proxy_url is None and egress:
        token = msgspec.structs.replace(token, upstream_proxy_url=Secret(egress))
    return Account(
        id=identity,
        provider=_text(row["provider"]) or "",
        email=Secret(_text(row["email"]) or ""),
        name=Secret(_text(row.get("name")) or ""),
        status=_text(row.get("status")) or "active",
        token=token,
        created_at=_number(row.get("created_at")),
        last_used=_number(row.get("last_used")),
    )


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
