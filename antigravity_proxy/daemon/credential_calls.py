"""Calls to Google for official credentials: new tokens, and the project of a machine."""

from __future__ import annotations

from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.canonical.grant import IssuedToken, Metadata, RefreshRejected
from antigravity_proxy.upstream.egress import Egresses
from antigravity_proxy.upstream.exchange import Unreachable
from antigravity_proxy.upstream.grants import TokenGrants


class CredentialCalls:
    """Calls that a credential makes for itself, each by its own egress; those to the metadata server by none."""

    def __init__(self, grants: TokenGrants, egresses: Egresses) -> None:
        self._grants = grants
        self._egresses = egresses

    async def refresh(self, state: AccountState) -> IssuedToken:
        """A new token by the credential's grant. Raises RefreshRejected."""
        grant, direct = state.grant, self._egresses.direct()
        try:
            egress = direct if isinstance(grant, Metadata) else self._egresses.of(state.credential)
        except Unreachable as e:
            raise RefreshRejected("temporary", f"its own proxy can't be used: {e}") from None
        async with egress.calls:
            return await self._grants.issue(grant, egress.agent, direct.agent)

    async def project(self, state: AccountState) -> str | None:
        """The project of the machine that gives the credential's tokens; None: the credential names its own.

        Raises RefreshRejected.
        """
        if not isinstance(state.grant, Metadata):
            return None
        return await self._grants.project(state.grant, self._egresses.direct().agent) or None
