"""Tells Redis what this process has learnt: soon, in batches, one under way at a time."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from antigravity_proxy.replicas.connection import Lost
from antigravity_proxy.replicas.link import Link
from antigravity_proxy.replicas.outbox import Batch
from antigravity_proxy.replicas.state import ReplicaState

log = Logger()

#: seconds that changes are collected before they are published; sessions alone, which are less urgent, for longer
HASTE = 0.005
LEISURE = 0.05
#: the same for each replica: among very many, Redis has to deliver every batch to each
LEISURE_EACH = 0.0025
#: seconds that Redis has to take a batch
BATCH_SECONDS = 2.0


def leisure(replicas: int) -> float:
    """Seconds that sessions are collected among ``replicas`` replicas."""
    return max(LEISURE, LEISURE_EACH * replicas)


class Publisher:
    """Empties the outbox while the link is up."""

    def __init__(self, clock: IReactorTime, link: Link, state: ReplicaState) -> None:
        self._clock = clock
        self._link = link
        self._state = state
        self._outbox = state.outbox
        self._under_way = False
        self._next: IDelayedCall | None = None

    def wake(self) -> None:
        """There may be something to publish."""
        if self._under_way or not self._outbox or not self._link.is_up:
            return
        pause = HASTE if self._outbox.urgent else leisure(self._link.replicas)
        if self._next is None:
            self._next = self._clock.callLater(pause, self._tell)
        elif pause == HASTE and self._next.getTime() > self._clock.seconds() + HASTE:
            self._next.reset(HASTE)

    def stop(self) -> None:
        """Tells what a last batch can hold, and nothing more."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
        if self._link.is_up and not self._under_way and self._outbox:
            self._send(self._outbox.take())

    def _tell(self) -> None:
        self._next = None
        if self._outbox and self._link.is_up:
            self._under_way = True
            self._send(self._outbox.take())

    def _send(self, batch: Batch) -> None:
        commands = self._state.commands(batch, self._clock.seconds())
        self._link.ask(commands, BATCH_SECONDS).addCallbacks(self._told, self._not_told, errbackArgs=(batch,))

    def _told(self, answers: list[Any]) -> None:
        self._under_way = False
        self._link.note(answers)  # refused changes are published again when that trouble is over
        self.wake()

    def _not_told(self, failure: Failure, batch: Batch) -> None:
        self._under_way = False
        self._outbox.put_back(batch)
        if failure.check(Lost) is None:
            log.failure("a batch could not be published", failure)
