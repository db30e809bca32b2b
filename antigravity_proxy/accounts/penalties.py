"""Sets accounts aside as verdicts say: alone, with their quota group, or the whole upstream for a model."""

from __future__ import annotations

from collections.abc import Callable, Collection

from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.groups import WHOLE_UPSTREAM, Groups, RestingModels
from antigravity_proxy.accounts.replication import SharedState
from antigravity_proxy.accounts.rules import Rules
from antigravity_proxy.accounts.state import AccountState, LastFailure
from antigravity_proxy.canonical.verdict import Scope, Verdict

#: the scopes that are about all credentials of a quota group
_OF_GROUP = frozenset({Scope.GROUP, Scope.GROUP_MODEL, Scope.GROUP_LOCATION_MODEL, Scope.GROUP_UNTIL_CHANGED})


class Penalties:
    """Puts verdicts into effect, here and at other replicas. ``jitter`` gives a number from 0 to 1."""

    def __init__(
        self, groups: Groups, resting_models: RestingModels, shared: SharedState, jitter: Callable[[], float]
    ) -> None:
        self._groups = groups
        self._resting_models = resting_models
        self._shared = shared
        self._jitter = jitter

    def apply(
        self,
        state: AccountState,
        model: str,
        verdict: Verdict,
        location: str,
        failure: LastFailure | None,
        rules: Rules,
        now: float,
    ) -> Collection[AccountState]:
        """Sets aside what the verdict is about; gives the accounts that it has changed.

        A longer cooldown in force stays. ``failure`` is what they are told to have last failed with, ``now`` monotonic
        seconds.
        """
        members = self._groups.members(state) if verdict.scope in _OF_GROUP else (state,)
        if verdict.scope is Scope.LAST_IN_ORDER:
            state.last_until = max(state.last_until, now + (verdict.ladder[0] if verdict.ladder else policy.LAST_FOR))
        elif verdict.scope in (Scope.UNTIL_CHANGED, Scope.GROUP_UNTIL_CHANGED):
            for each in members:
                each.barred = failure.reason if failure is not None else verdict.client_words
                self._shared.barred(each.credential.id, each.sign_in, each.barred)
        elif verdict.scope is Scope.UPSTREAM_MODEL:
            self._rest(model, verdict, rules, now)
        for key in policy.cooldown_keys(verdict, model, location):
            self._cool(members, key, verdict, rules, now)
        for each in members:
            each.last_failure = failure or each.last_failure
        return members

    def _rest(self, model: str, verdict: Verdict, rules: Rules, now: float) -> None:
        strikes = self._resting_models.strikes(model, now)
        length = policy.cooldown_length(verdict, strikes, self._jitter(), rules)
        cooldown = policy.cooldown(verdict, now + length, strikes)
        if self._resting_models.rest(model, cooldown):
            self._shared.cooled(WHOLE_UPSTREAM, model, length, cooldown.marks)

    def _cool(self, members: Collection[AccountState], key: str, verdict: Verdict, rules: Rules, now: float) -> None:
        strikes = max(each.strikes_before(key, verdict.cause, now) for each in members)
        length = policy.cooldown_length(verdict, strikes, self._jitter(), rules)
        cooldown = policy.cooldown(verdict, now + length, strikes)
        for each in members:
            each.strikes[key, verdict.cause] = strikes + 1
            if each.cool(key, cooldown, now):
                self._shared.cooled(each.credential.id, key, length, cooldown.marks)
