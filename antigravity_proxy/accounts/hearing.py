"""What other replicas have learnt comes into effect here: ``shared.Listener`` over a pool's accounts."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.internet.interfaces import IReactorTime

from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.canonical.offers import ModelQuota
from antigravity_proxy.codeassist.oauth import Grant


class Hearing:
    """Changes the accounts of ``states``, by id; what is told of others changes nothing."""

    __slots__ = ("_clock", "_states")

    def __init__(self, states: Mapping[str, AccountState], clock: IReactorTime) -> None:
        self._states = states
        self._clock = clock

    def on_cooled(self, account: str, key: str, seconds: float, flagged: bool) -> None:
        """Sets it aside."""
        state, now = self._states.get(account), self._clock.seconds()
        if state is not None and state.cool(key, now + seconds, now, flagged=flagged):
            state.on_change(state)

    def on_renewed(self, account: str, grant: Grant) -> None:
        """Takes the token, if it lives longer than the account's own, and upstream has not refused it."""
        state = self._states.get(account)
        if state is not None and grant.expires_at > state.expires_at and grant.access_token != state.refused:
            state.renewed(grant)

    def on_barred(self, account: str, sign_in: str, reason: str) -> None:
        """Takes it out of use, if its row holds that sign-in."""
        state = self._states.get(account)
        if state is not None and state.sign_in == sign_in:
            state.bar(reason)

    def on_forgiven(self, account: str) -> None:
        """Takes it back into use."""
        state = self._states.get(account)
        if state is not None:
            state.forgive()

    def on_observed(self, account: str, figures: Mapping[str, ModelQuota]) -> None:
        """Takes the figures."""
        state = self._states.get(account)
        if state is not None:
            state.observed(figures)

    def on_project(self, account: str, project: str) -> None:
        """Takes it where none is known, and upstream has not refused this one."""
        state = self._states.get(account)
        if state is not None and state.project is None and project != state.project_refused:
            state.project = project
