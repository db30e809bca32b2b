"""What other replicas learnt, taken into effect here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.canonical.grant import IssuedToken
from antigravity_proxy.canonical.offers import ModelQuota


class Heard:
    """Implements ``shared.Listener`` over the accounts that are here; news of others is passed over.

    ``set_aside`` sets an account aside, for a model's key, for so many seconds from now, flagged or not.
    """

    def __init__(
        self, states: Mapping[str, AccountState], set_aside: Callable[[AccountState, str, float, bool], object]
    ) -> None:
        self._states = states
        self._set_aside = set_aside

    def on_forgiven(self, account: str) -> None:
        """At another replica somebody takes an account back into use."""
        state = self._states.get(account)
        if state is not None:
            state.forgive()

    def on_cooled(self, account: str, key: str, seconds: float, flagged: bool) -> None:
        """Another replica has set an account aside."""
        state = self._states.get(account)
        if state is not None:
            self._set_aside(state, key, seconds, flagged)

    def on_renewed(self, account: str, grant: IssuedToken) -> None:
        """Another replica has a new token."""
        state = self._states.get(account)
        if state is not None and grant.expires_at > state.expires_at and grant.access_token != state.refused:
            state.renewed(grant)

    def on_barred(self, account: str, sign_in: str, reason: str) -> None:
        """Another replica takes an account out of use."""
        state = self._states.get(account)
        if state is not None and state.sign_in == sign_in:
            state.bar(reason)

    def on_observed(self, account: str, figures: Mapping[str, ModelQuota]) -> None:
        """Upstream has told another replica of an account's quotas."""
        state = self._states.get(account)
        if state is not None:
            state.observed(figures)

    def on_project(self, account: str, project: str) -> None:
        """Another replica has looked up a project."""
        state = self._states.get(account)
        if state is not None and state.project is None and project != state.project_refused:
            state.project = project
