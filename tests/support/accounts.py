"""Accounts for tests of the pool."""

from __future__ import annotations

from typing import Any

from antigravity_proxy.secret import Secret
from antigravity_proxy.volume.accounts import Account, Token

#: far in the future, epoch seconds
FAR = 4_102_444_800.0


def account(name: str = "a", **fields: Any) -> Account:
    """An account; fields of its token may be given too."""
    token = {
        "access_token": Secret(f"ya29.{name}"),
        "refresh_token": Secret(f"1//{name}"),
        "expiry_timestamp": FAR,
        "project_id": "p",
    }
    token |= {key: fields.pop(key) for key in list(fields) if key in Token.__struct_fields__}
    whole = {"provider": "google", "email": Secret("x@example.com"), "name": Secret("X"), "status": "active"} | fields
    return Account(id=name, token=Token(**token), **whole)
