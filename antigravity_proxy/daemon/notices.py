"""Decides which events are worth a notice to the operator: each once, and not again too soon. No I/O.

(contract.md 11, webhook)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from msgspec import Struct

from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.policy import Moment
from antigravity_proxy.accounts.state import AccountState, OutOfUse
from antigravity_proxy.state.store import StateStore

Event = Literal[
    "account_barred",
    "account_needs_owner",
    "sign_in_dead",
    "pool_exhausted",
    "pool_back",
    "volume_unreadable",
    "volume_back",
]
TITLES: Mapping[Event, str] = {
    "account_barred": "An account or credential is barred",
    "account_needs_owner": "An account or credential needs its owner",
    "sign_in_dead": "A sign-in is dead",
    "pool_exhausted": "No account can serve a model",
    "pool_back": "A model is served again",
    "volume_unreadable": "The credential volume can't be read",
    "volume_back": "The credential volume can be read again",
}
#: what is said besides where one account that is barred puts all on hold
ON_HOLD = (
    "All accounts are on hold, and requests get 503, until 'antigravity-proxy accounts resume --all' or the button on "
    "the status page ends that"
)
#: seconds for which a model must be unserved before a notice, and within which no notice is repeated
EXHAUSTED_AFTER, AGAIN_AFTER = 60.0, 600.0
#: models that were asked for and are watched, and seconds for which that counts
_MODELS, _ASKED_SECONDS = 64, 900.0
#: the kind of the facts about sent notices, which survive a restart
_TOLD = "told"
#: how a sign-in that is dead is called in a bar (accounts/tokens)
_DEAD = "its sign-in has expired"
_OF_ACCOUNT: Mapping[OutOfUse, Event] = {
    OutOfUse.BARRED: "account_barred",
    OutOfUse.UNVERIFIED: "account_needs_owner",
    OutOfUse.EXPIRED: "sign_in_dead",
    OutOfUse.NO_REFRESH_TOKEN: "sign_in_dead",
}


class Notice(Struct, frozen=True):
    """One of them: ``thing`` is an account's opaque id or a model's name; ``at`` in epoch seconds."""

    event: Event
    thing: str
    words: str
    at: float


class Notices:
    """Looks for what has changed. ``epoch``: the wall clock in seconds."""

    def __init__(self, store: StateStore, epoch: Callable[[], float]) -> None:
        self._store = store
        self._epoch = epoch
        self._asked: dict[str, float] = {}  # when each model was last asked for
        self._names: dict[str, str] = {}  # by which clients asked for it
        self._short: dict[str, float] = {}  # since when nothing could serve it
        self._served: dict[str, float] = {}  # when somebody was served all the same

    def asked(self, model: str, name: str = "") -> None:
        """Somebody asked for a model, by that name, and was not served."""
        self._names[model] = name or model
        if model not in self._asked and len(self._asked) >= _MODELS:
            oldest = min(self._asked, key=lambda each: self._asked[each])
            for known in (self._asked, self._names, self._short, self._served):
                known.pop(oldest, None)
        self._asked[model] = self._epoch()

    @property
    def has_asked(self) -> bool:
        """Whether there is a model that somebody was not served."""
        return bool(self._asked)

    def served(self, name: str) -> None:
        """Somebody was served who asked by that name, maybe by another upstream than the accounts."""
        for model, known in self._names.items():
            if known == name:
                self._served[model] = self._epoch()

    def of_accounts(self, states: Iterable[AccountState], now: Moment, *, held: bool = False) -> list[Notice]:
        """The events of accounts, or credentials, since the last look; ``held``: all are on hold."""
        found = []
        for state in states:
            out, identity = policy.out_of_use(state, now), state.credential.id
            event = None if out is None else _OF_ACCOUNT.get(out)
            if event == "account_barred" and state.barred.startswith(_DEAD):
                event = "sign_in_dead"
            if event is None:
                self._over(identity)
            elif self._is_new(event, identity):
                why = state.barred or ("" if state.last_failure is None else state.last_failure.reason)
                words = why or "sign in to it again"
                if held and event == "account_barred":
                    words += f". {ON_HOLD}"
                found.append(self._notice(event, identity, words))
        return found

    def of_models(self, free_in: Callable[[str], float | None]) -> list[Notice]:
        """Models that could not be served for long, and those that are served again."""
        now, found = self._epoch(), []
        for model, at in tuple(self._asked.items()):
            if free_in(model) == 0 or abs(now - self._served.get(model, 0.0)) < EXHAUSTED_AFTER:
                self._short.pop(model, None)
                if self._over(model, "pool_exhausted") and self._is_new("pool_back", model):
                    found.append(self._notice("pool_back", model, f"{model} is served again"))
                continue
            since = self._short.setdefault(model, now)
            if since > now:  # the clock was set back
                self._short[model] = now
            if now - since >= EXHAUSTED_AFTER and now - at < _ASKED_SECONDS and self._is_new("pool_exhausted", model):
                self._over(model, "pool_back")
                found.append(
                    self._notice(
                        "pool_exhausted", model, f"for over a minute no account or credential could serve {model}"
                    )
                )
        return found

    def of_volume(self, error: str) -> list[Notice]:
        """The volume, with what is wrong with it; empty: nothing."""
        if error:
            if self._is_new("volume_unreadable", ""):
                self._over("", "volume_back")
                return [self._notice("volume_unreadable", "", error)]
        elif self._over("", "volume_unreadable") and self._is_new("volume_back", ""):
            return [self._notice("volume_back", "", "its accounts are followed again")]
        return []

    def _notice(self, event: Event, thing: str, words: str) -> Notice:
        return Notice(event, thing, words, self._epoch())

    def _is_new(self, event: Event, thing: str) -> bool:
        """Whether no notice of it was sent yet, nor within the last minutes; from now on one was."""
        name = f"{event}\n{thing}"
        known = self._store.get(_TOLD, name)
        if known is not None:
            if known == "over":  # sent a short while ago: it is so again, and needs no second notice
                self._store.put(_TOLD, name, "so")
            return False
        self._store.put(_TOLD, name, "so")
        return True

    def _over(self, thing: str, event: Event | None = None) -> bool:
        """It is over; returns whether a notice of it was sent."""
        was = False
        for each in (event,) if event is not None else ("account_barred", "account_needs_owner", "sign_in_dead"):
            name = f"{each}\n{thing}"
            if self._store.get(_TOLD, name) == "so":
                self._store.put(_TOLD, name, "over", self._epoch() + AGAIN_AFTER)
                was = True
        return was
