"""Accounts from the database's rows: one bad row never hides the others (credential-volume.md 1.3, 1.6)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from antigravity_proxy import coerce
from antigravity_proxy.canonical.credential import Credential
from antigravity_proxy.canonical.grant import RefreshToken
from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.canonical.project import usable_project_id
from antigravity_proxy.generatecontent import durations
from antigravity_proxy.secret import Secret, SecretBytes
from antigravity_proxy.volume.sealed import Malformed, Unsealer, WrongKey

#: a row by column name; one that this proxy leaves alone has ``paused`` besides
Row = dict[str, Any]

#: whose accounts serve; others are listed only
_PROVIDER = "google"
#: characters allowed in a header (RFC 6750 2.1 allows fewer): an odd token must not forge somebody's request
_TOKEN = re.compile(r"[\x21-\x7e]*")


class _Token(Struct, frozen=True, gc=False):
    """The content of ``token_json``; ``expires_at`` in epoch seconds, 0 if it has none."""

    access_token: Secret
    expires_at: float
    grant: RefreshToken
    project: str | None = None
    egress: Secret | None = None


class RowProblem(Struct, frozen=True, gc=False):
    """A row that gives no account, and why. ``sealed``: because none of the keys opens it."""

    id: str
    reason: str
    sealed: bool = False
    provider: str = ""
    email: Secret = Secret("")
    name: Secret = Secret("")
    status: str = ""
    paused: bool = False


class Accounts(Struct, frozen=True):
    """The result of a read: accounts in the app's order, and the rows that gave none.

    ``key``, in hex, opens most of them: the volume's own. None: none of them is sealed.
    """

    accounts: tuple[Credential, ...] = ()
    problems: tuple[RowProblem, ...] = ()
    key: Secret | None = None


class _Known(Struct, frozen=True, gc=False):
    """A row as it was read, and what came out of it. ``key``: what opened its token; None: that is not sealed."""

    row: Row
    token: _Token
    account: Credential
    key: SecretBytes | None


class AccountReader:
    """Turns rows into accounts. A row that was decrypted once is decrypted again only when its text changes."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}

    def read(self, rows: Iterable[Row], keys: tuple[SecretBytes, ...]) -> Accounts:
        """The accounts among ``rows``, opened with ``keys``. An unchanged row gives the very same account."""
        unsealer = Unsealer(keys)
        problems: list[RowProblem] = []
        known: dict[str, _Known] = {}
        for row in rows:
            identity = coerce.text(row["id"])
            if identity is None:
                problems.append(RowProblem("(no id)", "the row has no id"))
                continue
            before = self._known.get(identity)
            if before is not None and before.row == row:
                known[identity] = before
                continue
            try:
                known[identity] = _read(identity, row, before, unsealer)
            except _BadRow as e:
                problems.append(_problem(identity, row, str(e), sealed=False))
            except WrongKey:
                reason = "no key opens its token" if keys else "its token is sealed, and there is no key"
                problems.append(_problem(identity, row, reason, sealed=True))
        self._known = known
        used = Counter(each.key for each in known.values() if each.key is not None).most_common(1)
        key = Secret(used[0][0].hex()) if used else None
        return Accounts(tuple(each.account for each in known.values()), tuple(problems), key)


class _BadRow(Exception):
    """Why a row gives no account."""


def _problem(identity: str, row: Row, reason: str, *, sealed: bool) -> RowProblem:
    return RowProblem(identity, reason, sealed, *_plain(row), paused="paused" in row)


def _plain(row: Row) -> tuple[str, Secret, Secret, str]:
    """Provider, e-mail address, name and status: the unencrypted columns of a row."""
    return (
        coerce.text(row["provider"]) or "",
        Secret(coerce.text(row["email"]) or ""),
        Secret(coerce.text(row.get("name")) or ""),
        coerce.text(row.get("status")) or "active",
    )


def _read(identity: str, row: Row, before: _Known | None, unsealer: Unsealer) -> _Known:
    if before is not None and before.row["token_json"] == row["token_json"]:
        token, key = before.token, before.key
    else:
        token, key = _token(row["token_json"], unsealer), unsealer.used
    egress = coerce.text(row.get("proxy_url"))
    provider, email, name, status = _plain(row)
    account = Credential(
        id=identity,
        kind=provider,
        label=email,
        name=name,
        status=status,
        access_token=token.access_token,
        expires_at=token.expires_at,
        grant=token.grant,
        project=token.project,
        egress=token.egress or (Secret(egress) if egress else None),
        quota=_quota(row.get("quota_json"), unsealer),
        disabled="" if provider == _PROVIDER else f"provider {provider!r} is listed, but never used",
        paused="paused" in row,
    )
    return _Known(row, token, account, key)


def _token(field: object, unsealer: Unsealer) -> _Token:
    if not isinstance(field, str):
        raise _BadRow("its token_json is not text")
    try:
        value = _decoded(field, unsealer)
    except Malformed:
        raise _BadRow("its token has no known form") from None
    except ValueError:
        raise _BadRow("its token_json is not JSON") from None
    if not isinstance(value, dict):
        raise _BadRow("its token_json is not a JSON object")
    access = _bearer(value, "access_token")
    refresh = _bearer(value, "refresh_token")
    if not access and not refresh:
        raise _BadRow("its token holds neither an access token nor a refresh token")
    egress = coerce.text(value.get("upstream_proxy_url"))
    return _Token(
        access_token=access,
        expires_at=(coerce.number(value.get("expiry_timestamp")) or 0.0) if access else 0.0,
        grant=RefreshToken(refresh, coerce.text(value.get("oauth_client_key")) or ""),
        project=usable_project_id(value.get("project_id")),
        egress=Secret(egress) if egress else None,
    )


def _bearer(token: dict[str, Any], name: str) -> Secret:
    value = token.get(name)
    if value is None:
        return Secret("")
    if not isinstance(value, str) or not _TOKEN.fullmatch(value.strip()):
        raise _BadRow(f"its {name.replace('_', ' ')} contains characters that an HTTP header cannot carry")
    return Secret(value.strip())


def _quota(field: object, unsealer: Unsealer) -> Mapping[str, ModelQuota] | None:
    """Never required: a bad one counts as absent."""
    if not isinstance(field, str):
        return None
    try:
        models = coerce.mapping(_decoded(field, unsealer)).get("models")
    except (Malformed, WrongKey, ValueError):
        return None
    found = {}
    for model, values in coerce.mapping(models).items():
        percentage = coerce.number(coerce.mapping(values).get("percentage"))
        if percentage is not None:
            remaining = min(max(percentage, 0.0), 100.0) / 100.0
            found[model] = ModelQuota(remaining, durations.timestamp(values.get("resetTime")))
    return found


def _decoded(field: str, unsealer: Unsealer) -> Any:
    """The field's value. Raises Malformed, WrongKey, or ValueError for what is not JSON."""
    try:
        return msgspec.json.decode(unsealer.open(field))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise ValueError("no JSON") from e
