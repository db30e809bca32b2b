"""The facts in memory, and behind that in the state directory, if there is one. No request waits for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, inlineCallbacks, maybeDeferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from antigravity_proxy.settings.limits import FIRST_READ, SLOW_READ, STATE_FLUSH, STATE_STOP
from antigravity_proxy.state.database import MAX_FACTS, Database, Fact, Facts, Lost, Opened, Work, words
from antigravity_proxy.state.place import Occupied
from antigravity_proxy.state.schema import NewerSchema
from antigravity_proxy.volume.threads import OwnThread, within

log = Logger()

T = TypeVar("T")

#: characters of a fact
_MAX_VALUE, _MAX_NAME = 1 << 16, 512
_TROUBLES = (OSError, sqlite3.Error, Lost, Occupied, NewerSchema, TimeoutError)


class Part(Protocol):
    """Something else that is written with each batch, such as usage."""

    def take(self) -> Work | None:
        """Hands over the changes to write; None: there are none."""
        ...

    def put_back(self) -> None:
        """The changes taken last could not be written, and are this part's again."""
        ...

    def written(self) -> None:
        """The changes taken last are written."""
        ...


class StateStore(Service):
    """Facts: short texts by kind and name, each known at once and written within seconds.

    ``directory`` None: all is kept in memory only. ``exposed``: others may look into it. ``epoch`` is the wall clock
    in seconds.
    """

    def __init__(self, reactor: Any, epoch: Callable[[], float], directory: Path | None) -> None:
        self.directory = directory
        self.exposed = False
        self._trouble = ""
        self._reactor = reactor
        self._epoch = epoch
        self._facts: Facts = {}
        self._unwritten: Facts = {}
        self._parts: list[Part] = []
        self._loaded: list[Callable[[], object]] = []
        self._database = Database(directory)
        self._thread = OwnThread(reactor, "state")
        self._call: IDelayedCall | None = None
        self._writing: Deferred[None] | None = None
        self._since = 0.0  # monotonic seconds: when the write under way began

    @property
    def trouble(self) -> str:
        """Why the directory can't be written at the moment, in a few words; empty: it can, or there is none."""
        hangs = self._writing is not None and self._reactor.seconds() - self._since > SLOW_READ
        return "a write hangs" if hangs else self._trouble

    # facts

    def get(self, kind: str, name: str) -> str | None:
        """The fact of that kind and name, as long as it lasts."""
        fact = self._facts.get((kind, name))
        return None if fact is None or self._is_over(fact) else fact.value

    def of(self, kind: str) -> dict[str, Fact]:
        """All facts of a kind that last, by name."""
        return {key[1]: fact for key, fact in self._facts.items() if key[0] == kind and not self._is_over(fact)}

    def put(self, kind: str, name: str, value: str, until: float | None = None) -> None:
        """Remembers a fact, up to ``until`` (epoch seconds). Numbers, ids and names of keys only: never a secret.

        Raises ValueError for one that is too long.
        """
        if len(value) > _MAX_VALUE or len(name) > _MAX_NAME:
            raise ValueError(f"a fact of the kind {kind} is too long")
        if len(self._facts) >= MAX_FACTS and (kind, name) not in self._facts:
            self._forget_over()
            if len(self._facts) >= MAX_FACTS:
                return
        self._note((kind, name), Fact(value, until))

    def remove(self, kind: str, name: str) -> None:
        """Forgets a fact; does nothing if there is none."""
        if (kind, name) in self._facts or self._trouble:  # the directory may hold one, when it is back
            self._note((kind, name), Fact(None))

    # what else is written

    def add(self, part: Part) -> None:
        """Writes this too from now on."""
        self._parts.append(part)

    def on_loaded(self, listener: Callable[[], object]) -> None:
        """Calls the listener whenever facts have come from the directory."""
        self._loaded.append(listener)

    # its life

    def startService(self) -> None:
        """Opens the directory, which may take a moment at most: what isn't there by then is tried again."""
        super().startService()
        database = self._database
        self._thread.start()
        try:
            self._opened(within(FIRST_READ, lambda: database.open(self._epoch())), {})
        except _TROUBLES as e:
            self._failed(e)
        self._next()

    @inlineCallbacks
    def stopService(self) -> Any:
        """Writes what is left, as far as that goes in a moment."""
        yield super().stopService()
        if self._call is not None:
            self._call.cancel()
            self._call = None
        timeout = self._reactor.callLater(STATE_STOP, self._cancel)
        if self._writing is not None:
            yield self._writing
        if timeout.active():  # else it hangs, and is left behind
            self._begin()
            yield self._writing
        if timeout.active():
            timeout.cancel()
        self._thread.run(self._database.close).addErrback(lambda _: None)
        self._thread.stop(STATE_STOP)

    def flush(self) -> Deferred[None]:
        """Writes now what is not written yet; fires when that was tried, and never fails."""
        if self._writing is None:
            self._begin()
        waiting: Deferred[None] = Deferred()
        if self._writing is None:
            waiting.callback(None)
        else:
            self._writing.addCallback(waiting.callback)
        return waiting

    def ask(self, read: Callable[[sqlite3.Connection], T], otherwise: Callable[[], T]) -> Deferred[T]:
        """The result of ``read`` on the database, in the thread; while that is away the result of ``otherwise``."""
        if self.trouble:
            return maybeDeferred(otherwise)
        asked: Deferred[T] = self._thread.run(lambda: self._database.ask(read))

        def failed(failure: Failure) -> T:
            failure.trap(Lost, sqlite3.Error)
            return otherwise()

        return asked.addErrback(failed)

    def _cancel(self) -> None:
        if self._writing is not None:
            self._writing.cancel()

    def _begin(self) -> None:
        self._since = self._reactor.seconds()
        self._writing = writing = self._write()
        writing.addCallback(lambda _: self._ended())

    def _ended(self) -> None:
        self._writing = None
        self._next()

    def _write(self) -> Deferred[None]:
        database = self._database
        taken = [(part, work) for part in self._parts if (work := part.take()) is not None]
        unwritten, self._unwritten = self._unwritten, {}
        works = [work for _, work in taken]
        now = self._epoch()

        def write() -> Opened | None:
            opened = None if database.is_open else database.open(now)
            database.write(unwritten, works)
            return opened

        def done(opened: Opened | None) -> None:
            for part, _ in taken:
                part.written()
            if opened is not None:
                self._opened(opened, unwritten)
            self._well()

        def failed(failure: Failure) -> None:
            for part, _ in taken:
                part.put_back()
            self._unwritten = {**unwritten, **self._unwritten}
            if failure.check(Lost):  # a new file holds nothing of what the old one held
                self._unwritten = {**self._facts, **self._unwritten}
            if failure.check(*_TROUBLES, CancelledError):
                self._failed(cast(BaseException, failure.value))
            else:
                log.failure("the state could not be written", failure)

        return self._thread.run(write).addCallbacks(done, failed)

    def _tick(self) -> None:
        self._call = None
        self._forget_over()
        self._begin()

    def _next(self) -> None:
        if self.running and self._call is None:
            self._call = self._reactor.callLater(STATE_FLUSH, self._tick)

    def _note(self, key: tuple[str, str], fact: Fact) -> None:
        if fact.value is None:
            self._facts.pop(key, None)
        elif self._facts.get(key) == fact:
            return
        else:
            self._facts[key] = fact
        if self.directory is not None:
            self._unwritten[key] = fact

    def _is_over(self, fact: Fact) -> bool:
        return fact.until is not None and fact.until <= self._epoch()

    def _forget_over(self) -> None:
        for key in [key for key, fact in self._facts.items() if self._is_over(fact)]:
            self._note(key, Fact(None))

    def _opened(self, opened: Opened, newer: Facts) -> None:
        """Facts that were learnt while the directory was away are newer than its own."""
        self.exposed = opened.exposed
        if opened.damaged:
            log.warn("PROXY_STATE_DIR: the database was damaged, so a new one begins; the old one is kept beside it")
        newer = {**newer, **self._unwritten}
        self._facts = {**{key: fact for key, fact in opened.facts.items() if key not in newer}, **self._facts}
        for listener in self._loaded:
            listener()

    def _failed(self, error: BaseException) -> None:
        trouble = words(error) or "it does not answer"
        if trouble != self._trouble:
            self._trouble = trouble
            log.warn("PROXY_STATE_DIR: {trouble}; what it should hold is in memory only meanwhile", trouble=trouble)

    def _well(self) -> None:
        if self._trouble:
            self._trouble = ""
            log.info("PROXY_STATE_DIR can be written again")
