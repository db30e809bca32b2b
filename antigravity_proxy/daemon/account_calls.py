"""Calls to Google for accounts, and writes to the volume: new tokens, projects, accounts that sign in."""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.canonical.grant import Grant, IssuedToken, RefreshRejected, RefreshToken
from antigravity_proxy.canonical.offers import Available
from antigravity_proxy.codeassist.windows import TIERS
from antigravity_proxy.relay.upstream import BaseUrls
from antigravity_proxy.settings.table import Settings
from antigravity_proxy.telemetry.drift import Drift
from antigravity_proxy.upstream.account_methods import AccountMethods
from antigravity_proxy.upstream.available import available_models, standing
from antigravity_proxy.upstream.clients import refreshed
from antigravity_proxy.upstream.egress import Egresses
from antigravity_proxy.upstream.exchange import Unreachable
from antigravity_proxy.upstream.oauth import OAuthClient
from antigravity_proxy.upstream.onboarding import project_of
from antigravity_proxy.volume.service import VolumeService
from antigravity_proxy.volume.snapshot import VolumeError
from antigravity_proxy.volume.writer import NewAccount, NotWritten, Written
from antigravity_proxy.volume.writing import WriterService

log = Logger()

#: seconds between two looks at an account's tier and credits (contract.md 11)
TIER_EVERY = 3600.0


class UpstreamCalls:
    """Calls that an account makes for itself, each by the account's own egress. ``drift`` counts unknown tiers."""

    def __init__(
        self, reactor: Any, settings: Settings, oauth: OAuthClient, egresses: Egresses, bases: BaseUrls, drift: Drift
    ) -> None:
        self._reactor = reactor
        self._settings = settings
        self._oauth = oauth
        self._egresses = egresses
        self._bases = bases
        self._drift = drift

    def use(self, settings: Settings) -> None:
        """These settings are in force now."""
        self._settings = settings

    async def refresh(self, state: AccountState) -> IssuedToken:
        """A new grant by the OAuth client that the account's token names, else by the plain one.

        Raises RefreshRejected.
        """
        grant = state.grant
        if not isinstance(grant, RefreshToken):
            raise RefreshRejected("temporary", "an API key is not renewed")
        try:
            egress = self._egresses.of(state.credential)
        except Unreachable as e:
            raise RefreshRejected("temporary", f"its own proxy can't be used: {e}") from None
        async with egress.calls:
            return await refreshed(
                self._settings.clients,
                grant.client,
                lambda client: self._oauth.refresh(egress.agent, grant.token, client),
            )

    async def project(self, state: AccountState) -> str | None:
        """The project that upstream knows for the account, or makes for it (upstream.md 3.2). Raises as project_of."""
        return await project_of(
            self._reactor, self._methods(state), state.credential.id, self._settings.fallback_project
        )

    async def available(self, state: AccountState) -> Available:
        """The account's models and quotas (upstream.md 3.4). Raises AccountMethodFailed, Unreachable."""
        project = self._settings.fallback_project if state.project is None else state.project
        methods = self._methods(state)
        found = await available_models(methods, project)
        now = self._reactor.seconds()
        ask_tier = now - state.standing_asked >= TIER_EVERY
        if ask_tier:
            state.standing_asked = now
        state.stands(await standing(methods, project, state.standing, ask_tier=ask_tier))
        if ask_tier and state.standing.tier and state.standing.tier not in TIERS:
            self._drift.saw("tier", state.standing.tier)
        return found

    def _methods(self, state: AccountState) -> AccountMethods:
        return AccountMethods(
            self._reactor,
            self._egresses.of(state.credential),
            self._bases.in_order(self._reactor.seconds()),
            state.access_token,
        )


class VolumeCalls:
    """Writes into the volume, if that is allowed."""

    def __init__(self, writer: WriterService, volume: VolumeService) -> None:
        self._writer = writer
        self._volume = volume

    def keep(self, identity: str, used: Grant, issued: IssuedToken) -> None:
        """A renewed token goes to the volume too; serving never waits for that, nor depends on it."""
        if isinstance(used, RefreshToken):
            self._writer.renew(identity, used.token, issued).addErrback(_not_kept, identity)

    async def pause(self, identity: str, *, paused: bool) -> bool:
        """Pauses or resumes an account, and has read that back when this returns. Raises NotWritten."""
        there = await self._writer.pause(identity, paused=paused)
        await self._volume.read()
        return there

    async def remove(self, identity: str) -> bool:
        """Removes an account, and has read that back when this returns. Raises NotWritten."""
        there = await self._writer.remove(identity)
        await self._volume.read(removed=identity)
        return there

    async def store(self, account: NewAccount) -> Written:
        """Stores who signed in, and has read it back when this returns. Raises NotWritten."""
        written = await self._writer.add(account)
        state = await self._volume.read()
        found = {account.id: account.access_token for account in state.accounts}
        if found.get(written.id) != account.access_token:
            reasons = (problem.reason for problem in state.problems if problem.id == written.id)
            why = state.error or next(reasons, "it does not exist")
            raise NotWritten(f"it was written, but can't be read back: {why}")
        return written


def _not_kept(failure: Failure, identity: str) -> None:
    failure.trap(VolumeError)
    words = "account {account}: its new token stays in memory: {reason}"
    log.warn(words, account=identity, reason=failure.getErrorMessage())
