"""The life of the connection: made, kept, watched, made again. One state at a time; no caller waits for it for long.

    resting ─start▶ connecting ─▶ up ─▶ waiting ─▶ connecting …        stop: resting, from anywhere
                        └────────failed────▲

While it is up, a heartbeat each second shows whether Redis still answers, takes writes, and has lost its data.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, NoReturn

import hiredis
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from antigravity_proxy.replicas import status
from antigravity_proxy.replicas.connection import Connection, Lost
from antigravity_proxy.replicas.connector import Connector
from antigravity_proxy.replicas.wire import Command, Keys, RedisTime

log = Logger()

#: seconds between two heartbeats, and those that Redis has to answer one
HEARTBEAT = 1.0
HEARTBEAT_SECONDS = 1.0
#: seconds above which an answer counts as slow: replicas would act on what is long past
SLOW = 0.25
#: seconds that anybody who looks something up waits for Redis
PATIENCE = 0.05
#: seconds after which a silent replica is no longer counted
REPLICA_SECONDS = 10
#: more are none: what waits for each of them would wait for ever
MOST_REPLICAS = 1000
_EPOCH_SECONDS = 86_400
#: no clock says more epoch seconds
_LATEST = 1 << 33


class State(Enum):
    """Where the link is in its life."""

    RESTING = "resting"
    CONNECTING = "connecting"
    UP = "up"
    WAITING = "waiting"


class Link:
    """Keeps a connection. ``sender`` names this process, as long as it lives; ``replicas`` is how many are alive.

    ``on_fresh`` is called when Redis may know other things than this process: it is connected again, takes writes
    again, has lost its memory. ``on_lost`` at the end of a connection, ``on_message`` with what comes over the
    channel.
    """

    def __init__(self, clock: IReactorTime, connector: Connector, keys: Keys, sender: str) -> None:
        self._clock = clock
        self._connector = connector
        self._keys = keys
        self._sender = sender
        self._connection: Connection | None = None
        self._epoch: bytes | None = None
        self._running: Deferred[None] | None = None
        self._stopped = False
        self._resting: Deferred[None] | None = None
        self.state = State.RESTING
        self.status = status.Status()
        self.time = RedisTime()
        self.replicas = 0
        self.on_fresh: Callable[[], None] = lambda: None
        self.on_lost: Callable[[], None] = lambda: None
        self.on_message: Callable[[bytes], None] = lambda message: None

    @property
    def is_up(self) -> bool:
        """Whether there is a connection, well or not."""
        return self.state is State.UP

    def now(self) -> float:
        """The monotonic second."""
        return self._clock.seconds()

    def start(self) -> None:
        """Connects, and stays connected."""
        self._running = Deferred.fromCoroutine(self._run()).addErrback(self._ended)

    def stop(self) -> Deferred[None]:
        """Ends it; fires when what was said last has left, or after a moment."""
        self._stopped = True
        running, self._running = self._running, None
        ended = succeed(None) if self._connection is None else self._connection.end(self._clock)
        if running is not None:
            running.cancel()
        return ended

    def ask(self, commands: Sequence[Command], seconds: float = HEARTBEAT_SECONDS) -> Deferred[list[Any]]:
        """The answers to commands, errors among them. Fails with Lost where they don't come in time."""
        if self._connection is None:
            refused: Deferred[list[Any]] = Deferred()
            refused.errback(Lost(self.status.trouble or status.NOT_YET))
            return refused
        return self._connection.ask(commands).addTimeout(seconds, self._clock, _too_late)

    def note(self, answers: Sequence[Any]) -> bool:
        """Takes notice of errors among answers; says whether there are none."""
        trouble = next((str(answer) for answer in answers if isinstance(answer, hiredis.ReplyError)), "")
        if trouble:
            self._tell(self.status.answered(status.meaning(trouble)))
            if trouble.startswith(("READONLY", "NOAUTH")) and self._connection is not None:
                self._connection.close(status.meaning(trouble))  # another Redis may be the master by now
        return not trouble

    async def _run(self) -> None:
        failures = 0
        while True:
            self.state = State.CONNECTING
            began = self._clock.seconds()
            try:
                connection = await self._connector.connect()
                began = self._clock.seconds()
                await self._live(connection)
            except Lost as e:
                reason = str(e)
            except Exception:
                if self._stopped:
                    raise
                log.failure("the link to Redis has broken")
                reason = "Redis is not connected"
            failures = 1 if self._clock.seconds() - began >= status.HOLDS else failures + 1
            self._tell(self.status.down(reason))
            self.state = State.WAITING
            await deferLater(self._clock, status.pause(failures, random.random()))  # noqa: S311 - no secret

    async def _live(self, connection: Connection) -> NoReturn:
        """The life of one connection; raises Lost at its end."""
        connection.on_push = self._pushed
        connection.on_lost = self._lost
        self._connection = connection
        self._epoch = None
        try:
            now = self._clock.seconds()
            (answer,) = await self._answers([(b"SUBSCRIBE", self._keys.channel), (b"TIME",)], answers=1)
            if isinstance(answer, hiredis.ReplyError):
                raise Lost(status.meaning(str(answer)))
            self._take_time(answer, now)
            is_well = await self._beat()
            self.state = State.UP
            if is_well:
                self._tell(self.status.up())
            self.on_fresh()
            while True:
                await self._rest(connection)
                await self._beat()
        finally:
            self._connection = None
            connection.close("stopped")
            self.on_lost()

    async def _beat(self) -> bool:
        """Says that this replica lives, and looks how Redis does: whether it takes all that. Raises Lost."""
        keys, now = self._keys, self._clock.seconds()
        known = self.time.theirs(now)
        answers = await self._answers(
            [
                (b"TIME",),
                (b"SET", keys.epoch, os.urandom(8), b"NX", b"EX", _EPOCH_SECONDS),
                (b"GET", keys.epoch),
                (b"EXPIRE", keys.epoch, _EPOCH_SECONDS),
                (b"ZADD", keys.replicas, known, self._sender),
                (b"EXPIRE", keys.replicas, 6 * REPLICA_SECONDS),
                (b"ZREMRANGEBYSCORE", keys.replicas, b"-inf", known - 1000 * REPLICA_SECONDS),
                (b"ZCARD", keys.replicas),
            ]
        )
        if not self.note(answers):
            return False
        took = self._take_time(answers[0], now)
        self.replicas = max(0, min(answers[-1], MOST_REPLICAS)) if isinstance(answers[-1], int) else 0
        lost_memory = self._epoch not in (None, answers[2])
        self._epoch = answers[2]
        if not self.is_up:
            return True
        was_well = self.status.well
        self._tell(self.status.answered("Redis is slow" if took > SLOW else ""))
        if lost_memory or (self.status.well and not was_well):
            self.on_fresh()
        return True

    def _take_time(self, answer: Any, sent: float) -> float:
        """Sets our idea of Redis' clock; returns the seconds that the answer took. Raises Lost."""
        took = self._clock.seconds() - sent
        try:
            seconds, microseconds = map(int, answer)
        except (TypeError, ValueError):
            raise Lost("Redis sent an invalid reply") from None
        if not (0 <= seconds < _LATEST and 0 <= microseconds < 1_000_000):
            raise Lost("Redis sent an invalid reply")
        if took <= SLOW or not self.time.offset:
            self.time.sample(sent, sent + took, seconds + microseconds / 1e6)
        return took

    async def _answers(self, commands: Sequence[Command], answers: int | None = None) -> list[Any]:
        """Replies without which the connection is given up."""
        connection = self._connection
        if connection is None:
            raise Lost("Redis is not connected")
        return await connection.ask(commands, answers).addTimeout(HEARTBEAT_SECONDS, self._clock, _too_late)

    async def _rest(self, connection: Connection) -> None:
        """Waits for the next heartbeat; raises Lost as soon as the connection is lost."""
        self._resting = deferLater(self._clock, HEARTBEAT)
        try:
            await self._resting
        except CancelledError:
            if connection.is_open or self._stopped:
                raise
        finally:
            self._resting = None
        if not connection.is_open:
            raise Lost(connection.reason)

    def _pushed(self, push: list[Any]) -> None:
        if len(push) == 3 and push[0] == b"message" and isinstance(push[2], bytes):
            self.on_message(push[2])

    def _lost(self, reason: str) -> None:
        if self._resting is not None:
            self._resting.cancel()

    def _ended(self, _: Failure) -> None:
        self.state = State.RESTING

    def _tell(self, news: bool) -> None:
        """One line for each change."""
        if not news:
            return
        if self.status.trouble:
            log.warn("{trouble}: this process goes on with its own state", trouble=self.status.trouble)
        else:
            log.info("Redis is connected: {count} replicas share their state", count=self.replicas)


def _too_late(result: Any, seconds: float) -> Any:
    raise Lost("Redis does not answer")
