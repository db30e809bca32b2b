"""This process's copy of the shared state, sessions apart: accounts' names, cooldowns, facts. Pure.

Times are monotonic seconds of this process; ``wire`` turns them into Redis' time and back.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from antigravity_proxy.replicas.facts import KINDS, Bar, Fact, Token

#: cooldowns that are remembered of accounts which this process doesn't know (yet)
MAX_COOLING = 300_000


class Cooling(Struct, frozen=True, gc=False):
    """An account, by its name in Redis, is set aside for a model until then, with `Cooldown.marks`."""

    account: str
    model: str
    until: float
    marks: int


class Held(Struct, frozen=True, gc=False):
    """A fact, and until when it is one."""

    fact: Fact
    until: float


class Cache:
    """Everything by the account's name in Redis; ``identities`` and ``names`` lead from that to its id and back."""

    def __init__(self) -> None:
        self.identities: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self._cooling: dict[tuple[str, str], Cooling] = {}
        self._models: dict[str, set[str]] = {}
        self._facts: dict[str, dict[str, Held]] = {kind: {} for kind in KINDS}

    def join(self, identity: str, name: str) -> None:
        """This process has the account."""
        self.identities[name] = identity
        self.names[identity] = name

    def cool(self, cooling: Cooling, now: float) -> bool:
        """Takes a cooldown; says whether it is news: a longer one in force stays."""
        key = cooling.account, cooling.model
        known = self._cooling.get(key)
        if cooling.until <= (now if known is None else max(now, known.until)):
            return False
        if known is None and len(self._cooling) >= MAX_COOLING:
            self._forget_past(now)
        self._cooling[key] = cooling
        self._models.setdefault(cooling.account, set()).add(cooling.model)
        return True

    def forgive(self, account: str) -> list[Cooling]:
        """Forgets what sets the account aside; returns its cooldowns."""
        self._facts[Bar.kind].pop(account, None)
        return [self._cooling.pop((account, model)) for model in self._models.pop(account, ())]

    def cooling(self, now: float) -> Iterator[Cooling]:
        """All cooldowns in force."""
        return (cooling for cooling in self._cooling.values() if cooling.until > now)

    def cooling_of(self, account: str, now: float) -> list[Cooling]:
        """The account's cooldowns in force."""
        found = (self._cooling[account, model] for model in self._models.get(account, ()))
        return [cooling for cooling in found if cooling.until > now]

    def hold(self, account: str, fact: Fact, until: float, now: float) -> bool:
        """Takes a fact; says whether it is news. Of two tokens the one that lives longer counts."""
        known = self._facts[fact.kind].get(account)
        if until <= now:
            return False
        if known is not None and known.until > now:
            if known.fact == fact and known.until >= until:
                return False
            if isinstance(fact, Token) and isinstance(known.fact, Token) and fact.expires_at <= known.fact.expires_at:
                return False
        self._facts[fact.kind][account] = Held(fact, until)
        return True

    def held(self, account: str, kind: str, now: float) -> Held | None:
        """The fact, if it is still valid."""
        found = self._facts[kind].get(account)
        return found if found is not None and found.until > now else None

    def facts_of(self, account: str, now: float) -> list[Fact]:
        """All that is known of an account."""
        found = (self.held(account, kind, now) for kind in KINDS)
        return [held.fact for held in found if held is not None]

    def _forget_past(self, now: float) -> None:
        """Forgets what is over; if that is nothing, the older half."""
        keeping = [cooling for cooling in self._cooling.values() if cooling.until > now]
        if len(keeping) >= MAX_COOLING:
            keeping = keeping[len(keeping) // 2 :]
        self._cooling = {(cooling.account, cooling.model): cooling for cooling in keeping}
        self._models = {}
        for cooling in keeping:
            self._models.setdefault(cooling.account, set()).add(cooling.model)
