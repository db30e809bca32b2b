"""Accounts from the database's rows: one bad row never hides the others (credential-volume.md 1.3, 1.6)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from antigravity_proxy import coerce
from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.codeassist.enrolment import usable_project_id
from antigravity_proxy.generatecontent import durations
from antigravity_proxy.secret import Secret, SecretBytes
from antigravity_proxy.volume.sealed import Malformed, Unsealer, WrongKey

#: a row by column name; one that this proxy leaves alone has ``paused`` besides
Row = dict[str, Any]

#: what may stand in a header (RFC 6750 2.1 allows less): an odd token must not become somebody's odd request
_TOKEN = re.compile(r"[\x21-\x7e]*")


# gc=False: none of these holds cycles, and of 100,000 the collector would hold up every thread
class Token(Struct, frozen=True, gc=False):
    """An account's sign-in; ``expiry_timestamp`` in epoch seconds, 0 where the row says none.

    ``refresh_token`` may be empty: then it can't be refreshed. The proxy URL, the token's own before the row's, may
    hold a password: it is secret.
    """

    access_token: Secret
    refresh_token: Secret
    expiry_timestamp: float
    project_id: str | None = None
    session_id: str | None = None
    upstream_proxy_url: Secret | None = None
    oauth_client_key: str | None = None


class Account(Struct, frozen=True, gc=False):
    """One row whose token opens. ``id`` is opaque and may be logged; ``email`` and ``name`` may not.

    ``quota`` by model id; None where the app knows none. ``created_at`` and ``last_used`` in epoch seconds. ``paused``:
    this proxy leaves it alone until somebody resumes it.
    """

    id: str
    provider: str
    email: Secret
    name: Secret
    status: str
    token: Token
    quota: Mapping[str, ModelQuota] | None = None
    created_at: float = 0.0
    last_used: float = 0.0
    paused: bool = False


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
    """What a read brought: accounts in the app's order, and the rows that gave none.

    ``key``, in hex, opens most of them: the volume's own. None: none of them is sealed.
    """

    accounts: tuple[Account, ...] = ()
    problems: tuple[RowProblem, ...] = ()
    key: Secret | None = None


class _Known(Struct, frozen=True, gc=False):
    """A row as it was read, and what came out of it. ``key``: what opened its token; None: that is not sealed."""

    row: Row
    token: Token
    account: Account
    key: SecretBytes | None


class AccountReader:
    """Turns rows into accounts. What it has opened once it opens again only when the row's text changes."""

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
    """Provider, e-mail address, name and status: what stands in a row unsealed."""
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
    account = Account(
        id=identity,
        provider=provider,
        email=email,
        name=name,
        status=status,
        token=token
        if token.upstream_proxy_url or not egress
        else msgspec.structs.replace(token, upstream_proxy_url=Secret(egress)),
        quota=_quota(row.get("quota_json"), unsealer),
        created_at=coerce.number(row.get("created_at")) or 0.0,
        last_used=coerce.number(row.get("last_used")) or 0.0,
        paused="paused" in row,
    )
    return _Known(row, token, account, key)


def _token(field: object, unsealer: Unsealer) -> Token:
    if not isinstance(field, str):
        raise _BadRow("its token is no text")
    try:
        value = _decoded(field, unsealer)
    except Malformed:
        raise _BadRow("its token has no known form") from None
    except ValueError:
        raise _BadRow("its token is no JSON") from None
    if not isinstance(value, dict):
        raise _BadRow("its token is no JSON object")
    access = _bearer(value, "access_token")
    refresh = _bearer(value, "refresh_token")
    if not access and not refresh:
        raise _BadRow("its token holds neither an access token nor a refresh token")
    egress = coerce.text(value.get("upstream_proxy_url"))
    return Token(
        access_token=access,
        refresh_token=refresh,
        expiry_timestamp=(coerce.number(value.get("expiry_timestamp")) or 0.0) if access else 0.0,
        project_id=usable_project_id(value.get("project_id")),
        session_id=coerce.text(value.get("session_id")),
        upstream_proxy_url=Secret(egress) if egress else None,
        oauth_client_key=coerce.text(value.get("oauth_client_key")),
    )


def _bearer(token: dict[str, Any], name: str) -> Secret:
    value = token.get(name)
    if value is None:
        return Secret("")
    if not isinstance(value, str) or not _TOKEN.fullmatch(value.strip()):
        raise _BadRow(f"its {name.replace('_', ' ')} is none that could be sent")
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
    """The field's value. Raises Malformed, WrongKey, or ValueError for what is no JSON."""
    try:
        return msgspec.json.decode(unsealer.open(field))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as e:
        raise ValueError("no JSON") from e
