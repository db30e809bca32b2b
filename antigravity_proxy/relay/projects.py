"""Which Google Cloud project an account's requests carry (upstream.md 3.2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from antigravity_proxy.accounts.replication import LocalState, SharedState
from antigravity_proxy.accounts.state import AccountState
from antigravity_proxy.accounts.waiting import SingleFlight
from antigravity_proxy.settings.limits import PROJECT_PATIENCE

log = Logger()

#: seconds after which a look-up that brought nothing is tried again
ASK_AGAIN = 300.0

#: marks a project that is left out: every known one has been refused
_WITHOUT = ""

Ask = Callable[[AccountState], Awaitable[str | None]]


class Projects:
    """Knows each account's project: the volume's, else the one upstream has for it, else the fallback, else none.

    ``ask`` asks upstream; whatever it raises counts as "not known"; None: a credential names its project, or has none.
    Results are kept in memory, and ``shared`` with other replicas, which then need not ask.
    """

    def __init__(
        self, clock: IReactorTime, ask: Ask | None, fallback: str | None, shared: SharedState | None = None
    ) -> None:
        self._clock = clock
        self._ask = ask
        self._fallback = fallback
        self._shared = LocalState() if shared is None else shared
        self._flights: SingleFlight[None] = SingleFlight()

    async def of(self, state: AccountState) -> str | None:
        """The project to send; None: send the request without one.

        Waits a moment for upstream's answer; a look-up that takes longer, since a project is being made, goes on.
        """
        if self.must_ask(state):
            looking = self._flights.do(state, lambda: Deferred.fromCoroutine(self._look_up(state)))
            await looking.addTimeout(PROJECT_PATIENCE, self._clock, _go_without)
        return self.known(state)

    def must_ask(self, state: AccountState) -> bool:
        """Whether the project is not known, and upstream is being asked for it or will be."""
        return state.project is None and self._ask is not None and (self._flights.running(state) or self._is_due(state))

    def known(self, state: AccountState) -> str | None:
        """The project to send by what is known now, as ``of``."""
        project = state.project
        if project:
            return project
        return None if project == _WITHOUT or self._ask is None else self._fallback

    def forget(self, state: AccountState) -> None:
        """Upstream refused the project: a new one is looked up."""
        state.project_refused = state.project
        state.project = None
        state.project_asked = float("-inf")

    def renew(self, state: AccountState) -> None:
        """As ``forget``, and asks in the background (upstream.md 6.3 row 13)."""
        self.forget(state)
        Deferred.fromCoroutine(self.of(state)).addErrback(lambda _: None)  # only a cancelled wait fails

    def do_without(self, state: AccountState) -> None:
        """The account's requests carry no project, until its row changes."""
        state.project = _WITHOUT

    def stop(self) -> None:
        """Gives up what is under way."""
        self._flights.cancel()

    def _is_due(self, state: AccountState) -> bool:
        return self._clock.seconds() - state.project_asked > ASK_AGAIN

    async def _look_up(self, state: AccountState) -> None:
        state.project_asked, ask = self._clock.seconds(), self._ask
        if ask is None:  # never: see ``of``
            return
        try:
            project = await self._shared.project(state.credential.id, state.project_refused, lambda: ask(state))
        except Exception as e:
            log.warn(
                "the project of account {account} could not be determined: {reason}",
                account=state.credential.id,
                reason=e,
            )
            return
        if state.project is None:  # its row may have brought one meanwhile
            state.project = project


def _go_without(result: Any, seconds: float) -> None:
    """The wait is over, not the look-up."""
