"""Quota groups: which credentials share their quotas, and models that a whole upstream can't serve for a while.

The quotas of the official upstreams belong to a project, not to a key (official-upstreams.md 1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator

from twisted.logger import Logger

from antigravity_proxy.accounts.state import AccountState, Cooldown
from antigravity_proxy.canonical.verdict import Failure

log = Logger()

#: how the ids of quotas end
_TIER = re.compile(r"-(Free|Paid)Tier\d*$")
#: stands in the account's place where replicas learn of models that the whole upstream can't serve
WHOLE_UPSTREAM = "**"
#: models that are remembered as resting; clients can name others
_MAX_RESTING = 256


class Groups:
    """Which credentials share quotas. A credential without a group shares with none, as far as is known.

    ``tell`` records what upstream's errors reveal: a credential's id, its sign-in, and its project.
    """

    __slots__ = ("_members", "_projects", "_tell")

    def __init__(self, tell: Callable[[str, str, str], object]) -> None:
        self._tell = tell
        self._members: dict[str, dict[AccountState, None]] = {}
        self._projects: dict[str, dict[AccountState, None]] = {}  # who was found to belong to one, the first first

    def join(self, state: AccountState) -> None:
        """A credential is new, or its line has changed."""
        self.leave(state)
        if state.group:
            self._members.setdefault(state.group, {})[state] = None

    def leave(self, state: AccountState) -> None:
        """A credential is gone, or is about to change its group."""
        for found in (self._members, self._projects):
            for group, members in tuple(found.items()):
                if members.pop(state, state) is None and not members:
                    del found[group]

    def members(self, state: AccountState) -> Collection[AccountState]:
        """All who share the credential's quotas, itself among them."""
        found = self._members.get(state.group) if state.group else None
        return found or (state,)

    def learn(self, state: AccountState, failure: Failure) -> None:
        """An error of upstream's names the credential's project (``projects/N``), or a quota of its tier."""
        tier = next((match[1].lower() for each in failure.quota_ids if (match := _TIER.search(each))), "")
        state.tier = tier or state.tier
        project = failure.consumer
        if project and self.belongs(state, project):
            self._tell(state.credential.id, state.sign_in, project)

    def belongs(self, state: AccountState, project: str) -> bool:
        """The credential belongs to this project, here or at another replica's word; says whether that is news."""
        found = self._projects.setdefault(project, {})
        if state in found:
            return False
        found[state] = None
        first = next(iter(found))
        if first is state or (first.group and first.group == state.group):
            return True
        log.warn(
            "{one} and {other} belong to the same project: they share their quotas from now on",
            one=first.credential.id,
            other=state.credential.id,
        )
        group = first.group or project
        for each in (*self.members(first), *self.members(state)):
            self._leave(each)
            each.group = group
            self._members.setdefault(group, {})[each] = None
        return True

    def _leave(self, state: AccountState) -> None:
        members = self._members.get(state.group, {})
        members.pop(state, None)
        if not members:
            self._members.pop(state.group, None)


class RestingModels:
    """Models that the whole upstream can't serve for a while: it has no capacity, or has them no more."""

    __slots__ = ("_strikes", "models")

    def __init__(self) -> None:
        #: those that are left alone, and some whose time is over; only the methods change it
        self.models: dict[str, Cooldown] = {}
        self._strikes: dict[str, int] = {}

    def rest(self, model: str, cooldown: Cooldown) -> bool:
        """Leaves a model alone, unless it is left alone for longer; says whether it does."""
        known = self.models.get(model)
        if known is not None and known.until >= cooldown.until:
            return False
        if len(self.models) >= _MAX_RESTING:
            del self.models[next(iter(self.models))]
        self.models[model] = cooldown
        return True

    def strikes(self, model: str, now: float) -> int:
        """Counts a failure: how many there were in a row before it; those during the rest count as one."""
        known, count = self.models.get(model), self._strikes.get(model, 0)
        if known is not None and known.until > now:
            return max(count - 1, 0)
        if len(self._strikes) >= _MAX_RESTING:
            self._strikes.clear()
        self._strikes[model] = count + 1
        return count

    def of(self, model: str, now: float) -> Cooldown | None:
        """The rest that a model is in (``now`` in monotonic seconds); None: it is in none."""
        found = self.models.get(model)
        if found is not None and found.until <= now:
            del self.models[model]
            return None
        return found

    def all(self, now: float) -> Iterator[tuple[str, float]]:
        """Every model that rests, with its end; ``now`` and ends in monotonic seconds."""
        return ((model, cooldown.until) for model, cooldown in self.models.items() if cooldown.until > now)

    def served(self, model: str) -> None:
        """Upstream has served it."""
        self._strikes.pop(model, None)
        self.models.pop(model, None)
