"""Which OAuth client renews a token: the one that it names (credential-volume.md 1.3)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from antigravity_proxy.canonical.grant import IssuedToken, RefreshRejected
from antigravity_proxy.settings.table import OAuthPair


async def refreshed(
    clients: Mapping[str, OAuthPair], named: str, refresh: Callable[[OAuthPair], Awaitable[IssuedToken]]
) -> IssuedToken:
    """A new grant by the client that the token names, else by the plain one (key: empty text).

    Raises RefreshRejected. Where the plain one stood in and was refused, that says nothing of the account: the
    message names the setting that is missing.
    """
    own = clients.get(named)
    client = own or clients.get("")
    missing = f"GOOGLE_CLIENT_ID__{named.upper()}" if named else "GOOGLE_CLIENT_ID"
    if client is None:
        raise RefreshRejected("misconfigured", f"no OAuth client is configured: set {missing}")
    try:
        return await refresh(client)
    except RefreshRejected as e:
        if own is None and e.kind != "temporary":
            raise RefreshRejected("misconfigured", f"{e}; the token belongs to another client: set {missing}") from e
        raise
