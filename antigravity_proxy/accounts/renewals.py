"""Access tokens are renewed ahead of their end, behind the scenes: a few at a time, and not all in step."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any
from zlib import crc32

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from antigravity_proxy.accounts import policy
from antigravity_proxy.accounts.policy import Moment
from antigravity_proxy.accounts.slices import Slices
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.accounts.tokens import REFRESH_AHEAD, TokenKeeper
from antigravity_proxy.canonical.grant import RefreshRejected, RefreshToken

log = Logger()

#: seconds before its end at which a token is renewed: REFRESH_AHEAD, plus a random part of this
SPREAD = 300.0
#: seconds from the start to the first look, and from the end of a round to the next
FIRST, PAUSE = 1.0, 30.0
#: seconds between two renewals, and how many may be under way: some 18,000 accounts keep live tokens so
PACE, AT_ONCE = 0.2, 4
#: accounts that are looked at in one turn of the reactor
LOOKED_AT_ONCE = 5_000


def due_at(state: AccountState) -> float:
    """When the account's token is to be renewed (epoch seconds): by chance, but the same chance at every look."""
    chance = crc32(b"%s %d" % (state.credential.id.encode("utf-8", "replace"), int(state.expires_at))) / 2**32
    return state.expires_at - REFRESH_AHEAD - SPREAD * chance


class Renewals:
    """Looks over ``states`` in rounds, between ``start`` and ``stop``. A request never waits for it.

    Whose token still lives comes before whose has ended, the most urgent first. Where an OAuth client is refused, its
    further accounts are left alone until the next round.
    """

    def __init__(
        self,
        clock: IReactorTime,
        now: Callable[[], Moment],
        states: Callable[[], Collection[AccountState]],
        tokens: TokenKeeper,
    ) -> None:
        self._clock = clock
        self._now = now
        self._states = states
        self._tokens = tokens
        self._looking = Slices(clock)
        self._due: list[AccountState] = []  # the most urgent last
        self._refused: set[str | None] = set()  # the clients of this round
        self._under_way = 0
        self._next: Any = None

    def start(self) -> None:
        """Begins in a moment."""
        self._next = self._clock.callLater(FIRST, self._look)

    def stop(self) -> None:
        """Begins nothing more; what is under way is the token keeper's to end."""
        self._due.clear()
        self._looking.run(iter(()))
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _look(self) -> None:
        self._next = None
        self._refused.clear()
        looking = self._looking.run(self._gather())
        looking.addErrback(lambda failure: log.failure("tokens could not be checked", failure))
        looking.addCallback(lambda _: self._go_on())

    def _gather(self) -> Iterator[None]:
        """Collects the accounts of this round."""
        found, now = [], self._now()
        for number, state in enumerate(tuple(self._states()), 1):
            if self._wants(state, now):
                found.append(state)
            if number % LOOKED_AT_ONCE == 0:
                yield
        found.sort(key=lambda state: (state.expires_at <= now.epoch, abs(state.expires_at - now.epoch)), reverse=True)
        self._due = found

    def _go_on(self) -> None:
        """One renewal, then a pause; a long one after the last."""
        self._next = None
        if self._under_way < AT_ONCE:
            while self._due and not self._begin(self._due.pop()):
                pass
        self._next = self._clock.callLater(PACE, self._go_on) if self._due else self._clock.callLater(PAUSE, self._look)

    def _begin(self, state: AccountState) -> bool:
        """Renews the account's token, if that is still wanted."""
        client = state.grant.client if isinstance(state.grant, RefreshToken) else None
        if client in self._refused or not self._wants(state, self._now()):
            return False
        self._under_way += 1
        renewing: Deferred[None] = self._tokens.renew(state)
        renewing.addErrback(self._failed, client).addBoth(self._ended)
        return True

    @staticmethod
    def _wants(state: AccountState, now: Moment) -> bool:
        """Whether the account's token is to be renewed now; most are not nearly."""
        if state.expires_at - REFRESH_AHEAD - SPREAD > now.epoch or due_at(state) > now.epoch:
            return False
        return policy.in_use(state) and policy.can_refresh(state, now)

    def _failed(self, failure: Any, client: str | None) -> None:
        """Told in the log where it happened."""
        if failure.check(RefreshRejected) and failure.value.kind == "misconfigured":
            self._refused.add(client)

    def _ended(self, _: object) -> None:
        self._under_way -= 1
