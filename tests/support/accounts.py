"""Accounts for tests of the pool."""

from __future__ import annotations

from typing import Any

from antigravity_proxy.canonical.credential import Credential
from antigravity_proxy.canonical.grant import RefreshToken
from antigravity_proxy.secret import Secret

#: far in the future, epoch seconds
FAR = 4_102_444_800.0


def account(name: str = "a", *, refresh_token: str | None = None, client: str = "", **fields: Any) -> Credential:
    """An account as a row of the volume gives it; ``refresh_token`` by default one of its own, empty: none."""
    plain: dict[str, Any] = {
        "kind": "google",
        "label": Secret("x@example.com"),
        "name": Secret("X"),
        "access_token": Secret(f"ya29.{name}"),
        "expires_at": FAR,
        "grant": RefreshToken(Secret(f"1//{name}" if refresh_token is None else refresh_token), client),
        "project": "p",
    }
    return Credential(id=name, **(plain | fields))
