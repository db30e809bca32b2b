"""The simulated Google's state: what is scripted for it, and what it received."""

from __future__ import annotations

from collections import Counter
from typing import Any

from twisted.internet.defer import Deferred

from antigravity_proxy.simulator.consent import PERSON, Consents
from antigravity_proxy.simulator.faults import Fault
from antigravity_proxy.simulator.load import Load
from antigravity_proxy.simulator.machine import Machine
from antigravity_proxy.simulator.onboarding import Onboarding
from antigravity_proxy.simulator.received import Received
from antigravity_proxy.simulator.service_accounts import ServiceAccounts


class State:
    """A simulated Google's accounts and script, and what arrived.

    ``requests`` holds what arrived at the generating methods, ``loads`` at ``loadCodeAssist``, ``looks`` at
    ``fetchAvailableModels``, ``refreshes`` the token endpoint's forms. Every access token ``ya29.…`` is known unless it
    is in ``revoked``. ``project`` is the answer of ``loadCodeAssist``, None: the user is not onboarded; ``onboarding``
    is how that goes. ``available`` is the answer of ``fetchAvailableModels`` for a token's account, if not of all
    models; ``quota_groups`` are those of ``retrieveUserQuotaSummary``, ``paid_tier`` that of ``loadCodeAssist``;
    ``projectless`` tokens may name no project there; ``models_fault`` happens to all that ask. ``token_fault``
    happens to all that ask for tokens (one with a ``pause`` only delays them), ``userinfo_fault`` to all that ask
    whose they are. ``machine`` is the metadata server, ``service_accounts`` are those whose keys are known.
    ``person`` is who sits before the consent page; ``people`` who signed in, by access token. With ``load`` streams
    are constant and requests neither checked nor kept.
    """

    def __init__(self, reactor: Any, load: Load | None = None) -> None:
        self.reactor = reactor
        self.load = load
        self.requests: list[Received] = []
        self.loads: list[Received] = []
        self.looks: list[Received] = []
        self.refreshes: list[dict[str, str]] = []
        self.revoked: set[str] = set()
        self.project: str | None = "simulated-project"
        self.onboarding = Onboarding()
        self.available: dict[str, dict[str, object]] = {}
        self.quota_groups: list[dict[str, object]] = []
        self.paid_tier: dict[str, object] | None = None
        self.projectless: set[str] = set()
        self.models_fault: Fault | None = None
        self.token_fault: Fault | None = None
        self.userinfo_fault: Fault | None = None
        self.person: dict[str, object] = dict(PERSON)
        self.people: dict[str, dict[str, object]] = {}
        self.machine = Machine()
        self.service_accounts = ServiceAccounts()
        self.consent = Consents(lambda: self.person)
        self.counts: Counter[str] = Counter()
        self._script: list[tuple[Fault, str | None, str | None]] = []
        self._waiting: list[tuple[int, Deferred[Received]]] = []

    def script(self, *queued: Fault, token: str | None = None, model: str | None = None, times: int = 1) -> None:
        """Queues faults, each ``times`` times: for any request, or those with one access token or for one model.

        Each is used up by the next request for an answer, or a count of tokens, that it fits.
        """
        self._script += [(fault, token, model) for fault in queued for _ in range(times)]

    def clear_script(self) -> None:
        """Drops the faults that are still queued."""
        self._script.clear()

    def arrived(self, count: int) -> Deferred[Received]:
        """Fires with the ``count``-th request to a generating method, when it is there."""
        waiting: Deferred[Received] = Deferred()
        if len(self.requests) >= count:
            waiting.callback(self.requests[count - 1])
        else:
            self._waiting.append((count, waiting))
        return waiting

    def unknown(self, token: str) -> bool:
        """Whether an access token belongs to none of the simulated accounts."""
        return not token.startswith("ya29.") or token in self.revoked

    def next_fault(self, received: Received) -> Fault | None:
        """Takes the next fault that fits."""
        for i, (fault, token, model) in enumerate(self._script):
            if token in (None, received.token) and model in (None, received.model):
                del self._script[i]
                return fault
        return None

    def note(self, received: Received) -> Fault:
        """A generating request arrived; returns what happens to it."""
        self.requests.append(received)
        self.counts["requests"] += 1
        due = [waiting for count, waiting in self._waiting if count <= len(self.requests)]
        self._waiting = [(count, waiting) for count, waiting in self._waiting if count > len(self.requests)]
        for waiting in due:
            waiting.callback(received)
        return self.next_fault(received) or Fault()
